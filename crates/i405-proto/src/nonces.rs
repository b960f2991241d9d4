//! Which copies of handshake datagrams have come already.
//!
//! Every slot of a carousel has a nonce of its own, so a nonce that comes twice is a copy that somebody else sent. Such
//! a copy counts once for each source that it comes from ([`SeenNonces`], for `sources.rs`). And it isn't opened again,
//! or whoever copies would use up the budget that opens genuine ones ([`RecentNonces`]).

use std::fmt;

use crate::handshake_wire::NONCE;

/// How much is remembered per stamp: nonces, and from which sources they came. A carousel lasts 5 s and 4 rounds, which
/// at 10 us slots is half a million slots. But it ends with the first answer, and what is forgotten at the bound only
/// makes a copy look like a first one.
pub const MAX_NONCES: usize = 65_536;

/// Twice the bound, so that probing stays short: about 1.5 places on average at the fullest.
const PLACES: usize = 2 * MAX_NONCES;

/// Nonces of any stamp that are remembered for as long as no other takes their place: 128 KiB. Somebody who sends
/// copies of more datagrams in turns would have to know which of those that he recorded are a handshake's.
const RECENT_PLACES: usize = 16_384;
/// Marks an empty place there.
const EMPTY: u64 = 0;

/// Half of a nonce, never [`EMPTY`], which makes two of 2^64 halves the same.
pub(crate) fn half_of(nonce: &[u8; NONCE]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *nonce;
    u64::from_le_bytes([a, b, c, d, e, f, g, h]).max(1)
}

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

/// Halves of nonces of one stamp, also mixed with the source they came from: a table with open addressing, allocated
/// once.
///
/// Half of a nonce is enough. Nonces are random, and authenticated before they get here, so nobody can choose one to
/// collide. By chance two of 65,536 halves do so with a probability of 2^-33. Beside each half stands the number of the
/// stamp that it came with. So another stamp begins without a look at the table: a peer can send one in each datagram.
pub struct SeenNonces {
    stamp: Option<u64>,
    /// Stamps so far, from 1.
    epoch: u32,
    halves: Box<[u64]>,
    /// Of what stamp each half is: one of another is as good as none.
    epochs: Box<[u32]>,
    used: usize,
}

impl Default for SeenNonces {
    fn default() -> Self {
        Self::new()
    }
}

impl SeenNonces {
    /// An empty set that belongs to no stamp. The kernel provides its 1.5 MiB only as far as they are used.
    pub fn new() -> Self {
        let (halves, epochs) = (vec![0; PLACES].into_boxed_slice(), vec![0; PLACES].into_boxed_slice());
        Self { stamp: None, epoch: 1, halves, epochs, used: 0 }
    }

    /// The stamp whose nonces these are.
    pub fn stamp(&self) -> Option<u64> {
        self.stamp
    }

    /// Makes this the set of that stamp. Empties it if it was another's.
    pub fn begin(&mut self, stamp: u64) {
        if self.stamp != Some(stamp) {
            self.stamp = Some(stamp);
            self.clear();
        }
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.used = 0;
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            // After 2^32 stamps, which at one in each datagram that is opened is ten days.
            self.epochs.fill(0);
            self.epoch = 1;
        }
    }

    /// How many more can be remembered.
    pub fn free(&self) -> usize {
        MAX_NONCES - self.used
    }

    /// Whether this half is among them.
    pub fn contains(&self, half: u64) -> bool {
        self.find(half).is_ok()
    }

    /// Its place, or the empty one where it would be.
    fn find(&self, half: u64) -> Result<usize, usize> {
        let mut place = half as usize % PLACES;
        // Ends at an empty place, of which there are at least as many as used ones.
        while self.epochs[place] == self.epoch {
            if self.halves[place] == half {
                return Ok(place);
            }
            place = (place + 1) % PLACES;
        }
        Err(place)
    }

    /// Whether the half is new, which it isn't afterwards.
    pub fn insert(&mut self, half: u64) -> Seen {
        let Err(place) = self.find(half) else { return Seen::Before };
        if self.used == MAX_NONCES {
            return Seen::Full;
        }
        self.halves[place] = half;
        self.epochs[place] = self.epoch;
        self.used += 1;
        Seen::New
    }
}

