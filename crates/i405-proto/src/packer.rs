//! The packer: writes AGGFRAG payloads (RFC 9347 section 2.2) from a queue of inner packets.
//!
//! A payload, in this order, every byte of it written on each call:
//!
//! 1. BlockOffset: how many bytes of the block under way are missing, 0 if none is.
//! 2. The continuation of that block. It may fill this payload and more.
//! 3. Control blocks.
//! 4. Inner packets back to back; the last one may run over into the next payload.
//! 5. Zeros: a pad block to the end.

pub use crate::block::{
    CONTROL_CHALLENGE, CONTROL_CLOSE, CONTROL_ECHO, CONTROL_NEWEST_STAMP, CONTROL_REKEY_INITIATION,
    CONTROL_REKEY_RESPONSE, CONTROL_REPORT, ControlBlock, MAX_BLOCK, NIBBLE_CONTROL, inner_length,
};

use crate::block::CONTROL_HEADER;

/// Where inner packets wait. Only those that `inner_length` accepts.
pub trait InnerQueue {
    /// Length of the next packet, 20 to 65,535 bytes; `None` if there is none.
    fn next_len(&mut self) -> Option<usize>;
    /// Takes the next packet, whole: `into` has the length that `next_len` has just said.
    fn read(&mut self, into: &mut [u8]);
}

/// Nothing waits: what a tunnel that closes sends from.
pub struct NoPackets;

impl InnerQueue for NoPackets {
    fn next_len(&mut self) -> Option<usize> {
        None
    }

    fn read(&mut self, _into: &mut [u8]) {}
}

/// What went into a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filled {
    /// Packets taken from the queue, the one that runs over included.
    pub inner_packets: u32,
    /// Bytes of inner packets in this payload, continuations included: 0 in a cover slot.
    pub inner_bytes: u32,
    /// How many of the control blocks went in, counted from the first; the others wait for another call.
    pub controls: usize,
}

/// What the carry buffer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carried {
    Packet,
    Control,
}

/// Packs inner packets and control blocks into payloads. Allocates in `new` only.
pub struct Packer {
    /// The block under way, from its first byte: it may have to start again under another key.
    carry: Box<[u8]>,
    /// Bytes of that block, 0 if none is under way.
    length: usize,
    /// How many of them are out. 0 with a block under way: it starts again.
    sent: usize,
    carried: Carried,
}

impl Packer {
    /// A packer with nothing under way.
    pub fn new() -> Packer {
        // Not zeros: writing brings the pages in now, not when a packet first runs over on the timed path.
        Packer { carry: vec![1; MAX_BLOCK].into_boxed_slice(), length: 0, sent: 0, carried: Carried::Packet }
    }

