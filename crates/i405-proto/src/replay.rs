//! The replay window of one key, after RFC 6479: a ring of words. To advance clears whole words, and no bit is ever
//! shifted.

/// Counters remembered below the highest one, which counts itself.
pub const REPLAY_WINDOW: u32 = 8192;

const WORD_BITS: u32 = 64;
/// One word more than the window has, because the newest word is only partly within it (RFC 6479 section 2).
const WORDS: usize = (REPLAY_WINDOW / WORD_BITS) as usize + 1;

/// Which counters have been accepted.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    /// Highest counter accepted, or -1.
    highest: i64,
    words: [u64; WORDS],
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplayWindow {
    /// A window that has seen nothing.
    pub const fn new() -> Self {
        Self { highest: -1, words: [0; WORDS] }
    }

    /// Highest counter accepted; -1 at the start.
    pub const fn highest(&self) -> i64 {
        self.highest
    }

    /// Whether the counter may be accepted: it is new, and not too old to tell.
    pub fn check(&self, counter: u32) -> bool {
        i64::from(counter) > self.highest || (self.in_window(counter) && !self.bit(counter))
    }

    /// Whether the counter is known to have been accepted. Of one below the window this can't be told, and is false.
    pub fn seen(&self, counter: u32) -> bool {
        i64::from(counter) <= self.highest && self.in_window(counter) && self.bit(counter)
    }

    /// Remembers a counter whose datagram authenticated. One below the window changes nothing.
    pub fn commit(&mut self, counter: u32) {
        if i64::from(counter) > self.highest {
            self.advance(counter);
        } else if !self.in_window(counter) {
            return;
        }
        self.words[word_of(counter)] |= mask_of(counter);
    }

    fn advance(&mut self, counter: u32) {
        let bits = i64::from(WORD_BITS);
        let newest = self.highest.div_euclid(bits);
        let steps = (i64::from(counter).div_euclid(bits) - newest).min(WORDS as i64);
        for word in newest + 1..=newest + steps {
            self.words[word as usize % WORDS] = 0;
        }
        self.highest = i64::from(counter);
    }

    fn in_window(&self, counter: u32) -> bool {
        self.highest - i64::from(counter) < i64::from(REPLAY_WINDOW)
    }

    fn bit(&self, counter: u32) -> bool {
        self.words[word_of(counter)] & mask_of(counter) != 0
    }
}

const fn word_of(counter: u32) -> usize {
    (counter / WORD_BITS) as usize % WORDS
}

const fn mask_of(counter: u32) -> u64 {
    1 << (counter % WORD_BITS)
}
