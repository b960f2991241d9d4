//! A datagram under way.

use std::cmp::Ordering;
use std::net::SocketAddr;

/// Ordered by time, and what was sent first comes first.
pub struct Arrival {
    pub at_ns: u64,
    pub order: u64,
    pub to: usize,
    /// Where that end was when this left: what comes after it moved finds nobody.
    pub address: SocketAddr,
    pub from: SocketAddr,
    pub bytes: Vec<u8>,
}

impl PartialEq for Arrival {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Arrival {}
impl PartialOrd for Arrival {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Arrival {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ns, self.order).cmp(&(other.at_ns, other.order))
    }
}
