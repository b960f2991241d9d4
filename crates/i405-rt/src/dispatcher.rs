//! The dispatcher of `sleepy` and `dozy`: one timed thread that does nothing but slots.
//!
//! For each slot: sleep to the release, apply commands, assemble, wait for the deadline, send, record. The release is
//! a fixed time before the deadline, so what waits in the queue then goes into this slot, and the second wait is the
//! same length whatever there was to assemble.

use std::thread;
use std::time::Duration;

use crate::clock::monotonic_ns;
use crate::config::PollMode;
use crate::sending::{Sending, transmit};
use crate::wait::{sleep_until, spin_until};

/// `sleepy`: assembling begins this long before the deadline. It covers the wake-up (p99 about 65 us where this was
/// measured) and the build (3 us); what is over is slept through. Longer costs latency, shorter lateness.
const SLEEPY_LEAD_NS: u64 = 100_000;
/// `dozy`: the margin, from waking to the deadline; wake-up, build, and the rest is spun.
const DOZY_MARGIN_NS: u64 = 120_000;
/// Longest uninterrupted sleep: so long may a command wait.
const LONGEST_SLEEP_NS: u64 = 100_000_000;
/// How long the thread is parked without a schedule before it looks whether it is to end.
const IDLE_PARK: Duration = Duration::from_millis(100);

/// How a mode waits.
#[derive(Clone, Copy)]
struct Waiting {
    lead_ns: u64,
    spin: bool,
}

impl Waiting {
    fn of(mode: PollMode, finalize_ns: Option<u64>) -> Self {
        let (default_ns, spin) = match mode {
            PollMode::Sleepy => (SLEEPY_LEAD_NS, false),
            PollMode::Dozy | PollMode::Spinny => (DOZY_MARGIN_NS, true),
        };
        Waiting { lead_ns: finalize_ns.unwrap_or(default_ns), spin }
    }

    /// When to begin assembling. With short intervals, at once: two sleeps do not fit between two slots.
    fn release_ns(self, deadline_ns: u64, interval_ns: u64) -> u64 {
        if interval_ns < 2 * self.lead_ns { 0 } else { deadline_ns.saturating_sub(self.lead_ns) }
    }

    /// Returns the clock at the call.
    #[inline]
    fn wait_for_deadline(self, deadline_ns: u64) -> u64 {
        if self.spin {
            spin_until(deadline_ns)
        } else {
            sleep_until(deadline_ns);
            monotonic_ns()
        }
    }
}

/// Runs until it is told to stop.
pub fn run(mut sending: Sending, mode: PollMode, finalize_ns: Option<u64>) {
    let waiting = Waiting::of(mode, finalize_ns);
    let socket = sending.socket();
    loop {
        sending.apply_commands();
        if sending.stopped() {
            return;
        }
        let (Some(deadline_ns), Some(interval_ns)) = (sending.deadline_ns(), sending.interval_ns()) else {
            thread::park_timeout(IDLE_PARK);
            continue;
        };
        let release_ns = waiting.release_ns(deadline_ns, interval_ns);
        let now_ns = monotonic_ns();
        if now_ns < release_ns {
            sleep_until(release_ns.min(now_ns + LONGEST_SLEEP_NS));
            continue;
        }
        let Some(slot) = sending.assemble() else { continue };
        let called_ns = waiting.wait_for_deadline(deadline_ns);
        let outcome = transmit(&socket, slot, called_ns);
        sending.finish(&outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_a_fixed_time_before_the_deadline_where_two_waits_fit() {
        let sleepy = Waiting::of(PollMode::Sleepy, None);
        assert_eq!(sleepy.release_ns(5_000_000, 1_000_000), 5_000_000 - SLEEPY_LEAD_NS);
        assert_eq!(sleepy.release_ns(5_000_000, 100_000), 0);
        assert_eq!(Waiting::of(PollMode::Dozy, Some(50_000)).release_ns(5_000_000, 1_000_000), 4_950_000);
    }
}
