//! One direction of the way between two ends.

use std::net::SocketAddr;

use i405_random::Random;

use crate::settings::{Direction, Faults, Settings};

/// Somebody who is neither end.
pub fn stranger() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 66], 6666))
}

/// What comes out at the other end of one datagram.
#[derive(Default)]
pub struct Carried {
    /// The datagram itself, if it arrives as it was sent.
    pub intact_ns: Option<u64>,
    /// Other things: when, from somebody else's address or the sender's, which bytes.
    pub others: Vec<(u64, bool, Vec<u8>)>,
}

pub struct Network {
    faults: Faults,
    interval_ns: u64,
    spread_ns: u64,
    random: Random,
}

impl Network {
    pub fn new(settings: &Settings, direction: Direction) -> Self {
        let timing = settings.wire(direction).timing;
        // A late slot leaves up to the deadline of the next, so the third after it leaves at least two of the shortest
        // intervals later: with delays that differ by no more, only two can overtake.
        let spread_ns = 2 * (timing.interval_ns() - timing.jitter_ns());
        let spread_ns = if settings.faults.mild_reordering { spread_ns } else { 0 };
        let random = Random::stream(settings.seed, &format!("{} network", direction.name()));
        Network { faults: settings.faults, interval_ns: timing.interval_ns(), spread_ns, random }
    }

    pub fn carry(&mut self, now_ns: u64, datagram: &[u8]) -> Carried {
        let Faults { lost, corrupted, duplicated, copied, littered, held_back, .. } = self.faults;
        let random = &mut self.random;
        let mut at_ns = now_ns + self.faults.latency_ns + random.below(self.spread_ns + 1);
        if random.per_mille(held_back) {
            at_ns += random.below(300 * self.interval_ns);
        }
        let mut carried = Carried::default();
        let mut others = Vec::new();
        if random.per_mille(littered) {
            let mut garbage = vec![0; datagram.len()];
            random.fill(&mut garbage);
            others.push((at_ns, true, garbage));
            others.push((now_ns + self.faults.latency_ns, false, spoilt(random, datagram)));
        }
        if random.per_mille(lost) {
            // Not even that.
        } else if random.per_mille(corrupted) {
            others.push((at_ns, false, spoilt(random, datagram)));
        } else {
            carried.intact_ns = Some(at_ns);
            if random.per_mille(duplicated) {
                others.push((at_ns + random.below(50 * self.interval_ns), false, datagram.to_vec()));
            }
            if random.per_mille(copied) {
                others.push((at_ns + 1 + random.below(500 * self.interval_ns), true, datagram.to_vec()));
            }
        }
        carried.others = others;
        carried
    }
}

/// With one byte another.
fn spoilt(random: &mut Random, datagram: &[u8]) -> Vec<u8> {
    let mut bytes = datagram.to_vec();
    let at = random.below(bytes.len() as u64) as usize;
    bytes[at] ^= 1 + random.below(255) as u8;
    bytes
}
