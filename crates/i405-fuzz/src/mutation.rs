//! Changes to inputs, from a seed: what stable Rust has instead of a fuzzer. Coverage guides nothing here, so it finds
//! only what is near the corpus. It is there so that a regression shows in every test run.

/// A generator of changed inputs (xorshift64*, S. Vigna, 2016): not secret, only repeatable.
#[derive(Clone, Debug)]
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// The same seed makes the same changes.
    pub fn new(seed: u64) -> Self {
        Mutator { state: seed | 1 }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `bound`, which is not zero. The bias is of no concern here.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }

    /// So many random bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    /// One to eight changes to `input`, with pieces of `other` in it now and then.
    pub fn change(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        const BYTES: [u8; 8] = [0, 1, 0x0f, 0x40, 0x7f, 0x80, 0xf0, 0xff];
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(8) {
            let at = self.below(bytes.len() + 1);
            let end = bytes.len().min(at + self.below(16));
            match self.below(7) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..end)),
                2 => drop(bytes.splice(at..at, self.bytes(4))),
                3 => {
                    let from = self.below(other.len() + 1);
                    let until = other.len().min(from + self.below(64));
                    drop(bytes.splice(at..end, other[from..until].iter().copied()));
                }
                4 => {
                    let again = bytes[at..end].to_vec();
                    drop(bytes.splice(at..at, again));
                }
                how => {
                    let value = if how == 5 { BYTES[self.below(BYTES.len())] } else { 1 << self.below(8) };
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = if how == 5 { value } else { *byte ^ value };
                    }
                }
            }
        }
        bytes
    }
}
