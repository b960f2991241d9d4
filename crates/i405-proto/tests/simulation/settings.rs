//! What a run is made of.

use i405_proto::keys::Aead;
use i405_proto::schedule::{Shape, Timing};
use i405_random::Random;

pub const US: u64 = 1_000;
pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000 * MS;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    Up,
    Down,
}

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            Direction::Up => "up",
            Direction::Down => "down",
        }
    }
}

/// One direction of the wire.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    pub direction: Direction,
    pub length: usize,
    pub timing: Timing,
    pub aead: Aead,
}

/// How much there is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    Idle,
    /// A packet now and then.
    Trickle,
    /// Always more than fits.
    Saturated,
}

/// How late the dispatcher is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waking {
    Punctual,
    /// Some microseconds, seldom a slot, very seldom hundreds of slots.
    Late,
}

/// What the network does to datagrams, in thousandths of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// How long everything takes.
    pub latency_ns: u64,
    /// Delays differ so little that at most two later datagrams overtake one: no more than the reorder window holds.
    pub mild_reordering: bool,
    pub lost: u64,
    /// Spoilt on the way: one byte of it is another.
    pub corrupted: u64,
    /// Comes again, from the same source.
    pub duplicated: u64,
    /// Comes again, later, from somebody else's address.
    pub copied: u64,
    /// A spoilt copy comes beside it, and a stranger's random bytes.
    pub littered: u64,
    /// Comes up to 300 intervals late.
    pub held_back: u64,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub seed: u64,
    pub up: Wire,
    pub down: Wire,
    pub faults: Faults,
    pub load: Load,
    pub waking: Waking,
    /// Longest inner packet.
    pub longest: usize,
}

impl Settings {
    /// A run over a network without faults, its wire drawn from the seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::stream(seed, "settings");
        let aead = random.one_of(&[Aead::Aes256Gcm, Aead::ChaCha20Poly1305]);
        let mut wire = |direction| {
            // The server starts half a second late: with shorter ones the runs are little but carousel.
            let interval_ns = random.one_of(&[8 * MS, 10 * MS, 20 * MS, 40 * MS]);
            let jitter_ns = random.one_of(&[0, interval_ns / 4, interval_ns / 4, interval_ns]);
            let shape = random.one_of(&[Shape::Cos4, Shape::Uniform]);
            Wire {
                direction,
                length: random.one_of(&[52, 72, 172, 372, 372, 1472]),
                timing: Timing::new(interval_ns, jitter_ns, shape).unwrap(),
                aead,
            }
        };
        let (up, down) = (wire(Direction::Up), wire(Direction::Down));
        let faults = Faults { latency_ns: random.below(100 * MS), ..Faults::default() };
        Settings { seed, up, down, faults, load: Load::Saturated, waking: Waking::Punctual, longest: 1500 }
    }

    pub fn wire(&self, direction: Direction) -> Wire {
        match direction {
            Direction::Up => self.up,
            Direction::Down => self.down,
        }
    }
}
