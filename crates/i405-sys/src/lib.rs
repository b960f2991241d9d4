//! System calls of Linux that no safe wrapper covers, and every `unsafe` block of the product's Linux side. Each function here is
//! safe to call; nothing here knows of a tunnel.

pub mod adjust;
pub mod bpf;
mod btf;
pub mod control_message;
pub mod errqueue;
pub mod ethtool;
pub mod everywhere;
pub mod fd;
pub mod filter;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod memory;
pub mod option;
pub mod own_address;
pub mod peer;
pub mod ptp;
pub mod sched;
pub mod socket;
pub mod transmit_stamp;
pub mod txtime;