    /// Writes the next payload of the session.
    ///
    /// While there are control blocks, no packet is begun that would run over, so that the next payload has room for
    /// them too. Packets too long for the rest of a payload wait until the control blocks are gone, and control blocks
    /// that don't fit behind a continuation wait as well. A control block that is longer than a whole payload runs over
    /// itself: give it once, not on every call.
    pub fn fill(&mut self, payload: &mut [u8], controls: &[ControlBlock<'_>], queue: &mut impl InnerQueue) -> Filled {
        let mut filled = Filled::default();
        let continues = if self.sent > 0 { self.length - self.sent } else { 0 };
        let Some((offset, body)) = payload.split_first_chunk_mut::<2>() else {
            payload.fill(0);
            return filled;
        };
        *offset = (continues as u16).to_be_bytes();

        let mut at = 0;
        if continues > 0 {
            at += self.carry_on(body, &mut filled);
        }
        let mut may_run_over = controls.is_empty();
        for control in controls {
            let room = body.len() - at;
            let length = control.block_len();
            debug_assert!(length <= MAX_BLOCK, "a control block of {length} bytes");
            if length <= room && length <= MAX_BLOCK {
                write_control(control, &mut body[at..at + length]);
                at += length;
            } else if length <= body.len() {
                break;
            } else if self.length > 0 {
                // It needs the carry buffer, so whatever holds that goes first.
                may_run_over = true;
                break;
            } else if room == 0 {
                break;
            } else if length <= MAX_BLOCK {
                write_control(control, &mut self.carry[..length]);
                self.begin(length, Carried::Control);
                at += self.carry_on(&mut body[at..], &mut filled);
            }
            filled.controls += 1;
        }

        let room = body.len() - at;
        if self.length > 0 && self.sent == 0 && room > 0 && (self.length <= room || may_run_over) {
            at += self.carry_on(&mut body[at..], &mut filled);
        }
        while self.length == 0 && at < body.len() {
            let Some(length) = queue.next_len() else { break };
            debug_assert!((1..=MAX_BLOCK).contains(&length), "an inner packet of {length} bytes");
            if length == 0 || length > MAX_BLOCK {
                break;
            }
            let room = body.len() - at;
            if length <= room {
                queue.read(&mut body[at..at + length]);
                filled.inner_bytes += length as u32;
                at += length;
            } else if may_run_over {
                queue.read(&mut self.carry[..length]);
                self.begin(length, Carried::Packet);
                at += self.carry_on(&mut body[at..], &mut filled);
            } else {
                break;
            }
            filled.inner_packets += 1;
        }
        body[at..].fill(0);
        filled
    }

    /// Makes room for control blocks that don't wait: where the block under way leaves none for them in a payload of
    /// this length, it starts again behind them.
    pub fn make_room(&mut self, payload_length: usize, urgent: &[ControlBlock<'_>]) {
        let wanted: usize = urgent.iter().map(ControlBlock::block_len).sum();
        let continues = if self.sent > 0 { self.length - self.sent } else { 0 };
        if wanted > 0 && continues + wanted + 2 > payload_length {
            self.restart();
        }
    }

    /// Writes a payload for another receiver than the session's: control blocks, as far as they fit, and pad. The
    /// receiver at the endpoint will miss this payload and drop the block under way. So a packet starts again in the
    /// next payload, and a control block is given up. Returns how many control blocks went in.
    pub fn fill_apart(&mut self, payload: &mut [u8], controls: &[ControlBlock<'_>]) -> usize {
        self.restart();
        payload.fill(0);
        let mut at = payload.len().min(2);
        let mut written = 0;
        for control in controls {
            let Some(room) = payload.get_mut(at..at + control.block_len()) else { break };
            write_control(control, room);
            at += room.len();
            written += 1;
        }
        written
    }

    /// Writes a payload that is pad only. What is under way stays as it is: this is for datagrams under a throwaway
    /// key, which nobody opens. Within a session it would make the receiver drop the block under way.
    pub fn cover(&self, payload: &mut [u8]) {
        payload.fill(0);
    }

    /// The next payload is the first under another key. Its BlockOffset is 0, and the packet under way starts again
    /// from its first byte (docs/protocol.md, "No block runs over between keys"). A control block under way is given
    /// up, because it was said for the key before.
    pub fn restart(&mut self) {
        match self.carried {
            Carried::Packet => self.sent = 0,
            Carried::Control => self.abandon(),
        }
    }

    /// Gives up the block under way, so that control blocks needn't wait for it. The receiver drops what it has.
    pub fn abandon(&mut self) {
        self.length = 0;
        self.sent = 0;
    }

    fn begin(&mut self, length: usize, carried: Carried) {
        self.length = length;
        self.sent = 0;
        self.carried = carried;
    }

    /// Copies as much of the block under way as fits and returns how much that was.
    fn carry_on(&mut self, room: &mut [u8], filled: &mut Filled) -> usize {
        let count = room.len().min(self.length - self.sent);
        room[..count].copy_from_slice(&self.carry[self.sent..self.sent + count]);
        self.sent += count;
        if self.carried == Carried::Packet {
            filled.inner_bytes += count as u32;
        }
        if self.sent == self.length {
            self.length = 0;
            self.sent = 0;
        }
        count
    }
}

impl Default for Packer {
    fn default() -> Packer {
        Packer::new()
    }
}

fn write_control(control: &ControlBlock<'_>, into: &mut [u8]) {
    into[..CONTROL_HEADER].copy_from_slice(&control.header());
    into[CONTROL_HEADER..].copy_from_slice(control.body);
}
