//! What a sink has seen: which datagrams, how often, in which order, and whether intact.

use crate::json::Line;
use crate::pattern::{self, Verdict};

/// Most numbers that are told apart: 2^26, 8 MiB of bits. Above that, duplicates are no longer noticed.
const MOST_NUMBERS: u32 = 1 << 26;

/// Counters of received datagrams.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct Tally {
    pub packets: u64,
    /// As IP packets.
    pub ip_bytes: u64,
    pub intact: u64,
    pub corrupt: u64,
    /// Too short for a number.
    pub tiny: u64,
    pub duplicates: u64,
    /// Numbers below one that came earlier.
    pub out_of_order: u64,
    /// Intact datagrams with different numbers.
    pub distinct: u64,
    /// CLOCK_MONOTONIC.
    pub first_ns: u64,
    pub last_ns: u64,
    highest: Option<u32>,
    seen: Vec<u64>,
    scratch: Vec<u8>,
}

impl Tally {
    /// Counts one datagram.
    pub fn count(&mut self, seed: u64, payload: &[u8], header_bytes: usize, now_ns: u64) {
        if self.packets == 0 {
            self.first_ns = now_ns;
        }
        self.last_ns = now_ns;
        self.packets += 1;
        self.ip_bytes += (payload.len() + header_bytes) as u64;
        match pattern::check(seed, payload, &mut self.scratch) {
            Verdict::Tiny => self.tiny += 1,
            Verdict::Corrupt => self.corrupt += 1,
            Verdict::Intact(number) => self.note(number),
        }
    }

    fn note(&mut self, number: u32) {
        self.intact += 1;
        if self.highest.is_some_and(|highest| number < highest) {
            self.out_of_order += 1;
        }
        self.highest = self.highest.max(Some(number));
        if number >= MOST_NUMBERS {
            self.distinct += 1;
            return;
        }
        let (word, bit) = (number as usize / 64, 1_u64 << (number % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        if self.seen[word] & bit == 0 {
            self.seen[word] |= bit;
            self.distinct += 1;
        } else {
            self.duplicates += 1;
        }
    }

    /// As a JSON line.
    pub fn line(&self, event: &str) -> Line {
        Line::event(event)
            .plain("packets", self.packets)
            .plain("ipBytes", self.ip_bytes)
            .plain("intact", self.intact)
            .plain("corrupt", self.corrupt)
            .plain("tiny", self.tiny)
            .plain("duplicates", self.duplicates)
            .plain("outOfOrder", self.out_of_order)
            .plain("distinct", self.distinct)
            .plain("highest", self.highest.map_or(-1, i64::from))
            .plain("firstNs", self.first_ns)
            .plain("lastNs", self.last_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_order_duplicates_and_damage() {
        let mut tally = Tally::default();
        for number in [0, 2, 1, 2] {
            let mut payload = [0; 50];
            pattern::fill(1, number, &mut payload);
            tally.count(1, &payload, 28, 10 + u64::from(number));
        }
        tally.count(1, &[0; 50], 28, 99);
        tally.count(1, &[0; 2], 28, 100);
        assert_eq!((tally.packets, tally.ip_bytes), (6, 5 * 78 + 30));
        assert_eq!((tally.intact, tally.distinct, tally.duplicates), (4, 3, 1));
        assert_eq!((tally.out_of_order, tally.corrupt, tally.tiny), (1, 1, 1));
        assert_eq!((tally.first_ns, tally.last_ns), (10, 100));
    }
}
