//! From whom a handshake is under way, or was until a moment ago. Only the counters depend on it.
//!
//! While two ends have no session, or only one of them has it yet, each sends datagrams that the other opens under no
//! key: cover under a throwaway key, and more copies of a handshake's fragments than the budget lets in. They count as
//! the peer's and not as a stranger's, as far as a source address tells: whoever forges that address is counted with
//! them for as long.

use crate::endpoint::Endpoint;

/// So long after the last sign of a handshake: until then the key before it opens, too.
const AFTERWARDS_NS: u64 = 10_000_000_000;

/// Where a handshake comes from.
#[derive(Debug, Default)]
pub(super) struct Underway {
    source: Option<Endpoint>,
    until_ns: u64,
    /// Client: an attempt of its own waits for its answer.
    waits: bool,
}

impl Underway {
    /// A fragment authenticated that was no old one.
    pub(super) fn heard(&mut self, source: Endpoint, now_ns: u64) {
        self.source = Some(source);
        self.until_ns = now_ns.saturating_add(AFTERWARDS_NS);
    }

    /// Client: whether it has asked. Its server is the only source that counts.
    pub(super) fn wait(&mut self, waits: bool) {
        self.waits = waits;
    }

    /// Whether what came from there and opens under no key is the peer's.
    pub(super) fn explains(&self, source: Endpoint, now_ns: u64) -> bool {
        self.waits || (self.source == Some(source) && now_ns < self.until_ns)
    }
}
