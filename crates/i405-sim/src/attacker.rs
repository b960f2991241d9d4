//! Somebody on the path who records datagrams and sends what he likes from where he likes, without any key.

use std::collections::VecDeque;
use std::net::SocketAddr;

use i405_random::Random;

use crate::script::Deed;
use crate::settings::{CLIENT, MS, SERVER};

/// Datagrams of each direction that are kept.
const KEPT: usize = 3000;
/// Bytes of each direction that are kept, about.
const KEPT_BYTES: usize = 6_000_000;

/// A datagram to be delivered.
pub struct Forged {
    pub after_ns: u64,
    pub to: usize,
    pub from: SocketAddr,
    pub bytes: Vec<u8>,
}

/// The recordings, up and down.
pub struct Attacker {
    recorded: [VecDeque<Vec<u8>>; 2],
    random: Random,
}

/// One of many addresses that are neither end's.
fn stranger(random: &mut Random) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, random.between(1, 250) as u8], 1024 + random.below(60_000) as u16))
}

impl Attacker {
    pub fn new(seed: u64) -> Self {
        Attacker { recorded: [VecDeque::new(), VecDeque::new()], random: Random::stream(seed, "attacker") }
    }

    /// A part of what passes, in runs, so that what was sent long ago is still there.
    pub fn record(&mut self, direction: usize, datagram: &[u8]) {
        let kept = &mut self.recorded[direction];
        let most = KEPT.min(KEPT_BYTES / datagram.len());
        if kept.len() < most {
            kept.push_back(datagram.to_vec());
        } else if self.random.per_mille(2) {
            // Forget a stretch, anywhere.
            let from = self.random.below((most - most / 15) as u64) as usize;
            kept.drain(from..from + most / 30);
        }
    }

    /// What a deed sends. `addresses`: where the ends are now, client and server.
    pub fn act(&mut self, deed: Deed, addresses: [SocketAddr; 2], length: usize) -> Vec<Forged> {
        let mut forged = Vec::new();
        let random = &mut self.random;
        match deed {
            Deed::Replay { up, count, spoofed } => {
                let (direction, to) = if up { (0, SERVER) } else { (1, CLIENT) };
                let kept = &self.recorded[direction];
                let begin = random.below(kept.len() as u64) as usize;
                let mut from = if spoofed { addresses[1 - to] } else { stranger(random) };
                for (place, bytes) in kept.iter().skip(begin).take(count as usize).enumerate() {
                    if !spoofed && random.per_mille(5) {
                        from = stranger(random);
                    }
                    forged.push(Forged { after_ns: place as u64 * MS, to, from, bytes: bytes.clone() });
                }
            }
            Deed::Reflect { count } => {
                for (direction, to) in [(0, CLIENT), (1, SERVER)] {
                    let kept = &self.recorded[direction];
                    for (place, bytes) in kept.iter().rev().take(count as usize).enumerate() {
                        let from = addresses[1 - to];
                        forged.push(Forged { after_ns: place as u64 * MS, to, from, bytes: bytes.clone() });
                    }
                }
            }
            Deed::Garbage { count } => {
                for place in 0..count {
                    let to = random.one_of(&[CLIENT, SERVER]);
                    let from = if random.per_mille(300) { addresses[1 - to] } else { stranger(random) };
                    let length = if random.per_mille(800) { length } else { random.below(2000) as usize };
                    let mut bytes = vec![0; length];
                    random.fill(&mut bytes);
                    forged.push(Forged { after_ns: place * MS / 4, to, from, bytes });
                }
            }
            _ => {}
        }
        forged
    }
}
