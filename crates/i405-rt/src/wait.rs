//! Waiting for an instant: asleep, awake, or first one and then the other.

use std::hint::spin_loop;

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::ClockId;

use crate::clock::{monotonic_ns, timespec};

/// Sleeps until `instant_ns`; signals do not shorten it.
#[inline]
pub fn sleep_until(instant_ns: u64) {
    let until = timespec(instant_ns);
    // An absolute sleep needs no bookkeeping after EINTR: the same call again.
    while clock_nanosleep_absolute(ClockId::Monotonic, &until) == Err(rustix::io::Errno::INTR) {}
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
