//! What a burner's loop does. Which kind keeps a core nearest to what it is like under load is a matter of
//! measurement (`npm run bench -- burner`); all are here so that it can be measured.

use std::hint::{black_box, spin_loop};
use std::str::FromStr;

/// Steps of a turn, so that one takes a few microseconds: a burner looks that often whether it is to end.
const STEPS: usize = 2_048;
/// Pause instructions of a turn; one takes 10 to 140 cycles, by the processor.
const PAUSES: usize = 64;
/// Bytes that the memory kind walks through: more than a first-level cache, less than a second-level one.
const MEMORY_BYTES: usize = 256 * 1024;
/// Numbers of the vector kind: 8 KiB, which stay in the first-level cache.
const LANES: usize = 2_048;

/// The default. It keeps clock and power state up and leaves caches alone. It has no pause instructions: a hypervisor
/// can take these for a lock that spins in vain, and give the core away (pause-loop exits).
pub const DEFAULT: Kind = Kind::Spin;

/// What to burn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pause instructions: the least power, and the kindest to the other thread of the same physical core.
    Pause,
    /// Integer arithmetic that waits for itself.
    Spin,
    /// Reads and writes of a buffer in the second-level cache.
    Memory,
    /// Vector arithmetic, which has clock and power limits of its own on some processors.
    Vector,
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pause" => Ok(Kind::Pause),
            "spin" => Ok(Kind::Spin),
            "memory" => Ok(Kind::Memory),
            "vector" => Ok(Kind::Vector),
            _ => Err("expected pause, spin, memory or vector"),
        }
    }
}

/// A kind with what it works on.
pub struct Load {
    kind: Kind,
    words: Vec<u64>,
    numbers: Vec<f32>,
    place: usize,
    value: u64,
}

impl Load {
    /// Allocates what the kind needs.
    pub fn new(kind: Kind) -> Self {
        let words = if kind == Kind::Memory { MEMORY_BYTES / size_of::<u64>() } else { 0 };
        let numbers = if kind == Kind::Vector { LANES } else { 0 };
        Load { kind, words: vec![1; words], numbers: vec![1.0; numbers], place: 0, value: 1 }
    }

    /// A few microseconds of it.
    #[inline]
    pub fn turn(&mut self) {
        match self.kind {
            Kind::Pause => (0..PAUSES).for_each(|_| spin_loop()),
            Kind::Spin => {
                let mut value = self.value;
                for _ in 0..STEPS {
                    // Hidden from the compiler step by step, or it would compute the whole loop beforehand.
                    value = black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                }
                self.value = value;
            }
            Kind::Memory => {
                // One word of each cache line.
                const STRIDE: usize = 64 / size_of::<u64>();
                for _ in 0..STEPS {
                    self.place = (self.place + STRIDE) % self.words.len();
                    self.words[self.place] = self.words[self.place].wrapping_add(1);
                }
                black_box(&mut self.words);
            }
            Kind::Vector => {
                for number in &mut self.numbers {
                    // Settles at 1, far from what a processor handles slowly.
                    *number = *number * 0.5 + 0.5;
                }
                black_box(&mut self.numbers);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_and_a_turn_that_ends() {
        for name in ["pause", "spin", "memory", "vector"] {
            let mut load = Load::new(name.parse().unwrap());
            // More than once through the buffer.
            (0..10).for_each(|_| load.turn());
        }
        assert!("nothing".parse::<Kind>().is_err());
    }
}
