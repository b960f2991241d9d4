//! Any payloads, missing ones in between: the unpacker hands out what a naive one does, and drops as often.

use std::cell::RefCell;

use i405_proto::block::MAX_BLOCK;
use i405_proto::unpacker::{BlockSink, Unpacker};

use crate::program::Program;

thread_local! {
    // Its 64 KiB would be most of the work of a run.
    static UNPACKER: RefCell<Unpacker> = RefCell::new(Unpacker::new());
}

/// Blocks as they were handed out, whole.
#[derive(Default)]
struct Blocks(Vec<Vec<u8>>);

impl BlockSink for Blocks {
    fn packet(&mut self, inner: &[u8]) {
        assert!(matches!(inner[0] >> 4, 4 | 6));
        self.0.push(inner.to_vec());
    }

    fn control(&mut self, kind: u8, body: &[u8]) {
        let [high, low] = (body.len() as u16).to_be_bytes();
        self.0.push([&[0xf0 | kind, high, low], body].concat());
    }
}

/// A program of payloads.
pub fn run(data: &[u8]) {
    UNPACKER.with_borrow_mut(|unpacker| {
        // Forgets what the run before left.
        unpacker.payload(&[], false, &mut Blocks::default());
        compare(unpacker, &mut Program::new(data));
    });
}

fn compare(unpacker: &mut Unpacker, program: &mut Program<'_>) {
    let mut naive = Naive::default();
    while program.more() {
        let how = program.byte();
        let mut payload = program.take(usize::from(how >> 2)).to_vec();
        // A BlockOffset that fits the block under way would hardly be guessed.
        if how & 1 == 1
            && let (Some(missing), Some(offset)) = (naive.missing(), payload.first_chunk_mut::<2>())
        {
            *offset = (missing as u16).to_be_bytes();
        }
        let contiguous = how & 2 == 0;
        let (mut blocks, mut expected) = (Blocks::default(), Vec::new());
        let dropped = unpacker.payload(&payload, contiguous, &mut blocks);
        assert_eq!(dropped, naive.payload(&payload, contiguous, &mut expected));
        assert_eq!(blocks.0, expected);
    }
}

/// What the first bytes of a block say.
enum Start {
    Whole(usize),
    TooFew,
    Wrong,
}

fn start(bytes: &[u8]) -> Start {
    let number = |at: usize| bytes.get(at..at + 2).map(|two| usize::from(two[0]) << 8 | usize::from(two[1]));
    let (length, least) = match bytes.first().map(|first| first >> 4) {
        None => return Start::TooFew,
        Some(4) => (number(2), 20),
        Some(6) => (number(4).map(|payload| payload + 40), 40),
        Some(15) => (number(1).map(|body| body + 3), 3),
        Some(_) => return Start::Wrong,
    };
    match length {
        None => Start::TooFew,
        Some(length) if (least..=MAX_BLOCK).contains(&length) => Start::Whole(length),
        Some(_) => Start::Wrong,
    }
}

/// Keeps the bytes of the block under way and looks at all of them each time.
#[derive(Default)]
struct Naive {
    under_way: Vec<u8>,
}

impl Naive {
    fn missing(&self) -> Option<usize> {
        match start(&self.under_way) {
            Start::Whole(length) if !self.under_way.is_empty() => Some(length - self.under_way.len()),
            _ => None,
        }
    }

    fn payload(&mut self, payload: &[u8], contiguous: bool, out: &mut Vec<Vec<u8>>) -> u32 {
        let mut block = std::mem::take(&mut self.under_way);
        let was_under_way = u32::from(!block.is_empty());
        let Some((offset, body)) = payload.split_first_chunk::<2>() else { return was_under_way };
        let offset = usize::from(u16::from_be_bytes(*offset));
        let behind = body.get(offset..).unwrap_or(&[]);
        if block.is_empty() || !contiguous {
            return was_under_way + self.blocks(behind, out);
        }
        let had = block.len();
        block.extend_from_slice(&body[..offset.min(body.len())]);
        match start(&block) {
            Start::Wrong => 1,
            Start::TooFew if offset > body.len() => {
                self.under_way = block;
                0
            }
            Start::Whole(length) if had + offset == length && block.len() < length => {
                self.under_way = block;
                0
            }
            Start::Whole(length) if had + offset == length => {
                out.push(block);
                self.blocks(behind, out)
            }
            Start::Whole(_) | Start::TooFew => 1 + self.blocks(behind, out),
        }
    }

    fn blocks(&mut self, mut rest: &[u8], out: &mut Vec<Vec<u8>>) -> u32 {
        while rest.first().is_some_and(|first| first >> 4 != 0) {
            match start(rest) {
                Start::Wrong => return 1,
                Start::Whole(length) if length <= rest.len() => {
                    out.push(rest[..length].to_vec());
                    rest = &rest[length..];
                }
                Start::Whole(_) | Start::TooFew => {
                    self.under_way = rest.to_vec();
                    return 0;
                }
            }
        }
        0
    }
}
