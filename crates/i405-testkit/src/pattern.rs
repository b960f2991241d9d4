//! What test traffic carries, so that a receiver can tell that nothing was lost, mixed up or damaged.
//!
//! A datagram: its number (4 bytes, as much of it as fits), then bytes that follow from seed, number and length.
//! A stream: bytes that follow from seed and place.

use i405_random::Random;

/// Bytes of a datagram's number.
const NUMBER_BYTES: usize = 4;

/// What a received datagram turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Intact, with its number.
    Intact(u32),
    /// Too short to carry a number.
    Tiny,
    /// Not what its number, length and the seed make of it.
    Corrupt,
}

fn body(seed: u64, number: u32, length: usize) -> Random {
    Random::new(seed ^ (u64::from(number) << 32) ^ length as u64)
}

/// Fills a datagram.
pub fn fill(seed: u64, number: u32, payload: &mut [u8]) {
    let length = payload.len();
    let head = length.min(NUMBER_BYTES);
    payload[..head].copy_from_slice(&number.to_be_bytes()[..head]);
    body(seed, number, length).fill(&mut payload[head..]);
}

/// Checks a datagram.
pub fn check(seed: u64, payload: &[u8], scratch: &mut Vec<u8>) -> Verdict {
    let Some((head, rest)) = payload.split_first_chunk::<NUMBER_BYTES>() else {
        return Verdict::Tiny;
    };
    let number = u32::from_be_bytes(*head);
    scratch.resize(rest.len(), 0);
    body(seed, number, payload.len()).fill(scratch);
    if scratch == rest { Verdict::Intact(number) } else { Verdict::Corrupt }
}

/// A stream's bytes, block by block.
#[derive(Debug)]
pub struct Stream {
    random: Random,
    block: Vec<u8>,
    used: usize,
}

impl Stream {
    /// Bytes made at a time; any multiple of 8 gives the same stream.
    const BLOCK: usize = 64 * 1024;

    /// From its first byte.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), block: vec![0; Self::BLOCK], used: Self::BLOCK }
    }

    /// The next bytes, at least one and at most `most`; they count as used.
    pub fn next(&mut self, most: usize) -> &[u8] {
        if self.used == self.block.len() {
            self.random.fill(&mut self.block);
            self.used = 0;
        }
        let start = self.used;
        self.used = (start + most).min(self.block.len());
        &self.block[start..self.used]
    }

    /// Gives back the last bytes of what [`Stream::next`] gave.
    pub fn unread(&mut self, bytes: usize) {
        self.used -= bytes;
    }

    /// Whether the next bytes of the stream are these.
    pub fn matches(&mut self, mut bytes: &[u8]) -> bool {
        let mut same = true;
        while !bytes.is_empty() {
            let expected = self.next(bytes.len());
            same &= expected == &bytes[..expected.len()];
            let count = expected.len();
            bytes = &bytes[count..];
        }
        same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_verify_and_every_change_shows() {
        let mut scratch = Vec::new();
        for length in [4, 5, 12, 1400, 8972] {
            let mut payload = vec![0; length];
            fill(9, 77, &mut payload);
            assert_eq!(check(9, &payload, &mut scratch), Verdict::Intact(77));
            if length > NUMBER_BYTES {
                let last = length - 1;
                assert_eq!(check(8, &payload, &mut scratch), Verdict::Corrupt);
                assert_eq!(check(9, &payload[..last], &mut scratch) == Verdict::Intact(77), last == NUMBER_BYTES);
                payload[last] ^= 1;
                assert_eq!(check(9, &payload, &mut scratch), Verdict::Corrupt);
            }
        }
        assert_eq!(check(9, &[0; 3], &mut scratch), Verdict::Tiny);
    }

    #[test]
    fn streams_do_not_depend_on_how_they_are_cut() {
        let mut source = Stream::new(5);
        let mut sink = Stream::new(5);
        for size in [1, 7, 100_000, 65_536, 3] {
            let mut sent = Vec::new();
            while sent.len() < size {
                let wanted = size - sent.len();
                sent.extend_from_slice(source.next(wanted));
            }
            assert!(sink.matches(&sent));
        }
        assert!(!sink.matches(&[0; 64]));
    }
}
