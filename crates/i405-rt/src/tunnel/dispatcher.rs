//! The dispatcher of `sleepy` and `dozy`: one timed thread that does nothing but slots.
//!
//! For each slot it sleeps to the release, applies commands, assembles, waits for the deadline, sends, records. The
//! release is a fixed time before the deadline. So what waits in the queue by then goes into this slot, and from the
//! release to the deadline it is as long whatever there was to assemble.

use std::thread;
use std::time::Duration;

use crate::platform::clock::monotonic_ns;
use crate::platform::config::PollMode;
use crate::platform::wait::{sleep_until, spin_until_warm};
use crate::realtime::breath::{Breath, Breather, SHORTEST_DOZE_NS};
use crate::realtime::margin::Margin;
use crate::realtime::timed_thread::Throttle;
use crate::send::slots::Slots;

/// `sleepy`: assembling begins this long before the deadline. It covers the wake-up (p99 about 65 us where this was
/// measured) and the build (3 us); the rest is slept through. More would cost latency, less would cost lateness.
const SLEEPY_LEAD_NS: u64 = 100_000;
/// Longest uninterrupted sleep: so long may a command wait.
const LONGEST_SLEEP_NS: u64 = 100_000_000;
/// How long the thread is parked without a schedule before it looks whether it is to end.
const IDLE_PARK: Duration = Duration::from_millis(100);

/// How to wait, by mode and schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    /// From the release to the deadline; None: released right after the slot before.
    lead_ns: Option<u64>,
    /// The last part of the wait is spun.
    spin: bool,
    /// How a dispatcher that does nothing but spin lets go of its core.
    breath: Breath,
}

impl Waiting {
    fn of(
        mode: PollMode,
        finalize_ns: Option<u64>,
        margin_ns: u64,
        throttle: Option<Throttle>,
        interval_ns: u64,
    ) -> Self {
        let half_ns = interval_ns / 2;
        let breath = Breath::in_mode(mode, throttle, interval_ns);
        if mode == PollMode::Sleepy {
            // Where two sleeps do not fit between two slots, one has to do.
            let lead_ns = finalize_ns.unwrap_or(SLEEPY_LEAD_NS);
            return Waiting { lead_ns: (lead_ns <= half_ns).then_some(lead_ns), spin: false, breath };
        }
        if interval_ns < SHORTEST_DOZE_NS {
            return Waiting { lead_ns: None, spin: true, breath };
        }
        let lead_ns = finalize_ns.unwrap_or(margin_ns).min(half_ns);
        Waiting { lead_ns: Some(lead_ns), spin: true, breath }
    }

    /// When to begin assembling.
    fn release_ns(self, deadline_ns: u64) -> u64 {
        self.lead_ns.map_or(0, |lead_ns| deadline_ns.saturating_sub(lead_ns))
    }

    /// Returns the clock at the call.
    #[inline]
    fn wait_for_deadline(self, deadline_ns: u64, warm: impl Fn()) -> u64 {
        if self.spin {
            spin_until_warm(deadline_ns, warm)
        } else {
            sleep_until(deadline_ns);
            monotonic_ns()
        }
    }
}

/// Runs until it is told to stop.
pub fn run(
    mut slots: impl Slots,
    mode: PollMode,
    finalize_ns: Option<u64>,
    throttle: Option<Throttle>,
    mut breather: Breather,
) {
    let mut margin = Margin::new();
    loop {
        slots.apply_commands();
        if slots.stopped() {
            return;
        }
        let (Some(deadline_ns), Some(interval_ns)) = (slots.deadline_ns(), slots.interval_ns()) else {
            breather.rest();
            thread::park_timeout(IDLE_PARK);
            continue;
        };
        let waiting = Waiting::of(mode, finalize_ns, margin.margin_ns(), throttle, interval_ns);
        let release_ns = waiting.release_ns(deadline_ns);
        let now_ns = monotonic_ns();
        if now_ns < release_ns {
            let wake_ns = release_ns.min(now_ns + LONGEST_SLEEP_NS);
            sleep_until(wake_ns);
            margin.record(monotonic_ns().saturating_sub(wake_ns));
            continue;
        }
        if !slots.assemble() {
            continue;
        }
        let called_ns = waiting.wait_for_deadline(deadline_ns, || slots.warm());
        let through_ns = slots.dispatch(called_ns);
        breather.after_slot(waiting.breath, through_ns);
    }
}

#[cfg(test)]
mod contents;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleepy_is_released_a_fixed_time_before_the_deadline_where_two_sleeps_fit() {
        let waiting = Waiting::of(PollMode::Sleepy, None, 120_000, None, 1_000_000);
        assert_eq!(waiting.release_ns(5_000_000), 5_000_000 - SLEEPY_LEAD_NS);
        assert_eq!(Waiting::of(PollMode::Sleepy, None, 120_000, None, 100_000).release_ns(5_000_000), 0);
    }

    #[test]
    fn dozy_sleeps_at_least_half_of_the_interval_or_spins() {
        let throttle = Some(Throttle { runtime_ns: 950_000_000, period_ns: 1_000_000_000 });
        let of = |interval_ns| Waiting::of(PollMode::Dozy, None, 120_000, throttle, interval_ns);
        assert_eq!((of(1_000_000).lead_ns, of(1_000_000).breath), (Some(120_000), Breath::Sleeps));
        assert_eq!(of(100_000).lead_ns, Some(50_000));
        assert_eq!(of(20_000).lead_ns, None);
        assert!(matches!(of(20_000).breath, Breath::StepDown { .. }));
        assert_eq!(Waiting::of(PollMode::Dozy, Some(50_000), 120_000, throttle, 1_000_000).lead_ns, Some(50_000));
    }
}
