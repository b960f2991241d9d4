//! Packer and unpacker as one would write them without a thought for copies or allocations.

use super::support::{Block, Controls, Queue};
use i405_proto::packer::MAX_BLOCK;

pub fn control_bytes(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xF0 + kind];
    bytes.extend((body.len() as u16).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Strings whole blocks together, cuts them at the payload's end and keeps what is over.
#[derive(Default)]
pub struct NaivePacker {
    /// The block that runs over, whole, and what of it is still to come.
    whole: Vec<u8>,
    over: Vec<u8>,
    /// A block that has to start again.
    again: Option<Vec<u8>>,
}

impl NaivePacker {
    pub fn restart(&mut self) {
        if !self.over.is_empty() {
            self.over.clear();
            // A control block was the old key's.
            self.again = (self.whole[0] >> 4 != 15).then(|| self.whole.clone());
        }
    }

    /// The payload and how many control blocks are in it.
    pub fn fill(&mut self, length: usize, controls: &Controls, queue: &mut Queue) -> (Vec<u8>, usize) {
        let room = length - 2;
        let mut payload = (self.over.len() as u16).to_be_bytes().to_vec();
        let mut blocks = std::mem::take(&mut self.over);
        let mut written = 0;
        let mut run_over = controls.is_empty();
        for (kind, body) in controls {
            let block = control_bytes(*kind, body);
            let fits = blocks.len() + block.len() <= room;
            let never_fits = block.len() > room;
            if never_fits && (self.again.is_some() || blocks.len() > room) {
                run_over = true;
            }
            let begins = never_fits && self.again.is_none() && blocks.len() < room;
            if !fits && !begins {
                break;
            }
            blocks.extend(&block);
            written += 1;
            if begins {
                self.whole = block;
            }
        }
        let mut waiting = self.again.take();
        while blocks.len() < room {
            let Some(next) = waiting.take().or_else(|| queue.0.pop_front()) else { break };
            if blocks.len() + next.len() > room && !run_over {
                waiting = Some(next);
                break;
            }
            blocks.extend(&next);
            self.whole = next;
        }
        self.hold(waiting, queue);
        if blocks.len() > room {
            self.over = blocks.split_off(room);
        }
        blocks.resize(room, 0);
        payload.extend(blocks);
        (payload, written)
    }

    /// A packet that couldn't begin waits at the queue's head: as the block to start again, if it is that.
    fn hold(&mut self, waiting: Option<Vec<u8>>, queue: &mut Queue) {
        if let Some(packet) = waiting {
            if packet == self.whole {
                self.again = Some(packet);
            } else {
                queue.0.push_front(packet);
            }
        }
    }
}

/// What the first bytes of a block say: how long it is, that they are too few, or that it is malformed.
enum Said {
    Length(usize),
    TooFew,
    Malformed,
}

fn said(bytes: &[u8]) -> Said {
    let number = |at: usize| Some(usize::from(*bytes.get(at)?) * 256 + usize::from(*bytes.get(at + 1)?));
    let length = match bytes[0] >> 4 {
        4 => number(2),
        6 => number(4).map(|payload| payload + 40),
        15 => number(1).map(|body| body + 3),
        _ => return Said::Malformed,
    };
    match length {
        None => Said::TooFew,
        Some(length) if length > MAX_BLOCK || bytes[0] >> 4 == 4 && length < 20 => Said::Malformed,
        Some(length) => Said::Length(length),
    }
}

#[derive(Default)]
pub struct NaiveUnpacker {
    under_way: Vec<u8>,
}

impl NaiveUnpacker {
    pub fn payload(&mut self, payload: &[u8], contiguous: bool, out: &mut Vec<Block>) -> u32 {
        let begun = std::mem::take(&mut self.under_way);
        let cut_off = u32::from(!begun.is_empty());
        if payload.len() < 2 {
            return cut_off;
        }
        let offset = usize::from(payload[0]) * 256 + usize::from(payload[1]);
        let body = &payload[2..];
        let rest = if offset < body.len() { &body[offset..] } else { &[] };
        if begun.is_empty() || !contiguous {
            return cut_off + self.blocks(rest, out);
        }
        let mut joined = begun.clone();
        joined.extend(&body[..offset.min(body.len())]);
        match said(&joined) {
            Said::Malformed => 1,
            Said::TooFew if offset > body.len() => {
                self.under_way = joined;
                0
            }
            Said::Length(length) if length == begun.len() + offset => {
                if joined.len() < length {
                    self.under_way = joined;
                    return 0;
                }
                out.push(to_block(&joined));
                self.blocks(rest, out)
            }
            Said::TooFew | Said::Length(_) => 1 + self.blocks(rest, out),
        }
    }

    fn blocks(&mut self, rest: &[u8], out: &mut Vec<Block>) -> u32 {
        if rest.is_empty() || rest[0] >> 4 == 0 {
            return 0;
        }
        match said(rest) {
            Said::Malformed => 1,
            Said::Length(length) if length <= rest.len() => {
                out.push(to_block(&rest[..length]));
                self.blocks(&rest[length..], out)
            }
            Said::TooFew | Said::Length(_) => {
                self.under_way = rest.to_vec();
                0
            }
        }
    }
}

fn to_block(bytes: &[u8]) -> Block {
    if bytes[0] >> 4 == 15 { Block::Control(bytes[0] % 16, bytes[3..].to_vec()) } else { Block::Packet(bytes.to_vec()) }
}
