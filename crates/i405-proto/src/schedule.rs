//! The schedule: when slots are due.
//!
//! `deadline[k+1] = deadline[k] + interval[k]`: each deadline follows from the one before it, and never from when a
//! datagram really left. So there is no drift, and nothing of the machine's lateness gets into later deadlines. The
//! intervals are drawn independently, so the deadlines are a random walk. On a grid with jitter around it an observer
//! could average the jitter out.

use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

/// Shortest mean interval, 10 us: what one core sustains.
pub const MIN_INTERVAL_NS: u64 = 10_000;
/// Longest mean interval, 1 s.
pub const MAX_INTERVAL_NS: u64 = 1_000_000_000;

/// Most deadlines that one call draws and discards, 10^6: ten times what a stall of a second passes at the shortest
/// interval, and about a tenth of a second of drawing.
const MAX_DRAWN: u64 = 1_000_000;
/// After a longer stall only this many are drawn, which is enough for the phase to be random again: 10^3 intervals of
/// the default jitter spread it over two intervals.
const DRAWN_AFTER_JUMP: u64 = 1_000;

/// Density of the deliberate jitter over its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// cos^4, without an edge at which a small delay would show.
    #[default]
    Cos4,
    /// Constant, for comparison.
    Uniform,
}

impl Shape {
    /// The id on the wire.
    pub fn id(self) -> u8 {
        match self {
            Shape::Cos4 => 0,
            Shape::Uniform => 1,
        }
    }

    /// The shape with that id on the wire.
    pub fn from_id(id: u8) -> Option<Shape> {
        match id {
            0 => Some(Shape::Cos4),
            1 => Some(Shape::Uniform),
            _ => None,
        }
    }
}

/// Why a timing isn't one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// The mean interval is outside of 10 us to 1 s.
    #[error("mean interval of {0} ns, expected {MIN_INTERVAL_NS} to {MAX_INTERVAL_NS} ns")]
    Interval(u64),
    /// The jitter is wider than the mean interval.
    #[error("jitter of {jitter_ns} ns, expected 0 to the mean interval of {interval_ns} ns")]
    Jitter {
        /// What was asked for.
        jitter_ns: u64,
        /// The widest that is possible.
        interval_ns: u64,
    },
}

/// Mean interval, half width and shape of the jitter: what two ends agree on for a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    interval_ns: u64,
    jitter_ns: u64,
    shape: Shape,
}

impl Timing {
    /// A timing within the limits: interval 10 us to 1 s, jitter at most the interval.
    pub fn new(interval_ns: u64, jitter_ns: u64, shape: Shape) -> Result<Timing, TimingError> {
        if !(MIN_INTERVAL_NS..=MAX_INTERVAL_NS).contains(&interval_ns) {
            return Err(TimingError::Interval(interval_ns));
        }
        if jitter_ns > interval_ns {
            return Err(TimingError::Jitter { jitter_ns, interval_ns });
        }
        Ok(Timing { interval_ns, jitter_ns, shape })
    }

    /// Mean interval in nanoseconds.
    pub fn interval_ns(&self) -> u64 {
        self.interval_ns
    }

    /// Half width of the jitter in nanoseconds.
    pub fn jitter_ns(&self) -> u64 {
        self.jitter_ns
    }

    /// Density of the jitter.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// One interval in whole nanoseconds, from `interval - jitter` to `interval + jitter`.
    ///
    /// It is exact but for the rounding of one cosine: a uniform offset without modulo bias is drawn, and for cos^4
    /// accepted with the probability that its density has there. Three of eight are accepted.
    pub fn draw(&self, rng: &mut impl RngCore) -> u64 {
        if self.jitter_ns == 0 {
            return self.interval_ns;
        }
        let earliest = self.interval_ns - self.jitter_ns;
        loop {
            let offset = below(rng, 2 * self.jitter_ns + 1);
            let accepted = match self.shape {
                Shape::Uniform => true,
                Shape::Cos4 => {
                    // -1 at the earliest, 0 at the mean, 1 at the latest; all integers here are exact in f64.
                    let from_mean = (offset as f64 - self.jitter_ns as f64) / self.jitter_ns as f64;
                    let squared = (core::f64::consts::FRAC_PI_2 * from_mean).cos().powi(2);
                    unit(rng) < squared * squared
                }
            };
            if accepted {
                return earliest + offset;
            }
        }
    }
}

/// Uniform in `0..bound`, `bound` not zero: the high half of a product. Low halves that would come once too often are
/// refused (D. Lemire, "Fast random integer generation in an interval", 2019).
fn below(rng: &mut impl RngCore, bound: u64) -> u64 {
    let too_often = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        if product as u64 >= too_often {
            return (product >> 64) as u64;
        }
    }
}

/// Uniform in [0, 1), a multiple of 2^-53.
fn unit(rng: &mut impl RngCore) -> f64 {
    const STEP: f64 = 1.0 / (1u64 << 53) as f64;
    (rng.next_u64() >> 11) as f64 * STEP
}

/// The deadlines of one direction, in nanoseconds of the caller's monotonic clock. Allocates nothing.
pub struct Schedule {
    timing: Timing,
    deadline_ns: u64,
    rng: ChaCha20Rng,
}

impl Schedule {
    /// A schedule whose first deadline is the given one. The seed comes from the operating system and is used once.
    pub fn new(timing: Timing, first_deadline_ns: u64, seed: [u8; 32]) -> Schedule {
        Schedule { timing, deadline_ns: first_deadline_ns, rng: ChaCha20Rng::from_seed(seed) }
    }

    /// A schedule whose first deadline is one drawn interval after `start_ns` (docs/protocol.md, "Start").
    pub fn starting_after(timing: Timing, start_ns: u64, seed: [u8; 32]) -> Schedule {
        let mut schedule = Schedule::new(timing, start_ns, seed);
        schedule.advance();
        schedule
    }

    /// What the intervals are drawn from.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// The deadline that is next.
    pub fn deadline_ns(&self) -> u64 {
        self.deadline_ns
    }

    /// A second schedule that goes on with the same deadlines, for a second dispatcher of the same slots.
    pub fn at_same_place(&self) -> Schedule {
        Schedule { timing: self.timing, deadline_ns: self.deadline_ns, rng: self.rng.clone() }
    }

    /// On to the deadline after this one.
    pub fn advance(&mut self) {
        self.deadline_ns = self.deadline_ns.saturating_add(self.timing.draw(&mut self.rng));
    }

    /// Skips the deadlines strictly before `now_ns` and returns how many they were: the missed slots.
    ///
    /// The work is bounded. If more than 10^6 mean intervals have passed (a suspended machine), all but the last
    /// thousand are skipped in one step of whole mean intervals. The phase is random again after the thousand.
    pub fn skip_passed(&mut self, now_ns: u64) -> u64 {
        let mut missed = 0;
        let passed = now_ns.saturating_sub(self.deadline_ns) / self.timing.interval_ns;
        if passed > MAX_DRAWN {
            missed = passed - DRAWN_AFTER_JUMP;
            self.deadline_ns += missed * self.timing.interval_ns;
        }
        while self.deadline_ns < now_ns {
            self.advance();
            missed += 1;
        }
        missed
    }
}

impl fmt::Debug for Schedule {
    /// Without the generator, which foretells the deadlines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule")
            .field("timing", &self.timing)
            .field("deadline_ns", &self.deadline_ns)
            .finish_non_exhaustive()
    }
}
