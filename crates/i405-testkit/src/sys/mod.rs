//! The system calls that no safe wrapper offers, and the only `unsafe` of this crate.

pub mod bpf;
pub mod filter;
pub mod option;
pub mod packet;
pub mod raw;
pub mod sched;
pub mod signal;
pub mod stamped;
pub mod tun;
