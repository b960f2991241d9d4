//! Reading the clocks. Schedules live on CLOCK_MONOTONIC, in nanoseconds.

use rustix::time::{ClockId, DynamicClockId, Timespec, clock_gettime, clock_gettime_dynamic};

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;

fn nanoseconds(time: Timespec) -> u64 {
    time.tv_sec as u64 * SECOND_NS + time.tv_nsec as u64
}

/// CLOCK_MONOTONIC: the schedules' clock.
#[inline]
pub fn monotonic_ns() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(now) = crate::platform::simulated::now() {
        return now.monotonic_ns;
    }
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// CLOCK_BOOTTIME: goes on while the machine is suspended; for ages of keys and stamps.
pub fn boottime_ns() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(now) = crate::platform::simulated::now() {
        return now.boottime_ns;
    }
    nanoseconds(clock_gettime(ClockId::Boottime))
}

/// CLOCK_REALTIME: for stamps, and what the kernel's receive times are in.
pub fn realtime_ns() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(now) = crate::platform::simulated::now() {
        return now.realtime_ns;
    }
    nanoseconds(clock_gettime(ClockId::Realtime))
}

/// CLOCK_TAI: what launch times are in. Linux has it since 3.10.
pub fn tai_ns() -> u64 {
    clock_gettime_dynamic(DynamicClockId::Tai).map_or(0, nanoseconds)
}

/// As a timespec, for absolute sleeps.
pub fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / SECOND_NS) as i64, tv_nsec: (ns % SECOND_NS) as _ }
}
