//! Any lateness: counts and the largest are exact, quantiles in order and not above it, nothing overflows.

use std::cell::RefCell;

use i405_proto::lateness::Lateness;

use crate::program::Program;

/// What is later counts as an hour.
const LONGEST_NS: u64 = 3_600_000_000_000;

thread_local! {
    // Its histogram would be most of the work of a run.
    static LATENESS: RefCell<Lateness> = RefCell::new(Lateness::new());
}

/// A program of latenesses.
pub fn run(data: &[u8]) {
    LATENESS.with_borrow_mut(|lateness| {
        lateness.reset();
        let mut program = Program::new(data);
        let (mut all, mut missed) = (Vec::new(), 0);
        while program.more() {
            if program.byte() & 15 == 0 {
                let slots = u64::from(program.word());
                lateness.missed(slots);
                missed += slots;
            } else {
                let late_ns = program.wide();
                lateness.record(late_ns);
                all.push(late_ns.min(LONGEST_NS));
            }
        }
        let told = lateness.snapshot();
        let largest = all.iter().copied().max().unwrap_or(0);
        assert_eq!((told.count, told.max_ns, told.missed), (all.len() as u64, largest, missed));
        let quantiles = [0, told.p50_ns, told.p90_ns, told.p99_ns, told.p999_ns, told.max_ns];
        assert!(quantiles.is_sorted(), "{quantiles:?}");
        let count = all.len().max(1) as f64;
        let mean = all.iter().map(|late| *late as f64).sum::<f64>() / count;
        let variance = all.iter().map(|late| (*late as f64 - mean).powi(2)).sum::<f64>() / count;
        assert!((told.mean_ns - mean).abs() <= 1e-9 * mean, "{} for {mean}", told.mean_ns);
        // Two roundings of a sum of squares may differ by this much of the largest.
        let slack = 1e-6 * (largest as f64 + 1.0);
        assert!((told.stddev_ns - variance.sqrt()).abs() <= slack, "{} for {}", told.stddev_ns, variance.sqrt());
    });
}
