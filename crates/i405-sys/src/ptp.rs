//! Reading a network card's clock beside the system's.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

/// Readings per call; the narrowest counts.
const READINGS: usize = 5;

/// One reading of a card's clock between two of CLOCK_REALTIME, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// CLOCK_REALTIME before.
    pub before_ns: u64,
    /// The card's clock.
    pub card_ns: u64,
    /// CLOCK_REALTIME after.
    pub after_ns: u64,
}

/// The narrowest of a few readings of the clock behind `/dev/ptpN`.
///
/// # Errors
/// `EOPNOTSUPP` or `ENOTTY` where the driver or the descriptor is no such clock.
pub fn read(clock: &File) -> io::Result<Reading> {
    // SAFETY: a struct of integers, for which zero is valid; the zero of `clockid` is CLOCK_REALTIME.
    let mut request: libc::ptp_sys_offset_extended = unsafe { MaybeUninit::zeroed().assume_init() };
    request.n_samples = READINGS as libc::c_uint;
    // SAFETY: the number holds the struct's size, and the kernel writes at most that; `request` outlives the call.
    if unsafe { libc::ioctl(clock.as_raw_fd(), libc::PTP_SYS_OFFSET_EXTENDED as _, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let ns = |time: &libc::ptp_clock_time| time.sec as u64 * 1_000_000_000 + u64::from(time.nsec);
    let readings = request.ts[..READINGS].iter().map(|[before, card, after]| Reading {
        before_ns: ns(before),
        card_ns: ns(card),
        after_ns: ns(after),
    });
    readings
        .min_by_key(|reading| reading.after_ns.saturating_sub(reading.before_ns))
        .ok_or_else(|| io::Error::from_raw_os_error(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_clock_is_an_error() {
        assert!(read(&File::open("/dev/null").unwrap()).is_err());
    }
}
