//! The real-time core of i405 on Linux: threads, clocks, waiting, sockets, TUN, scheduling class.
//!
//! It does no handshake (that is TypeScript's) and decides nothing about bytes (that is `i405-proto`'s).
//! Threads of a tunnel: dispatcher, receiver, ingress (or all three in one spinner) and reporter.
//! Read in this order: [`tunnel`], `slots`, `assembling`, `sending` and `dispatcher`, `hedge` and `hedged`, `receiving` and `receiver`, `spinner`, `reporter`.
//! Everything `unsafe` is in `sys`.

mod addresses;
mod aftermath;
mod assembling;
mod backlog;
mod breath;
pub mod burner;
mod carousel;
mod cgroup;
pub mod clock;
mod command;
pub mod config;
pub mod control;
mod departure_reader;
mod departures;
mod device;
mod device_keeper;
mod dispatcher;
mod distribution;
mod egress;
mod emergency;
pub mod error;
pub mod event;
mod foreign_clock;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod handed;
mod heard;
mod hedge;
mod hedged;
mod ingress;
mod interface;
mod launch;
mod launch_trial;
mod lock;
mod margin;
mod matching;
pub mod name_query;
mod nftables;
mod opening;
mod outer_filter;
mod own_flow;
mod packet_ring;
mod path;
pub mod peer;
mod priority;
pub mod privilege;
pub mod probe;
mod quantile;
mod queue;
mod random;
mod realtime;
pub mod realtime_limit;
mod receiver;
mod receiving;
mod record;
mod recorder;
mod refusal;
mod report_in;
mod reporter;
mod sending;
pub mod service;
mod shared;
#[cfg(feature = "simulation")]
mod simulated;
#[cfg(feature = "simulation")]
pub mod simulation;
mod slots;
mod socket;
mod spinner;
mod stats;
mod strong_host;
mod sys;
mod threads;
mod timestamping;
pub mod tunnel;
mod turn_cost;
mod wait;
mod waker;
mod warnings;
mod window;

pub use carousel::Offer;
pub use distribution::{BOUNDS_NS, Distribution};
pub use error::Error;
pub use event::{Event, EventSink};
pub use path::{LossFigures, PathFigures};
pub use record::{ArrivalRecord, DepartureRecord, Recorded, SlotRecord};
pub use socket::route_mtu;
pub use stats::Counters;
pub use tunnel::Tunnel;
pub use window::DeviationReport;
