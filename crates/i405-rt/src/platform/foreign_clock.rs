//! Converts timestamps of other clocks to CLOCK_MONOTONIC, which the schedules are in.
//!
//! CLOCK_REALTIME differs from CLOCK_MONOTONIC by a constant, until somebody sets it. A network card's clock has a rate
//! of its own. It is read beside the system's clock again and again, and what lies between two such readings is
//! interpolated.

use std::fs::File;
use std::io;

use crate::platform::clock::{monotonic_ns, realtime_ns};
use i405_sys::ptp;

/// Readings of which the narrowest counts: one may be interrupted.
const READINGS: usize = 4;
/// Two readings differ by less than this besides their widths unless the clock was set.
const UNCERTAIN_NS: i64 = 1_000;
/// A clock is wrong in rate by less than this: one part in a thousand. Else it was set.
const MOST_DRIFT: f64 = 0.001;
/// Shorter, the reading's own error would pass for a rate.
const SHORTEST_BASE_NS: u64 = 1_000_000;

/// The clock that timestamps are in.
#[derive(Debug)]
pub enum ForeignClock {
    /// The kernel's.
    Realtime(Realtime),
    /// A network card's.
    Card(Box<Card>),
    /// None that can be read: nothing can be converted.
    Unknown,
}

impl ForeignClock {
    /// Reads it beside CLOCK_MONOTONIC. False: what was stamped since the last time can't be told.
    pub fn update(&mut self) -> bool {
        match self {
            ForeignClock::Realtime(realtime) => realtime.update(),
            ForeignClock::Card(card) => card.update(),
            ForeignClock::Unknown => false,
        }
    }

    /// CLOCK_MONOTONIC at this instant.
    pub fn to_monotonic(&self, at_ns: u64) -> Option<u64> {
        match self {
            ForeignClock::Realtime(realtime) => realtime.to_monotonic(at_ns),
            ForeignClock::Card(card) => card.to_monotonic(at_ns),
            ForeignClock::Unknown => None,
        }
    }
}

/// CLOCK_REALTIME's difference to CLOCK_MONOTONIC.
#[derive(Debug, Default)]
pub struct Realtime {
    /// To be added to CLOCK_MONOTONIC.
    ahead_ns: Option<i64>,
}

impl Realtime {
    /// Reads both clocks. False: CLOCK_REALTIME was set since the last time, so what was stamped meanwhile can't be
    /// converted.
    pub fn update(&mut self) -> bool {
        let readings = (0..READINGS).map(|_| {
            let before_ns = monotonic_ns();
            let wall_ns = realtime_ns();
            let width_ns = (monotonic_ns() - before_ns) as i64;
            (width_ns, wall_ns as i64 - before_ns as i64 - width_ns / 2)
        });
        readings.min().is_some_and(|(width_ns, ahead_ns)| self.take(ahead_ns, width_ns))
    }

    fn take(&mut self, ahead_ns: i64, width_ns: i64) -> bool {
        let same = self.ahead_ns.is_none_or(|known_ns| (known_ns - ahead_ns).abs() <= width_ns + UNCERTAIN_NS);
        // The first reading is kept while it holds, so that reading errors don't show as lateness.
        if self.ahead_ns.is_none() || !same {
            self.ahead_ns = Some(ahead_ns);
        }
        same
    }

    /// CLOCK_MONOTONIC at this instant.
    pub fn to_monotonic(&self, realtime_ns: u64) -> Option<u64> {
        realtime_ns.checked_add_signed(-self.ahead_ns?)
    }
}

/// One instant on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    card_ns: u64,
    monotonic_ns: u64,
}

/// A network card's clock.
#[derive(Debug)]
pub struct Card {
    clock: File,
    realtime: Realtime,
    before: Option<Pair>,
    after: Option<Pair>,
}

impl Card {
    /// Opens `/dev/ptpN` and reads it once.
    ///
    /// # Errors
    /// What the kernel says: `EACCES` without permission, `EOPNOTSUPP` where it can't be read beside the system's clock.
    pub fn open(number: u32) -> io::Result<Card> {
        let clock = File::open(format!("/dev/ptp{number}"))?;
        let mut card = Card { clock, realtime: Realtime::default(), before: None, after: None };
        card.read()?;
        Ok(card)
    }

