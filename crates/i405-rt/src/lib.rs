//! The real-time core of i405 on Linux: threads, clocks, waiting, sockets, TUN, scheduling class.
//!
//! It does no handshake (that is TypeScript's) and decides nothing about bytes (that is `i405-proto`'s).
//! Threads of a tunnel: one dispatcher or two, receiver, ingress (or all three in one spinner), reporter, and burners.
//!
//! Each folder imports only those before it in this order, which a test checks (`tests/layout.rs`):
//! `platform`, `realtime`, `rings`, `host`, `send`, `receive`, `report`, [`tunnel`].
//! To read it, begin at the other end: [`tunnel`], then `send` and `receive`, then `report`.

mod platform;

mod realtime;

mod rings;

mod host;

mod send;

mod receive;

mod report;

pub mod tunnel;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

pub use platform::error::Error;
pub use platform::kernel_spin::works_here as kernel_spin_works_here;
pub use platform::refused::Refused;
pub use platform::socket::route_mtu;
pub use platform::{clock, config, error, name_query, wait};
pub use realtime::{burner, priority, timed_thread};
pub use report::carousel::Offer;
pub use report::distribution::{BOUNDS_NS, Distribution};
pub use report::path::{LossFigures, PathFigures};
pub use report::window::DeviationReport;
pub use rings::event;
pub use rings::event::{Event, EventSink};
pub use rings::record::{ArrivalRecord, DepartureRecord, Recorded, SlotRecord};
pub use rings::stats::Counters;
pub use tunnel::Tunnel;
#[cfg(feature = "simulation")]
pub use tunnel::simulation;
