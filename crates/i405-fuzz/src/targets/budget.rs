//! No millisecond gives more masks or openings than it has, whatever the clock does.

use i405_proto::budget::{Budget, MASKS_PER_MS, OPENINGS_PER_MS};

use crate::program::Program;

/// A program of times and of how often to take.
pub fn run(data: &[u8]) {
    let mut program = Program::new(data);
    let mut budget = Budget::new();
    // Left of the millisecond: masks, openings.
    let (mut millisecond, mut masks, mut openings) = (0, MASKS_PER_MS, OPENINGS_PER_MS);
    let mut now_ns = 0u64;
    while program.more() {
        let how = program.byte();
        now_ns = match how & 3 {
            0 => now_ns.saturating_add(u64::from(how) << 12),
            1 => now_ns.saturating_sub(u64::from(how) << 12),
            2 => now_ns,
            _ => program.wide(),
        };
        if now_ns / 1_000_000 > millisecond {
            (millisecond, masks, openings) = (now_ns / 1_000_000, MASKS_PER_MS, OPENINGS_PER_MS);
        }
        let (left, taken): (&mut u32, &mut dyn FnMut() -> bool) = if how & 4 == 0 {
            (&mut masks, &mut || budget.take_mask(now_ns))
        } else {
            (&mut openings, &mut || budget.take_opening(now_ns))
        };
        for _ in 0..=how >> 3 {
            assert_eq!(taken(), *left > 0);
            *left = left.saturating_sub(1);
        }
    }
}
