//! The account of every inner packet of one direction: none comes twice, altered, or out of order.

use i405_random::Random;

use crate::plant::Plant;
use crate::settings::{Load, S};

/// Number of a key, counted over the whole run; packets of one key come in order.
pub type KeyNumber = u32;

/// In the place of a key's number: this one, or the next.
const EITHER: KeyNumber = KeyNumber::MAX;

const HEADER: usize = 20;
const NUMBER: usize = 8;
/// Mistakes are planted from then on: both ends know each other.
const PLANTED_NS: u64 = 10 * S;

/// Packets of one direction.
pub struct Ledger {
    seed: u64,
    random: Random,
    /// Of each packet that was taken by the waiting queue.
    delivered: Vec<bool>,
    /// Under which key it was begun, 0: not yet; and when.
    key: Vec<KeyNumber>,
    begun_ns: Vec<u64>,
    direction: &'static str,
    /// Packets up to here are begun, the newest under this key.
    begun: usize,
    newest_key: KeyNumber,
    /// The first packet of this life of the sender.
    life: usize,
    /// The highest number that came, by key.
    highest: Vec<i64>,
    /// How much is offered now: packets in 10 ms, of a thousand.
    load: u64,
    load_until_ns: u64,
    pub count: u64,
    scratch: Vec<u8>,
    planted: bool,
    /// For a planted change of places.
    kept: Option<Vec<u8>>,
}

/// The bytes of packet `number`: IPv4 as far as the tunnel looks, the number, and what follows from it.
fn write_packet(seed: u64, number: u64, into: &mut Vec<u8>) {
    let mut random = Random::stream(seed ^ number.rotate_left(32), "");
    let length = match random.below(8) {
        0 => random.between(28, 60),
        1 => random.between(600, 1400),
        _ => random.between(28, 300),
    } as usize;
    into.clear();
    into.resize(length, 0);
    random.fill(&mut into[HEADER..]);
    into[0] = 0x45;
    into[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    into[HEADER..HEADER + NUMBER].copy_from_slice(&number.to_be_bytes());
}

impl Ledger {
    pub fn new(seed: u64, direction: &'static str) -> Self {
        let mut random = Random::stream(seed, direction);
        Ledger {
            seed: random.draw(),
            random,
            delivered: Vec::new(),
            key: Vec::new(),
            begun_ns: Vec::new(),
            direction,
            begun: 0,
            newest_key: 0,
            life: 0,
            highest: vec![-1],
            load: 0,
            load_until_ns: 0,
            count: 0,
            scratch: Vec::new(),
            planted: false,
            kept: None,
        }
    }

    /// How many packets to offer in this period of 10 ms, for slots of this length.
    pub fn offered(&mut self, now_ns: u64, load: Load, length: usize) -> u64 {
        match load {
            Load::Usual => {}
            Load::Nothing => return 0,
            // One is longer than what a slot of 200 bytes holds, and longer slots are at least 20 ms apart.
            Load::Full => return 1 + length as u64 / 400,
        }
        if now_ns >= self.load_until_ns {
            self.load = self.random.one_of(&[0, 20, 200, 200, 1000]);
            self.load_until_ns = now_ns + self.random.between(1, 20) * S;
        }
        u64::from(self.random.per_mille(self.load))
    }

    /// The packet that would be next.
    pub fn next_packet(&mut self) -> &[u8] {
        write_packet(self.seed, self.delivered.len() as u64, &mut self.scratch);
        &self.scratch
    }

    /// The waiting queue took it.
    pub fn taken(&mut self) {
        self.delivered.push(false);
        self.key.push(0);
        self.begun_ns.push(0);
    }

    /// The sender was restarted; what waited is gone.
    pub fn restarted(&mut self) {
        self.life = self.delivered.len();
        self.begun = self.life;
    }

    /// The sender has begun so many packets in this life, the newest of them under this key.
    pub fn begun(&mut self, count: u64, key: KeyNumber, now_ns: u64) {
        if self.newest_key != key && self.begun > self.life {
            // It may have been under way, and then it starts again under the new key.
            self.key[self.begun - 1] = EITHER;
        }
        self.newest_key = key;
        let until = (self.life + count as usize).min(self.key.len());
        for place in self.begun..until {
            (self.key[place], self.begun_ns[place]) = (key, now_ns);
        }
        self.begun = until.max(self.begun);
    }

    /// Packets begun so far.
    pub fn begun_so_far(&self) -> usize {
        self.begun
    }

    /// An inner packet came; a planted mistake is made on the way.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn hand_over(&mut self, packet: &mut Vec<u8>, now_ns: u64, plant: Plant) -> Result<(), String> {
        if let Some(kept) = self.kept.take() {
            self.deliver(packet)?;
            return self.deliver(&kept);
        }
        if self.planted || now_ns < PLANTED_NS {
            return self.deliver(packet);
        }
        match plant {
            Plant::AlteredPacket => packet[HEADER - 1] ^= 0x10,
            Plant::SwappedPackets => self.kept = Some(std::mem::take(packet)),
            Plant::DuplicateDelivery => self.deliver(packet)?,
            Plant::LostPacket => {}
            _ => return self.deliver(packet),
        }
        self.planted = true;
        match plant {
            Plant::LostPacket | Plant::SwappedPackets => Ok(()),
            _ => self.deliver(packet),
        }
    }

    fn deliver(&mut self, packet: &[u8]) -> Result<(), String> {
        let number =
            packet.get(HEADER..HEADER + NUMBER).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let place = number.filter(|&number| number < self.delivered.len() as u64).map(|number| number as usize);
        let Some(place) = place else {
            return Err(format!("among {}, one of {} bytes came that nobody sent", self.direction, packet.len()));
        };
        write_packet(self.seed, place as u64, &mut self.scratch);
        if self.scratch != packet {
            return Err(format!("number {place} of {} came altered", self.direction));
        }
        if self.delivered[place] {
            return Err(format!("number {place} of {} came twice", self.direction));
        }
        self.delivered[place] = true;
        self.count += 1;
        let key = self.key[place] as usize;
        if key == 0 {
            return Err(format!(
                "number {place} of {} came before it was sent, which had come to {}",
                self.direction, self.begun
            ));
        }
        if self.key[place] == EITHER {
            return Ok(());
        }
        if self.highest.len() <= key {
            self.highest.resize(key + 1, -1);
        }
        if (place as i64) < self.highest[key] {
            return Err(format!(
                "number {place} of {} came after {}, of the same key",
                self.direction, self.highest[key]
            ));
        }
        self.highest[key] = place as i64;
        Ok(())
    }

    /// Whether every packet of these has come.
    ///
    /// # Errors
    /// The first that has not.
    pub fn all_came(&self, from: usize, to: usize) -> Result<(), String> {
        match self.delivered.get(from..to).and_then(|range| range.iter().position(|came| !came)) {
            Some(at) => {
                let (number, ms) = (from + at, self.begun_ns[from + at] as f64 / 1e6);
                Err(format!(
                    "number {number} of {}, begun at {ms:.3} ms under key {}, was lost, and the network lost nothing",
                    self.direction, self.key[number]
                ))
            }
            None => Ok(()),
        }
    }
}
