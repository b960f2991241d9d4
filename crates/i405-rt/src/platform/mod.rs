//! This is the machine as a tunnel needs it: clocks, waiting, locks, panics, randomness, the outer socket with its filter and its
//! launch times, the interface, name servers. What a tunnel is opened with (`config`) and its errors are here as well.
//! Nothing here knows of a schedule or a session under way.

pub mod clock;
pub mod config;
pub mod device;
pub mod egress;
pub mod error;
pub mod foreign_clock;
pub mod interface;
pub mod kernel_spin;
pub mod launch;
pub mod launch_trial;
pub mod lock;
pub mod name_query;
pub mod outer_filter;
pub mod panicking;
pub mod random;
pub mod refused;
#[cfg(feature = "simulation")]
pub mod simulated;
pub mod socket;
pub mod timestamping;
pub mod wait;
pub mod waker;
