//! Settings at the limits and clocks that jump: every interval lies within the jitter, no deadline that has passed is
//! kept, none is ever taken back, and the work is bounded.

use i405_proto::schedule::{MAX_INTERVAL_NS, MIN_INTERVAL_NS, Schedule, Shape, Timing};

use crate::program::Program;

/// Longer stalls than this are drawn deadline by deadline, which is for the unit tests: it takes too long here.
const MOST_DRAWN: u64 = 300;
/// From here on, a stall is skipped in one step.
const JUMPED: u64 = 1_000_001;
const MOST_STEPS: usize = 32;

/// Settings and a first deadline, then a program of steps.
pub fn run(data: &[u8]) {
    let mut program = Program::new(data);
    let how = program.byte();
    let interval_ns = if how & 1 == 0 { program.wide() } else { MIN_INTERVAL_NS - 1 + u64::from(program.short()) };
    let jitter_ns = match how >> 1 & 3 {
        0 => interval_ns,
        1 => interval_ns / 2,
        2 => interval_ns.wrapping_add(1),
        _ => program.wide(),
    };
    let shape = if how & 8 == 0 { Shape::Cos4 } else { Shape::Uniform };
    let sensible = (MIN_INTERVAL_NS..=MAX_INTERVAL_NS).contains(&interval_ns) && jitter_ns <= interval_ns;
    let timing = Timing::new(interval_ns, jitter_ns, shape);
    assert_eq!(timing.is_ok(), sensible, "{interval_ns} ns +- {jitter_ns} ns");
    let Ok(timing) = timing else { return };
    let mut schedule = Schedule::new(timing, program.wide(), [how; 32]);
    // A jump draws a thousand intervals.
    for _ in 0..MOST_STEPS {
        if !program.more() {
            break;
        }
        let how = program.byte();
        let before_ns = schedule.deadline_ns();
        let mut twin = schedule.at_same_place();
        if how & 1 == 0 {
            schedule.advance();
            twin.advance();
            let least = before_ns.saturating_add(interval_ns - jitter_ns);
            let most = before_ns.saturating_add(interval_ns + jitter_ns);
            assert!((least..=most).contains(&schedule.deadline_ns()));
        } else {
            let mut now_ns = if how & 2 == 0 { program.wide() } else { before_ns.saturating_add(program.wide()) };
            let passed = now_ns.saturating_sub(before_ns) / interval_ns;
            if (MOST_DRAWN..JUMPED).contains(&passed) {
                now_ns = before_ns.saturating_add(interval_ns * (passed % MOST_DRAWN));
            }
            let missed = schedule.skip_passed(now_ns);
            assert!(schedule.deadline_ns() >= now_ns.max(before_ns));
            assert_eq!(missed > 0, before_ns < now_ns);
            // The last deadline that was skipped had passed.
            let longest = interval_ns + jitter_ns;
            assert!(
                missed == 0 || schedule.deadline_ns() < now_ns.saturating_add(longest) || now_ns > u64::MAX - longest
            );
            assert_eq!(twin.skip_passed(now_ns), missed);
        }
        assert_eq!(twin.deadline_ns(), schedule.deadline_ns(), "a second dispatcher has the same deadlines");
    }
}
