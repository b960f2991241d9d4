//! What comes: one datagram, and all of them counted.

use crate::endpoint::Endpoint;

/// When and from where a datagram came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) now_ns: u64,
    pub(super) received_ns: u64,
    pub(super) wall_ms: u64,
    pub(super) source: Endpoint,
}

/// What has come so far. Each datagram counts once among opened, fragments, unknown, unopened, replayed and over budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboundCounters {
    /// Datagrams of any kind.
    pub received: u64,
    /// Data datagrams that authenticated and were new.
    pub opened: u64,
    /// Those of the peer's datagrams that can have come, by the highest counter of each key that opened. Those of them
    /// that are not in `opened` are lost, or late.
    pub expected: u64,
    /// Authenticated by no key, or from a source that doesn't count.
    pub unknown: u64,
    /// The peer's own datagrams that nothing opened: cover without a session, and copies of a handshake under way that
    /// are more than the budget lets in.
    pub unopened: u64,
    /// Copies of datagrams that were opened before.
    pub replayed: u64,
    /// Dropped because trial would have cost more than the budget has.
    pub over_budget: u64,
    /// Handshake datagrams that authenticated.
    pub fragments: u64,
    /// Those among them whose initiation was at or below the floor, or too old.
    pub stale: u64,
    /// Payloads that were given up as lost.
    pub payloads_lost: u64,
    /// Data blocks that could not be completed, or were malformed.
    pub blocks_dropped: u64,
    /// Inner packets whose length their header contradicts.
    pub malformed_inner: u64,
}
