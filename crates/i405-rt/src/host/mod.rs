//! This keeps the rest of this machine's network in line: it sets the strong host model's rules, which outlive a crash by a
//! minute (`aftermath`), and it makes the interface again if somebody deletes it.

mod addresses;
mod aftermath;
pub mod device_keeper;
pub mod nftables;
pub mod strong_host;
mod warnings;
