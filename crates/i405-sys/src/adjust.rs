//! How the kernel's clock is being corrected.

use std::io;

/// What `adjtimex` says, as it says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockCorrection {
    /// Correction of the clock's speed, parts per million; CLOCK_MONOTONIC follows it.
    pub frequency_ppm: f64,
    /// Length of a tick, us: 10,000 at 100 ticks a second unless somebody slews with it.
    pub tick_us: i64,
    /// STA_* bits.
    pub status: i32,
}

/// Reads it; changes nothing and needs no privilege.
///
/// # Errors
/// What the kernel says, `EPERM` under some seccomp filters.
pub fn clock_correction() -> io::Result<ClockCorrection> {
    // SAFETY: plain integers, for which zero is valid; modes 0 asks to read.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live timex.
    if unsafe { libc::adjtimex(&raw mut timex) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(ClockCorrection {
        // Scaled by 2^16 (adjtimex(2)).
        frequency_ppm: timex.freq as f64 / 65_536.0,
        tick_us: timex.tick as i64,
        status: timex.status,
    })
}
