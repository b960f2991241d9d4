//! The machine as the tunnel needs it: clocks, waiting, locks, randomness, the outer socket and its filter, the interface.
//! It knows no slot, no session and no thread.

pub mod clock;
pub mod config;
pub mod device;
pub mod egress;
pub mod error;
pub mod foreign_clock;
pub mod interface;
pub mod launch;
pub mod launch_trial;
pub mod lock;
pub mod name_query;
pub mod outer_filter;
pub mod random;
#[cfg(feature = "simulation")]
pub mod simulated;
pub mod socket;
pub mod timestamping;
pub mod wait;
pub mod waker;
