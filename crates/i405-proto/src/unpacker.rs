//! The unpacker: reads AGGFRAG payloads in order and hands out whole blocks.
//!
//! What comes here has been authenticated, but its contents are the peer's. So no payload may make it panic, read past
//! the end, or hand out anything but what a block's own header delimits. A block that lies whole in one payload is
//! handed out as a slice of it; only a block that runs over is copied.

use crate::block::{CONTROL_HEADER, Extent, MAX_BLOCK, NIBBLE_CONTROL, extent};

/// Takes whole blocks.
pub trait BlockSink {
    /// An IPv4 or IPv6 packet that `inner_length` accepts.
    fn packet(&mut self, inner: &[u8]);
    /// A control block, of whatever kind and length: those unknown are the sink's to skip.
    fn control(&mut self, kind: u8, body: &[u8]);
}

/// Reassembles the blocks of one key. Allocates in `new` only.
pub struct Unpacker {
    /// The block under way, from its first byte.
    block: Box<[u8]>,
    /// How many of its bytes are here, 0 if none is under way.
    have: usize,
}

/// Where reading goes on after the continuation at a payload's beginning.
enum Resume {
    /// At BlockOffset.
    AtOffset,
    /// With the next payload.
    NextPayload,
}

impl Unpacker {
    /// With nothing under way: one for each key.
    pub fn new() -> Unpacker {
        // Not zeros: writing brings the pages in now, not in the middle of a turn.
        Unpacker { block: vec![1; MAX_BLOCK].into_boxed_slice(), have: 0 }
    }

    /// Reads the next payload. `contiguous`: it follows directly on the one before, and none is missing in between.
    ///
    /// Returns how many blocks were dropped: those that were under way and can't be completed, and malformed ones.
    pub fn payload(&mut self, payload: &[u8], contiguous: bool, sink: &mut impl BlockSink) -> u32 {
        let mut dropped = 0;
        if !contiguous {
            dropped += self.drop_block();
        }
        let Some((offset, body)) = payload.split_first_chunk::<2>() else {
            return dropped + self.drop_block();
        };
        let offset = usize::from(u16::from_be_bytes(*offset));
        if self.have > 0
            && let Resume::NextPayload = self.resume(offset, body, &mut dropped, sink)
        {
            return dropped;
        }
        // Past the end: nothing but the rest of a block whose beginning never came.
        let mut rest = body.get(offset..).unwrap_or_default();
        while !rest.is_empty() {
            match extent(rest) {
                Extent::Pad => break,
                Extent::Bytes(length) if length <= rest.len() => {
                    let (block, after) = rest.split_at(length);
                    hand_out(block, sink);
                    rest = after;
                }
                Extent::Bytes(_) | Extent::Unknown => {
                    self.block[..rest.len()].copy_from_slice(rest);
                    self.have = rest.len();
                    break;
                }
                Extent::Malformed => {
                    dropped += 1;
                    break;
                }
            }
        }
        dropped
    }

    /// Goes on with the block under way, of which BlockOffset says how much is missing.
    fn resume(&mut self, offset: usize, body: &[u8], dropped: &mut u32, sink: &mut impl BlockSink) -> Resume {
        // The length field may be split between payloads: complete it first, never reading past BlockOffset.
        let mut taken = 0;
        let mut measured = extent(&self.block[..self.have]);
        while measured == Extent::Unknown && taken < offset.min(body.len()) {
            self.block[self.have] = body[taken];
            self.have += 1;
            taken += 1;
            measured = extent(&self.block[..self.have]);
        }
        match measured {
            Extent::Unknown if offset > body.len() => Resume::NextPayload,
            Extent::Bytes(length) if length - self.have == offset - taken => {
                let count = (body.len() - taken).min(length - self.have);
                self.block[self.have..self.have + count].copy_from_slice(&body[taken..taken + count]);
                self.have += count;
                if self.have < length {
                    return Resume::NextPayload;
                }
                self.have = 0;
                hand_out(&self.block[..length], sink);
                Resume::AtOffset
            }
            // BlockOffset disagrees with what is missing.
            Extent::Unknown | Extent::Bytes(_) => {
                *dropped += self.drop_block();
                Resume::AtOffset
            }
            // Only a length field that was split can turn out so; padding is never kept.
            Extent::Malformed | Extent::Pad => {
                *dropped += self.drop_block();
                Resume::NextPayload
            }
        }
    }

    fn drop_block(&mut self) -> u32 {
        let under_way = self.have > 0;
        self.have = 0;
        u32::from(under_way)
    }
}

impl Default for Unpacker {
    fn default() -> Unpacker {
        Unpacker::new()
    }
}

/// Hands out a block that is as long as its own header says.
fn hand_out(block: &[u8], sink: &mut impl BlockSink) {
    let first = block[0];
    if first >> 4 == NIBBLE_CONTROL {
        sink.control(first & 0x0F, &block[CONTROL_HEADER..]);
    } else {
        sink.packet(block);
    }
}