    /// Reads both clocks again. False: what was stamped since the last time can't be told.
    pub fn update(&mut self) -> bool {
        self.read().unwrap_or(false)
    }

    fn read(&mut self) -> io::Result<bool> {
        let steady = self.realtime.update();
        let reading = ptp::read(&self.clock)?;
        let middle_ns = reading.before_ns.midpoint(reading.after_ns);
        let pair =
            self.realtime.to_monotonic(middle_ns).map(|monotonic_ns| Pair { card_ns: reading.card_ns, monotonic_ns });
        let apart = |from: Pair| pair.is_some_and(|pair| pair.monotonic_ns - from.monotonic_ns >= SHORTEST_BASE_NS);
        if self.after.is_none_or(apart) {
            self.before = self.after.filter(|_| steady);
            self.after = pair;
        }
        Ok(self.before.zip(self.after).is_some_and(|(before, after)| rate(before, after).is_some()))
    }

    /// CLOCK_MONOTONIC at this instant of the card's clock.
    pub fn to_monotonic(&self, card_ns: u64) -> Option<u64> {
        between(self.before?, self.after?, card_ns)
    }
}

/// Nanoseconds of CLOCK_MONOTONIC per nanosecond of the card's, None if a clock was set in between.
fn rate(before: Pair, after: Pair) -> Option<f64> {
    let card_ns = after.card_ns.checked_sub(before.card_ns)?;
    let monotonic_ns = after.monotonic_ns.checked_sub(before.monotonic_ns)?;
    let rate = monotonic_ns as f64 / card_ns as f64;
    ((rate - 1.0).abs() < MOST_DRIFT).then_some(rate)
}

fn between(before: Pair, after: Pair, card_ns: u64) -> Option<u64> {
    // From the newer pair, so that only the way to it is multiplied; timestamps are older than it.
    let ago_ns = after.card_ns as i64 - card_ns as i64;
    after.monotonic_ns.checked_add_signed(-((ago_ns as f64 * rate(before, after)?).round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_nobody_sets_is_read_to_the_microsecond() {
        let mut realtime = Realtime::default();
        assert_eq!(realtime.to_monotonic(1), None);
        assert!(realtime.update());
        for _ in 0..100 {
            let before_ns = monotonic_ns();
            let converted_ns = realtime.to_monotonic(realtime_ns()).unwrap();
            assert!((before_ns.saturating_sub(2_000)..monotonic_ns() + 2_000).contains(&converted_ns));
        }
    }

    #[test]
    fn a_step_is_noticed_once_and_reading_errors_change_nothing() {
        let mut realtime = Realtime::default();
        assert!(realtime.take(5_000_000, 100));
        assert!(realtime.take(5_000_900, 100));
        assert_eq!(realtime.to_monotonic(5_000_001), Some(1));
        assert!(!realtime.take(7_000_000, 100));
        assert!(realtime.take(7_000_010, 100));
        assert_eq!(realtime.to_monotonic(7_000_001), Some(1));
        assert_eq!(realtime.to_monotonic(1), None);
    }

    #[test]
    fn a_card_that_runs_fast_is_interpolated() {
        let before = Pair { card_ns: 9_000_000_000, monotonic_ns: 1_000_000_000 };
        let after = Pair { card_ns: 9_010_000_500, monotonic_ns: 1_010_000_000 };
        assert_eq!(between(before, after, after.card_ns), Some(1_010_000_000));
        assert_eq!(between(before, after, before.card_ns), Some(1_000_000_000));
        assert_eq!(between(before, after, 9_005_000_250), Some(1_005_000_000));
        let set = Pair { card_ns: 9_020_000_000, ..after };
        assert_eq!((between(before, set, 9_000_000_001), between(after, before, 1)), (None, None));
    }

    #[test]
    fn no_card_is_an_error() {
        assert!(Card::open(u32::MAX).is_err());
    }
}
