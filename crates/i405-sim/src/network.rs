//! One direction of the way between the two ends.

use i405_random::Random;

use crate::script::Phase;
use crate::settings::{MS, S};

/// One way's delay where nothing is wrong, and what it varies by: less than the shortest gap between two slots.
const LATENCY_NS: u64 = 20 * MS;
const VARIATION_NS: u64 = 2 * MS;

/// What comes out at the other end of one datagram: when, and the bytes if they are others.
pub struct Carried {
    pub at_ns: u64,
    /// None: as it was sent.
    pub spoilt: Option<Vec<u8>>,
}

/// One direction.
pub struct Network {
    random: Random,
    direction: usize,
    /// For what is released at the end of a cut, one after the other.
    released: u64,
}

impl Network {
    pub fn new(seed: u64, direction: usize) -> Self {
        Network { random: Random::stream(seed, ["up", "down"][direction]), direction, released: 0 }
    }

    /// What becomes of a datagram: nothing, one, or two.
    ///
    /// `overhead`: IP and UDP headers, bytes.
    pub fn carry(&mut self, now_ns: u64, phase: &Phase, datagram: &[u8], overhead: usize) -> [Option<Carried>; 2] {
        let weather = &phase.weather[self.direction];
        let random = &mut self.random;
        let mut at_ns = now_ns + LATENCY_NS + random.below(VARIATION_NS);
        if datagram.len() + overhead > phase.way.passes[self.direction] as usize {
            return [None, None];
        }
        if phase.calm {
            return [Some(Carried { at_ns, spoilt: None }), None];
        }
        if weather.cut {
            if !weather.released || random.per_mille(weather.lost) {
                return [None, None];
            }
            self.released += 1;
            // As a queue on the way empties: fast, and in order.
            at_ns = phase.until_ns - 500 * MS + self.released % 5000 * (MS / 20);
            return [(at_ns > now_ns).then_some(Carried { at_ns, spoilt: None }), None];
        }
        if weather.spread_ns != 0 {
            at_ns += random.below(weather.spread_ns);
        }
        if random.per_mille(weather.held_back) {
            at_ns += random.below(10 * S);
        }
        let copy = random.per_mille(weather.duplicated).then(|| {
            let spoilt = None;
            Carried { at_ns: at_ns + random.below(300 * MS), spoilt }
        });
        let spoilt = if random.per_mille(weather.lost) {
            return [None, copy];
        } else if random.per_mille(weather.corrupted) {
            let mut bytes = datagram.to_vec();
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 + random.below(255) as u8;
            Some(bytes)
        } else if random.per_mille(weather.truncated) {
            Some(datagram[..random.below(datagram.len() as u64) as usize].to_vec())
        } else {
            None
        };
        [Some(Carried { at_ns, spoilt }), copy]
    }
}
