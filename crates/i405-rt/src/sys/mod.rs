//! Every `unsafe` block of this crate: system calls that no safe wrapper covers.

pub mod adjust;
pub mod errqueue;
pub mod ethtool;
pub mod everywhere;
pub mod fd;
pub mod filter;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod memory;
pub mod own_address;
pub mod ptp;
pub mod sched;
pub mod socket;
pub mod transmit_stamp;
pub mod txtime;
