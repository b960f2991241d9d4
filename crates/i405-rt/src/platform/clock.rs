//! Reading the clocks. Schedules live on CLOCK_MONOTONIC, in nanoseconds.
//!
//! Code that a simulation runs too takes its clocks from its caller, as a [`Clock`]: on every thread of the product
//! that is [`System`]. Code that runs only on such threads reads the system's clocks directly.

use rustix::time::{ClockId, DynamicClockId, Timespec, clock_gettime, clock_gettime_dynamic};

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;

fn nanoseconds(time: Timespec) -> u64 {
    time.tv_sec as u64 * SECOND_NS + time.tv_nsec as u64
}

/// A machine's clocks.
pub trait Clock {
    /// CLOCK_MONOTONIC.
    fn monotonic_ns(&self) -> u64;
    /// CLOCK_BOOTTIME.
    fn boottime_ns(&self) -> u64;
    /// CLOCK_REALTIME.
    fn realtime_ns(&self) -> u64;
}

/// This machine's. It has no size, and a call through it is the call itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Clock for System {
    #[inline]
    fn monotonic_ns(&self) -> u64 {
        monotonic_ns()
    }

    #[inline]
    fn boottime_ns(&self) -> u64 {
        boottime_ns()
    }

    #[inline]
    fn realtime_ns(&self) -> u64 {
        realtime_ns()
    }
}

/// CLOCK_MONOTONIC: the schedules' clock.
#[inline]
pub fn monotonic_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// CLOCK_BOOTTIME: goes on while the machine is suspended; for ages of keys and stamps.
pub fn boottime_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Boottime))
}

/// CLOCK_REALTIME: for stamps, and what the kernel's receive times are in.
pub fn realtime_ns() -> u64 {
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
