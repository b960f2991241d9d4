//! Instants as nanoseconds.

use rustix::thread::{ClockId as SleepClock, clock_nanosleep_absolute};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds in a second.
pub const NS_PER_S: u64 = 1_000_000_000;

fn to_ns(time: Timespec) -> u64 {
    time.tv_sec as u64 * NS_PER_S + time.tv_nsec as u64
}

/// As the kernel's calls want it.
pub fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / NS_PER_S) as i64, tv_nsec: (ns % NS_PER_S) as _ }
}

/// CLOCK_MONOTONIC.
pub fn monotonic_ns() -> u64 {
    to_ns(clock_gettime(ClockId::Monotonic))
}

/// CLOCK_REALTIME, the clock of the kernel's packet times.
pub fn realtime_ns() -> u64 {
    to_ns(clock_gettime(ClockId::Realtime))
}

/// CPU time of the calling thread.
pub fn thread_cpu_ns() -> u64 {
    to_ns(clock_gettime(ClockId::ThreadCPUTime))
}

/// CPU time of the process.
pub fn process_cpu_ns() -> u64 {
    to_ns(clock_gettime(ClockId::ProcessCPUTime))
}

/// Sleeps to an instant of CLOCK_MONOTONIC; a signal ends it early.
pub fn sleep_until(deadline_ns: u64) {
    let _ = clock_nanosleep_absolute(SleepClock::Monotonic, &timespec(deadline_ns));
}

/// Seconds as given on a command line.
pub fn seconds(value: f64) -> u64 {
    (value.max(0.0) * NS_PER_S as f64) as u64
}

/// Milliseconds as given on a command line.
pub fn millis(value: f64) -> u64 {
    seconds(value / 1e3)
}
