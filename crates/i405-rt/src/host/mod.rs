//! What keeps the rest of this machine's network in line while there is an interface: the strong host model's rules, and
//! the interface itself, should somebody delete it.

mod addresses;
mod aftermath;
pub mod device_keeper;
pub mod nftables;
pub mod strong_host;
