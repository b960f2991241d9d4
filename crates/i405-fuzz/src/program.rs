//! Reads fuzzed bytes as a program: which operation, with which numbers.
//!
//! The reader is our own and not a library's, because what the bytes of the corpus mean must not change with somebody
//! else's version.

/// Bytes that depend on every byte of the input, for keys (FNV-1a, 64 bits). A fuzzer that watches comparisons copies
/// sealed bytes into its next input, and under constant keys they would be genuine there.
pub fn salt<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut salt = [0x5a; N];
    salt[..8].copy_from_slice(&hash.to_be_bytes());
    salt
}

/// What is left of the program. Past its end everything is zero.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    rest: &'a [u8],
}

impl<'a> Program<'a> {
    /// A program from its first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Program { rest: bytes }
    }

    /// Whether there is anything left.
    pub fn more(&self) -> bool {
        !self.rest.is_empty()
    }

    /// The next bytes, as many of these as there are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let taken = self.take(N);
        bytes[..taken.len()].copy_from_slice(taken);
        bytes
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        u8::from_be_bytes(self.bytes())
    }

    /// Two bytes.
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes(self.bytes())
    }

    /// Four bytes.
    pub fn word(&mut self) -> u32 {
        u32::from_be_bytes(self.bytes())
    }

    /// Whether the next byte is odd.
    pub fn odd(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Below `bound`, which is not zero: from one byte where that suffices, else from two.
    pub fn below(&mut self, bound: usize) -> usize {
        let number = if bound <= 1 << 8 { usize::from(self.byte()) } else { usize::from(self.short()) };
        number % bound
    }

    /// Any 64 bits, mostly near powers of two, where arithmetic goes wrong.
    pub fn wide(&mut self) -> u64 {
        let how = self.byte();
        let power = 1u64 << (how % 64);
        match how / 64 {
            0 => power,
            1 => power - 1,
            2 => power.wrapping_neg(),
            _ => u64::from_be_bytes(self.bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_to_the_end_and_then_zeros() {
        let mut program = Program::new(&[1, 2, 3, 0x85, 0xff, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!((program.byte(), program.short()), (1, 0x0203));
        assert_eq!(program.wide(), 1u64 << 5 | !31u64);
        assert_eq!(program.wide(), 1 << 8, "what is missing at the end is zero");
        assert!(!program.more());
        assert_eq!((program.byte(), program.word(), program.wide(), program.below(7)), (0, 0, 1, 0));
        assert!(program.rest().is_empty());
    }
}
