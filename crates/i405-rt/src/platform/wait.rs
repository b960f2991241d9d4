//! Waiting for an instant: asleep, awake, or first one and then the other.

use std::hint::spin_loop;

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::ClockId;

use crate::platform::clock::{monotonic_ns, timespec};

/// Sleeps until `instant_ns`; signals do not shorten it.
#[inline]
pub fn sleep_until(instant_ns: u64) {
    let until = timespec(instant_ns);
    // An absolute sleep needs no bookkeeping after EINTR: the same call again.
    while clock_nanosleep_absolute(ClockId::Monotonic, &until) == Err(rustix::io::Errno::INTR) {}
}

/// Warming begins this long before the instant: a dozen calls, so that the last ones find everything in place.
const WARM_NS: u64 = 20_000;
/// The last one begins at least this long before it: a call takes up to 1 us.
const COOL_NS: u64 = 2_000;

/// [`spin_until`], but for the last microseconds, in which `warm` is called again and again.
#[inline]
pub fn spin_until_warm(instant_ns: u64, warm: impl Fn()) -> u64 {
    let mut now = spin_until(instant_ns.saturating_sub(WARM_NS));
    while now + COOL_NS < instant_ns {
        warm();
        now = monotonic_ns();
    }
    spin_until(instant_ns)
}

/// Reads the clock until it shows `instant_ns`; returns what it showed.
#[inline]
pub fn spin_until(instant_ns: u64) -> u64 {
    loop {
        let now = monotonic_ns();
        if now >= instant_ns {
            return now;
        }
        spin_loop();
    }
}
