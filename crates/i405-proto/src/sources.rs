//! Where the fragments of one initiation came from, and so where its response goes (docs/protocol.md, "Sources").
//!
//! Anybody can copy a fragment and forge where it comes from, so there may be any number of strangers among the
//! sources. Two bounded tables tell those that keep up with the client from the rest. One has which nonces came from
//! which source, so that each counts once. The other has how many these were, in cells that sources may share. When the
//! first table is full, it is emptied and all counts are halved, which costs whoever brings it about a datagram for
//! each place.
//!
//! The hash is keyed, or somebody could choose sources that share a cell with another. Only `new` allocates.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::endpoint::Endpoint;
use crate::handshake_wire::NONCE;
use crate::nonces::{Seen, SeenNonces, half_of};

// The protocol's.

/// Sources that a response goes to at most.
pub const MOST_SOURCES: usize = 4;

// Ours.

/// Counts: 8 KiB, enough that a thousand strangers seldom share one with the client.
const CELLS: usize = 4096;

/// A source among those that the response goes to.
#[derive(Clone, Copy, Debug)]
struct Ranked {
    source: Endpoint,
    /// Bits of its count: who sends twice as much is above.
    bits: u32,
    /// Drawn for the stamp: decides among equals.
    lot: u64,
}

impl Ranked {
    fn rank(&self) -> (u32, u64) {
        (self.bits, self.lot)
    }
}

/// The sources of one stamp.
pub struct Sources {
    key: [u8; 16],
    stamp: Option<u64>,
    pairs: SeenNonces,
    counts: Box<[u16]>,
    /// Highest rank first.
    ranked: [Option<Ranked>; MOST_SOURCES],
    /// Distinct nonces so far: no source has sent more, whoever it shares a cell with.
    nonces: u16,
}

impl Sources {
    /// Of no stamp yet. `key`: random bytes that nobody else knows.
    pub fn new(key: [u8; 16]) -> Self {
        Self {
            key,
            stamp: None,
            pairs: SeenNonces::new(),
            counts: vec![0; CELLS].into_boxed_slice(),
            ranked: [None; MOST_SOURCES],
            nonces: 0,
        }
    }

    /// The stamp whose sources these are.
    pub fn stamp(&self) -> Option<u64> {
        self.stamp
    }

    /// Makes these the sources of that stamp. Empties them if they were another's.
    pub fn begin(&mut self, stamp: u64) {
        if self.stamp != Some(stamp) {
            self.stamp = Some(stamp);
            self.pairs.begin(stamp);
            self.counts.fill(0);
            self.ranked = [None; MOST_SOURCES];
            self.nonces = 0;
        }
    }

    /// Whether a fragment with this nonce opened under the stamp, so that another with it is a copy.
    pub fn know(&self, nonce: &[u8; NONCE]) -> bool {
        self.pairs.contains(half_of(nonce))
    }

    /// A fragment that opened, or a copy of one: whether the response goes to other sources than before.
    pub fn came(&mut self, nonce: &[u8; NONCE], source: Endpoint) -> bool {
        let half = half_of(nonce);
        let lot = self.hash(&source);
        // Two entries each: by the first a copy is known for one, by the second where it came from.
        if self.pairs.free() < 2 {
            self.halve();
        }
        if self.pairs.insert(half) == Seen::New {
            self.nonces = self.nonces.saturating_add(1);
        }
        if self.pairs.insert(half ^ lot.rotate_left(32)) == Seen::Before {
            return false;
        }
        let cell = &mut self.counts[lot as usize % CELLS];
        *cell = cell.saturating_add(1).min(self.nonces);
        let bits = u16::BITS - cell.leading_zeros();
        self.rank(Ranked { source, bits, lot })
    }

    /// Where the response goes, the likeliest first.
    pub fn best(&self) -> impl Iterator<Item = Endpoint> + '_ {
        self.ranked.iter().flatten().map(|ranked| ranked.source)
    }

    fn hash(&self, source: &Endpoint) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.key, self.stamp, source).hash(&mut hasher);
        hasher.finish()
    }

    /// Puts a source where it belongs by its rank. True: it is new among them.
    fn rank(&mut self, newcomer: Ranked) -> bool {
        let known = self.ranked.iter().flatten().any(|ranked| ranked.source == newcomer.source);
        if !known {
            let last = &mut self.ranked[MOST_SOURCES - 1];
            if last.is_some_and(|last| last.rank() >= newcomer.rank()) {
                return false;
            }
            *last = Some(newcomer);
        }
        for ranked in self.ranked.iter_mut().flatten().filter(|ranked| ranked.source == newcomer.source) {
            ranked.bits = newcomer.bits;
        }
        // None sorts last.
        self.ranked.sort_by_key(|each| std::cmp::Reverse(each.map(|ranked| ranked.rank())));
        !known
    }

    fn halve(&mut self) {
        self.pairs.clear();
        self.nonces /= 2;
        for cell in &mut self.counts {
            *cell /= 2;
        }
        for ranked in self.ranked.iter_mut().flatten() {
            ranked.bits = ranked.bits.saturating_sub(1);
        }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("stamp", &self.stamp).field("ranked", &self.ranked).finish_non_exhaustive()
    }
}
