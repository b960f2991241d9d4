//! Which copies of a stamp's fragments have come already.
//!
//! Every slot of a carousel has a nonce of its own, so a nonce that comes twice is a copy that somebody else sent. It
//! must not name the source, or the copier would draw the stream to itself.

use crate::handshake_wire::NONCE;

/// Copies remembered per stamp. A carousel lasts 5 s and 4 rounds, which at 10 us slots is half a million slots; but
/// it ends with the first answer, and past this bound the source merely stays where it is.
pub const MAX_NONCES: usize = 65_536;

/// Twice the bound, so that probing stays short: about 1.5 places on average at the fullest.
const PLACES: usize = 2 * MAX_NONCES;
const EMPTY: u64 = 0;

/// What [`SeenNonces::insert`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The first time; it is remembered.
    New,
    /// It has come before.
    Before,
    /// No room to remember it, so nobody can tell.
    Full,
}

/// The nonces of one stamp: a table with open addressing, allocated once.
///
/// Only half of a nonce is kept. Nonces are random and authenticated before they get here, so nobody can choose one to
/// collide, and by chance two of 65,536 halves do so with a probability of 2^-33.
pub struct SeenNonces {
    stamp: Option<u64>,
    table: Box<[u64]>,
    used: usize,
}

impl Default for SeenNonces {
    fn default() -> Self {
        Self::new()
    }
}

impl SeenNonces {
    /// An empty set that belongs to no stamp. The kernel provides its 1 MiB only as far as it is used.
    pub fn new() -> Self {
        Self { stamp: None, table: vec![EMPTY; PLACES].into_boxed_slice(), used: 0 }
    }

    /// The stamp whose nonces these are.
    pub fn stamp(&self) -> Option<u64> {
        self.stamp
    }

    /// Makes this the set of that stamp. Empties it if it was another's.
    pub fn begin(&mut self, stamp: u64) {
        if self.stamp != Some(stamp) {
            self.stamp = Some(stamp);
            if self.used > 0 {
                self.table.fill(EMPTY);
                self.used = 0;
            }
        }
    }

    /// Whether the nonce is new, which it isn't afterwards.
    pub fn insert(&mut self, nonce: &[u8; NONCE]) -> Seen {
        let [a, b, c, d, e, f, g, h, ..] = *nonce;
        // No half is kept as zero, which marks an empty place; that makes two of 2^64 halves the same.
        let half = u64::from_le_bytes([a, b, c, d, e, f, g, h]).max(1);
        let mut place = half as usize % PLACES;
        // Ends at an empty place, of which there are at least as many as used ones.
        while self.table[place] != EMPTY {
            if self.table[place] == half {
                return Seen::Before;
            }
            place = (place + 1) % PLACES;
        }
        if self.used == MAX_NONCES {
            return Seen::Full;
        }
        self.table[place] = half;
        self.used += 1;
        Seen::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(number: u64) -> [u8; NONCE] {
        let mut nonce = [0; NONCE];
        nonce[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        nonce
    }

    #[test]
    fn each_nonce_is_new_once_up_to_the_bound() {
        let mut seen = SeenNonces::new();
        seen.begin(1);
        for number in 0..MAX_NONCES as u64 {
            assert_eq!(seen.insert(&nonce(number)), Seen::New);
        }
        assert_eq!(seen.insert(&nonce(u64::MAX)), Seen::Full);
        for number in 0..MAX_NONCES as u64 {
            assert_eq!(seen.insert(&nonce(number)), Seen::Before);
        }
    }

    #[test]
    fn neighbours_in_the_table_are_told_apart() {
        let mut seen = SeenNonces::new();
        seen.begin(1);
        let at = |half: u64| {
            let mut nonce = [0; NONCE];
            nonce[..8].copy_from_slice(&half.to_le_bytes());
            nonce
        };
        let last = PLACES as u64 - 1;
        for half in [last, last + PLACES as u64, last + 2 * PLACES as u64, 5] {
            assert_eq!(seen.insert(&at(half)), Seen::New);
            assert_eq!(seen.insert(&at(half)), Seen::Before);
        }
    }

    #[test]
    fn another_stamp_begins_with_nothing() {
        let mut seen = SeenNonces::new();
        seen.begin(1);
        assert_eq!(seen.insert(&nonce(4)), Seen::New);
        seen.begin(1);
        assert_eq!(seen.insert(&nonce(4)), Seen::Before);
        seen.begin(2);
        assert_eq!(seen.stamp(), Some(2));
        assert_eq!(seen.insert(&nonce(4)), Seen::New);
    }
}
