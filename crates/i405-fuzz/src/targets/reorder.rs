//! Payloads in any order: each comes out once, in order, unaltered; what is said to be lost never came in time.

use i405_proto::reorder::{MAX_WINDOW, ReorderWindow};

use crate::program::Program;

/// Bytes of the longest payload here.
const CAPACITY: usize = 8;

/// What has come out.
#[derive(Default)]
struct Out {
    /// The counter behind the last one.
    next: u64,
    count: u64,
}

impl Out {
    fn take(&mut self, payload: &[u8], contiguous: bool, waiting: &mut Vec<u32>) {
        let counter = u32::from_be_bytes(payload.try_into().expect("payloads here are counters"));
        assert!(u64::from(counter) >= self.next, "{counter} came out late or twice");
        assert_eq!(contiguous, u64::from(counter) == self.next, "whether one is missing before {counter}");
        let place = waiting.iter().position(|waits| *waits == counter);
        waiting.swap_remove(place.expect("what comes out went in"));
        self.next = u64::from(counter) + 1;
        self.count += 1;
    }
}

/// Window and patience, then a program of payloads and times.
pub fn run(data: &[u8]) {
    let mut program = Program::new(data);
    let window = program.below(MAX_WINDOW + 8);
    let patience_ns = program.wide();
    let mut reorder = ReorderWindow::new(window, CAPACITY, patience_ns);
    let mut out = Out::default();
    // Accepted and not out yet.
    let mut waiting = Vec::new();
    let mut now_ns = 0u64;
    while program.more() {
        let how = program.byte();
        now_ns = now_ns.saturating_add(if how & 0x40 == 0 { u64::from(how & 3) } else { program.wide() });
        if how & 0x80 == 0 {
            let counter = match how >> 2 & 3 {
                3 => program.word(),
                2 => (out.next as u32).wrapping_add(u32::from(program.byte())),
                near => (out.next as u32).wrapping_add(u32::from(near)).wrapping_sub(u32::from(how >> 4 & 1)),
            };
            let too_long = how & 0x20 != 0 && how & 0x10 != 0;
            let new = u64::from(counter) >= out.next && !waiting.contains(&counter) && !too_long;
            if new {
                waiting.push(counter);
            }
            if too_long {
                reorder.insert(counter, &[0; CAPACITY + 1], now_ns, &mut |_, _| panic!("too long, and came out"));
            } else {
                reorder.insert(counter, &counter.to_be_bytes(), now_ns, &mut |payload, contiguous| {
                    out.take(payload, contiguous, &mut waiting);
                });
            }
            assert!(waiting.len() < window.clamp(1, MAX_WINDOW), "a full window is emptied");
        } else {
            reorder.expire(now_ns, &mut |payload, contiguous| out.take(payload, contiguous, &mut waiting));
            assert!(reorder.deadline_ns().is_none_or(|deadline_ns| deadline_ns > now_ns));
        }
        assert_eq!(reorder.deadline_ns().is_none(), waiting.is_empty());
        assert_eq!(reorder.lost(), out.next - out.count);
    }
    reorder.expire(u64::MAX, &mut |payload, contiguous| out.take(payload, contiguous, &mut waiting));
    assert!(waiting.is_empty(), "all that was accepted comes out");
}
