//! Numbers by which tests, benches and simulations choose times and faults. A seed means the same run everywhere.
//!
//! The generator is SplitMix64 (G. Steele and others, "Fast splittable pseudorandom number generators", 2014). The
//! ranges are our own, because a library may draw them differently in its next version. Nothing here is for secrets.

#![forbid(unsafe_code)]

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::SplitMix64;

/// One stream of reproducible numbers.
#[derive(Debug, Clone)]
pub struct Random(SplitMix64);

impl Random {
    /// The same seed gives the same numbers.
    #[inline]
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    /// The stream of this seed and purpose. Streams of other purposes don't shift when one is drawn from more often.
    pub fn stream(seed: u64, purpose: &str) -> Self {
        Self::new(purpose.bytes().fold(seed, |state, byte| Self::new(state ^ u64::from(byte)).draw()))
    }

    /// 64 uniform bits.
    #[inline]
    pub fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From 0 to below `bound`; 0 for 0. Bounds far below 2^64, or it is not uniform.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    /// From `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// True `rate` times of a thousand. Draws nothing for 0.
    #[inline]
    pub fn per_mille(&mut self, rate: u64) -> bool {
        rate != 0 && self.below(1000) < rate
    }

    /// True with that probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        // 53 bits are what a double holds.
        let unit = (self.draw() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < probability
    }

    /// One of several.
    ///
    /// # Panics
    /// If there is none.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Overwrites a buffer.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.draw().to_le_bytes()[..chunk.len()]);
        }
    }

    /// So many bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Seeds are written down in issues and tests: another generator would change what they mean.
    #[test]
    fn a_seed_means_what_it_always_meant() {
        let mut random = Random::new(1_234_567);
        let known = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(known.map(|_| random.draw()), known);
        assert_eq!(Random::stream(1, "").draw(), Random::new(1).draw());
    }

    #[test]
    fn streams_differ_by_seed_and_by_purpose() {
        let first = |seed, purpose| Random::stream(seed, purpose).draw();
        assert_ne!(first(1, "up"), first(2, "up"));
        assert_ne!(first(1, "up"), first(1, "down"));
    }

    #[test]
    fn probabilities_and_ranges_hold() {
        let mut random = Random::new(3);
        let hits = (0..10_000).filter(|_| random.chance(0.25)).count();
        assert!((2_300..2_700).contains(&hits));
        let hits = (0..10_000).filter(|_| random.per_mille(250)).count();
        assert!((2_300..2_700).contains(&hits));
        assert!((0..1_000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
        let seen: BTreeSet<_> = (0..1_000).map(|_| random.between(2, 4)).collect();
        assert_eq!(seen, BTreeSet::from([2, 3, 4]));
        let seen: BTreeSet<_> = (0..1_000).map(|_| random.one_of(&[2, 4])).collect();
        assert_eq!(seen, BTreeSet::from([2, 4]));
    }

    #[test]
    fn every_byte_is_filled() {
        let mut random = Random::new(1);
        let mut seen = [0_u8; 11];
        for _ in 0..20 {
            let bytes = random.bytes::<11>();
            seen.iter_mut().zip(bytes).for_each(|(all, byte)| *all |= byte);
        }
        assert_eq!(seen, [0xff; 11]);
    }
}
