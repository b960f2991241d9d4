//! Inner packets, each numbered and unlike any other, and the queue where they wait.

use std::collections::VecDeque;

use i405_proto::packer::InnerQueue;
use i405_random::Random;

use crate::settings::Load;

/// Where a packet's number is: in fields that no tunnel looks at, of an IPv4 and of an IPv6 header.
const NUMBER_IPV4: usize = 4;
const NUMBER_IPV6: usize = 8;

/// A packet of this number; 20 bytes at least.
pub fn packet(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut random = Random::stream(number, "packet");
    random.fill(&mut bytes);
    if length >= 40 && number.is_multiple_of(3) {
        bytes[0] = 0x60;
        bytes[4..6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
        bytes[NUMBER_IPV6..NUMBER_IPV6 + 8].copy_from_slice(&number.to_be_bytes());
    } else {
        bytes[0] = 0x45;
        bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        bytes[NUMBER_IPV4..NUMBER_IPV4 + 8].copy_from_slice(&number.to_be_bytes());
    }
    bytes
}

/// The number of a packet that came out of the tunnel.
pub fn number_of(packet: &[u8]) -> u64 {
    let at = if packet[0] >> 4 == 6 { NUMBER_IPV6 } else { NUMBER_IPV4 };
    u64::from_be_bytes(packet[at..at + 8].try_into().unwrap())
}

/// A packet with its number.
pub type Numbered = (u64, Vec<u8>);

/// What one end has to send.
pub struct Traffic {
    random: Random,
    pub load: Load,
    longest: usize,
    waiting: VecDeque<Numbered>,
    made: u64,
    taken: Vec<Numbered>,
}

impl Traffic {
    pub fn new(random: Random, load: Load, longest: usize) -> Self {
        Traffic { random, load, longest, waiting: VecDeque::new(), made: 0, taken: Vec::new() }
    }

    /// What comes in before a slot that has room for so many bytes.
    pub fn arrive(&mut self, room: usize) {
        match self.load {
            Load::Idle => {}
            Load::Trickle if self.random.per_mille(875) => {}
            Load::Trickle => self.make(),
            Load::Saturated => {
                let mut bytes: usize = self.waiting.iter().map(|(_, packet)| packet.len()).sum();
                while bytes < 2 * room {
                    self.make();
                    bytes += self.waiting.back().map_or(0, |(_, packet)| packet.len());
                }
            }
        }
    }

    /// One more packet; mostly short ones.
    fn make(&mut self) {
        let span = match self.random.below(10) {
            0..=4 => 100,
            5..=8 => 1480,
            _ => u64::MAX,
        };
        let longest = self.longest as u64;
        let length = 20 + self.random.below(span.min(longest - 19));
        self.put(length as usize);
    }

    /// One more packet, of this length.
    pub fn put(&mut self, length: usize) {
        self.waiting.push_back((self.made, packet(self.made, length)));
        self.made += 1;
    }

    /// What was read since the last time.
    pub fn taken(&mut self) -> Vec<Numbered> {
        std::mem::take(&mut self.taken)
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl InnerQueue for Traffic {
    fn next_len(&mut self) -> Option<usize> {
        self.waiting.front().map(|(_, packet)| packet.len())
    }

    fn read(&mut self, into: &mut [u8]) {
        let (number, packet) = self.waiting.pop_front().expect("`next_len` said that there is one");
        into.copy_from_slice(&packet);
        self.taken.push((number, packet));
    }
}
