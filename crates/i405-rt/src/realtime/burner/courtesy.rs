//! Stepping aside for programs that idle priority does not yield to.
//!
//! SCHED_IDLE gives way within a control group, or with autogrouping within a session. Against a program of another
//! group the burner's group weighs as much as that program's, so the burner takes up to half of the core from it. The
//! burner sees a sign of that: it runs a lot *and* waits a lot. Then it sleeps for a moment and looks whether the core
//! is used more without it. If so, it was holding somebody back, and it stays asleep as long as that is so.
//!
//! Where idle priority yields to everybody, and beside a thread that spins, the sign never shows. There the burner gets
//! what is left and no more.

use std::fs;

use crate::platform::clock::{SECOND_NS, monotonic_ns};

/// Between two looks: long against a time slice, short against a person's patience.
const WINDOW_NS: u64 = SECOND_NS;
/// How long the core is watched without the burner, so that ticks of 10 ms are 3 % of it.
pub const NAP_NS: u64 = 300_000_000;
/// After a nap in vain, so that naps are no more than 3 % of the time.
const TRUST_NS: u64 = 10 * SECOND_NS;
/// The sign, in percent of a window: it waited longer than this for others...
const WAITED_PERCENT: u64 = 30;
/// ...and ran longer than this; the idle class proper gets less beside a program that always wants to run.
const RAN_PERCENT: u64 = 20;
/// Others use so much more of the core without the burner, in percent of the time, if it held them back.
const HELD_BACK_PERCENT: u64 = 10;

/// What the thread has had so far, nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Had {
    at_ns: u64,
    ran_ns: u64,
    waited_ns: u64,
}

/// Ticks of a core since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    all: u64,
    idle: u64,
}

/// The state of one burner.
pub struct Courtesy {
    core: usize,
    since: Had,
    trusted_until_ns: u64,
}

impl Courtesy {
    /// For the calling thread, on this core; None where the kernel doesn't account what is needed (`CONFIG_SCHED_INFO`).
    pub fn new(core: usize) -> Option<Courtesy> {
        ticks(core)?;
        Some(Courtesy { core, since: had()?, trusted_until_ns: 0 })
    }

    /// The thread slept, which says nothing about others.
    pub fn forget(&mut self) {
        self.since = had().unwrap_or(self.since);
    }

    /// Now and then: the percentage of the time that the burner waited for others, if it may be holding somebody back.
    pub fn suspicion(&mut self) -> Option<u64> {
        if monotonic_ns() < self.since.at_ns + WINDOW_NS {
            return None;
        }
        let before = std::mem::replace(&mut self.since, had()?);
        let waited = sign(before, self.since)?;
        (self.since.at_ns >= self.trusted_until_ns).then_some(waited)
    }

    /// Before a nap.
    pub fn ticks(&self) -> Option<Ticks> {
        ticks(self.core)
    }

    /// After a nap: whether others used the core more than while the burner waited for them.
    pub fn held_back(&mut self, waited_percent: u64, before: Ticks) -> bool {
        let held = ticks(self.core).is_some_and(|after| more_without(waited_percent, before, after));
        self.forget();
        if !held {
            self.trusted_until_ns = monotonic_ns() + TRUST_NS;
        }
        held
    }
}

fn sign(before: Had, after: Had) -> Option<u64> {
    let percent = |part: u64| 100 * part / (after.at_ns - before.at_ns).max(1);
    let (ran, waited) = (percent(after.ran_ns - before.ran_ns), percent(after.waited_ns - before.waited_ns));
    (ran > RAN_PERCENT && waited > WAITED_PERCENT).then_some(waited)
}

fn more_without(waited_percent: u64, before: Ticks, after: Ticks) -> bool {
    let (all, idle) = (after.all.saturating_sub(before.all), after.idle.saturating_sub(before.idle));
    // Woken early: too little to judge by.
    all >= 20 && 100 * all.saturating_sub(idle) / all > waited_percent + HELD_BACK_PERCENT
}

/// Time on the core, and time that it waited for the core (Documentation/scheduler/sched-stats.rst).
fn had() -> Option<Had> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let mut fields = text.split_ascii_whitespace().map(str::parse);
    let (ran_ns, waited_ns) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(Had { at_ns: monotonic_ns(), ran_ns, waited_ns })
}

fn ticks(core: usize) -> Option<Ticks> {
    core_ticks(&fs::read_to_string("/proc/stat").ok()?, core)
}

/// user nice system idle iowait irq softirq steal; guest time is in user (proc_stat(5)).
pub(crate) fn core_ticks(text: &str, core: usize) -> Option<Ticks> {
    let name = format!("cpu{core}");
    let mut fields = text.lines().map(str::split_ascii_whitespace).find_map(|mut fields| {
        // A line's name is its first field.
        (fields.next() == Some(&name)).then_some(fields)
    })?;
    let mut numbers = [0; 8];
    for number in &mut numbers {
        *number = fields.next()?.parse().ok()?;
    }
    let all = numbers.iter().fold(0u64, |sum, number| sum.saturating_add(*number));
    Some(Ticks { all, idle: numbers[3].saturating_add(numbers[4]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(ran_ms: u64, waited_ms: u64) -> Option<u64> {
        let after = Had { at_ns: 1_000_000_000, ran_ns: ran_ms * 1_000_000, waited_ns: waited_ms * 1_000_000 };
        sign(Had::default(), after)
    }

    #[test]
    fn only_who_runs_a_lot_and_waits_a_lot_may_hold_somebody_back() {
        assert_eq!(window(500, 500), Some(50), "beside a program of another group that always wants to run");
        assert_eq!(window(3, 997), None, "beside one of its own group");
        assert_eq!(window(80, 920), None, "in the pauses of a thread that spins");
        assert_eq!(window(870, 130), None, "beside a dozy dispatcher at 1 ms");
    }

    #[test]
    fn somebody_was_held_back_if_the_core_is_used_more_without_the_burner() {
        let before = Ticks { all: 1_000, idle: 100 };
        let after = |idle: u64| Ticks { all: 1_030, idle: 100 + idle };
        assert!(more_without(50, before, after(0)), "50 % with, 100 % without");
        assert!(more_without(37, before, after(15)), "37 % with, 50 % without");
        assert!(!more_without(50, before, after(15)), "a program that works half of the time got all that it wanted");
        assert!(!more_without(50, before, Ticks { all: 1_005, idle: 100 }), "woken early");
    }

    #[test]
    fn the_kernels_files_are_read() {
        let text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu1 1 2 3 4 5 6 7 8 9 10\ncpu11 0 0 0 0 0 0 0 0 0 0\n";
        assert_eq!(core_ticks(text, 1), Some(Ticks { all: 36, idle: 9 }));
        assert_eq!(core_ticks(text, 2), None);
        assert!(had().is_none_or(|had| had.at_ns > 0));
    }
}
