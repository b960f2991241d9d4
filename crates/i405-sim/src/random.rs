//! The simulation's own randomness: SplitMix64 (G. Steele and others, 2014), so that a seed means the same run everywhere.

/// One stream of random numbers.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of this seed and purpose. Others don't shift when one is drawn from more often.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let state = purpose.bytes().fold(seed, |state, byte| Random(state ^ u64::from(byte)).draw());
        Random(state)
    }

    #[inline]
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below `bound`.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    /// From `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// True `rate` times of a thousand.
    #[inline]
    pub fn per_mille(&mut self, rate: u64) -> bool {
        rate != 0 && self.below(1000) < rate
    }

    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.draw().to_le_bytes()[..chunk.len()]);
        }
    }
}
