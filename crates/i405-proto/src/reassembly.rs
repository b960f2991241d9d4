//! Puts the fragments of a handshake message back together, in one buffer per pairing, for the newest stamp.
//!
//! Only fragments that authenticated come here. They may come in any order, more than once, and in two versions,
//! because a restarted server may answer one stamp twice. The later copy overwrites.

use crate::handshake_wire::{MAX_MESSAGE, WRAP_OVERHEAD, fragments};
use crate::seal::MIN_DATAGRAM;

/// Numbers that a fragment can have.
const NUMBERS: u32 = 1 << 8;
/// Words for a bit each.
const NUMBER_WORDS: usize = NUMBERS as usize / 64;

/// The buffer of one pairing.
pub struct Reassembly {
    buffer: Box<[u8; MAX_MESSAGE]>,
    /// Length of the message that comes from this side.
    message_length: usize,
    /// What is being put together, if anything.
    stamp: Option<u64>,
    /// Length of the stamp's datagrams.
    datagram_length: usize,
    /// Message bytes in each of them.
    fragment_length: usize,
    have: [u64; NUMBER_WORDS],
    missing: u32,
}

impl Reassembly {
    /// A buffer for messages of this length, at most [`MAX_MESSAGE`] bytes.
    pub fn new(message_length: usize) -> Self {
        Self {
            buffer: Box::new([0; MAX_MESSAGE]),
            message_length: message_length.min(MAX_MESSAGE),
            stamp: None,
            datagram_length: 0,
            fragment_length: 0,
            have: [0; NUMBER_WORDS],
            missing: 0,
        }
    }

    /// The stamp that is being put together.
    pub fn stamp(&self) -> Option<u64> {
        self.stamp
    }

    /// Whether a fragment with this stamp, from a datagram of this length, belongs here. A stamp newer than the one
    /// under way takes its place. False for an older stamp, and for another length than the stamp's first fragment had.
    pub fn admit(&mut self, stamp: u64, datagram_length: usize) -> bool {
        match self.stamp {
            Some(under_way) if stamp < under_way => return false,
            Some(under_way) if stamp == under_way => return datagram_length == self.datagram_length,
            _ => {}
        }
        let count = fragments(datagram_length, self.message_length);
        if datagram_length < MIN_DATAGRAM || count > NUMBERS {
            return false;
        }
        self.stamp = Some(stamp);
        self.datagram_length = datagram_length;
        self.fragment_length = datagram_length - WRAP_OVERHEAD;
        self.have = [0; NUMBER_WORDS];
        self.missing = count;
        true
    }

    /// Takes the fragment with this number of the stamp that was admitted. Ignores one past the message's end.
    pub fn take(&mut self, number: u8, fragment: &[u8]) {
        let from = usize::from(number) * self.fragment_length;
        if self.stamp.is_none() || from >= self.message_length {
            return;
        }
        let length = self.fragment_length.min(self.message_length - from);
        let Some(piece) = fragment.get(..length) else { return };
        self.buffer[from..from + length].copy_from_slice(piece);
        let (word, bit) = (usize::from(number) / 64, 1u64 << (number % 64));
        if self.have[word] & bit == 0 {
            self.have[word] |= bit;
            self.missing -= 1;
        }
    }

    /// The message, once every fragment of it has come.
    pub fn whole(&self) -> Option<&[u8]> {
        (self.stamp.is_some() && self.missing == 0).then(|| &self.buffer[..self.message_length])
    }

    /// Forgets what is under way.
    pub fn clear(&mut self) {
        self.stamp = None;
    }
}