impl fmt::Debug for RecentNonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentNonces").finish_non_exhaustive()
    }
}

/// The nonces of what was opened lately, one at each place.
pub struct RecentNonces {
    halves: Box<[u64]>,
}

impl Default for RecentNonces {
    fn default() -> Self {
        Self::new()
    }
}

impl RecentNonces {
    /// None yet.
    pub fn new() -> Self {
        Self { halves: vec![EMPTY; RECENT_PLACES].into_boxed_slice() }
    }

    /// Whether a datagram with this nonce was opened. By chance, one in 2^64 that wasn't is taken for one that was.
    pub fn contain(&self, nonce: &[u8; NONCE]) -> bool {
        let half = half_of(nonce);
        self.halves[half as usize % RECENT_PLACES] == half
    }

    /// Remembers the nonce of a datagram that authenticated: of others anybody could choose it.
    pub fn remember(&mut self, nonce: &[u8; NONCE]) {
        let half = half_of(nonce);
        self.halves[half as usize % RECENT_PLACES] = half;
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
            assert_eq!(seen.insert(half_of(&nonce(number))), Seen::New);
        }
        assert_eq!(seen.insert(half_of(&nonce(u64::MAX))), Seen::Full);
        for number in 0..MAX_NONCES as u64 {
            assert_eq!(seen.insert(half_of(&nonce(number))), Seen::Before);
        }
    }

    #[test]
    fn neighbours_in_the_table_are_told_apart() {
        let mut seen = SeenNonces::new();
        seen.begin(1);
        let last = PLACES as u64 - 1;
        for half in [last, last + PLACES as u64, last + 2 * PLACES as u64, 5] {
            assert_eq!(seen.insert(half), Seen::New);
            assert_eq!(seen.insert(half), Seen::Before);
        }
    }

    #[test]
    fn the_last_epoch_is_followed_by_an_empty_table() {
        let mut seen = SeenNonces::new();
        seen.begin(1);
        assert_eq!(seen.insert(half_of(&nonce(4))), Seen::New);
        seen.epoch = u32::MAX;
        seen.begin(2);
        assert_eq!(seen.epoch, 1);
        assert!(seen.epochs.iter().all(|epoch| *epoch == 0));
        assert_eq!(seen.insert(half_of(&nonce(4))), Seen::New);
        assert_eq!(seen.insert(half_of(&nonce(4))), Seen::Before);
    }

    #[test]
    fn recent_ones_are_known_until_another_takes_their_place() {
        let mut recent = RecentNonces::new();
        assert!(!recent.contain(&nonce(1)) && !recent.contain(&[0; NONCE]));
        for number in 1..=100 {
            recent.remember(&nonce(number));
            assert!(recent.contain(&nonce(number)));
        }
        let same_place = |half: u64| {
            let mut nonce = [0; NONCE];
            nonce[..8].copy_from_slice(&half.to_le_bytes());
            nonce
        };
        recent.remember(&same_place(7));
        recent.remember(&same_place(7 + RECENT_PLACES as u64));
        assert!(!recent.contain(&same_place(7)) && recent.contain(&same_place(7 + RECENT_PLACES as u64)));
    }

    #[test]
    fn another_stamp_begins_with_nothing() {
        let mut seen = SeenNonces::new();
        seen.begin(1);
        assert_eq!(seen.insert(half_of(&nonce(4))), Seen::New);
        seen.begin(1);
        assert_eq!(seen.insert(half_of(&nonce(4))), Seen::Before);
        seen.begin(2);
        assert_eq!(seen.stamp(), Some(2));
        assert_eq!(seen.insert(half_of(&nonce(4))), Seen::New);
    }
}
