//! What a run is asked about: how its calm phases go, and its figures.

/// How a calm phase goes.
#[derive(Default)]
pub struct Calm {
    /// Since when both ends have heard each other.
    pub(super) hearing_ns: Option<u64>,
    /// When that had been so for long enough.
    pub(super) linked_ns: Option<u64>,
    /// Packets begun when all of them had to come, up and down.
    pub(super) from: Option<[usize; 2]>,
    pub(super) to: Option<[usize; 2]>,
}

/// What a run did, for the report.
#[derive(Clone, Copy, Default)]
pub struct Figures {
    pub slots: u64,
    pub missed: u64,
    pub deeds: u64,
    pub restarts: u64,
    pub moves: u64,
    pub forged: u64,
    pub astray: u64,
    /// Too long for the way, or for the host's own interface.
    pub too_long: u64,
    /// Commands to go on at a shorter or a longer length.
    pub downs: u64,
    pub ups: u64,
    /// Sessions at a shorter or a longer length than the one before.
    pub descents: u64,
    pub climbs: u64,
    pub connections: u64,
    pub heals: u64,
    /// Longest time from the begin of a calm phase until both ends had each other.
    pub slowest_heal_ns: u64,
    pub digest: u64,
}

impl Figures {
    /// One datagram into the digest of the run.
    pub fn mix(&mut self, now_ns: u64, datagram: &[u8]) {
        let mut word = [0; 8];
        word.copy_from_slice(&datagram[..8]);
        let mixed = (self.digest ^ now_ns ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.digest = mixed ^ mixed >> 29;
    }
}
