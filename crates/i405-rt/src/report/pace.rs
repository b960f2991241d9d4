//! When the reporter looks: when it is asked to, and else as seldom as nobody notices.
//!
//! 1. The receiver asks where it has something to hand over. With the packet device it asks at each datagram that opens,
//!    whether packets came with it or not, so that nothing here depends on what slots carry.
//! 2. The control side asks with each command. What follows from one, such as the end of a schedule, is looked for more
//!    often for a while.
//! 3. For the rest, which are counters and records of slots, ten times a second do.
//!
//! In `spinny` nobody asks: there the timed thread receives, and it makes no system call for this. A core is taken up
//! anyway.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::platform::clock::SECOND_NS;
use crate::platform::waker::Waker;
use crate::report::carousel::REPORTER_PERIOD_NS;

/// Between two looks with the packet device, where the program waits for its packets: at least, and where nobody asks.
pub const PACKETS_PERIOD_NS: u64 = 2_000_000;
/// Between two looks at most.
const LONGEST_NS: u64 = 100_000_000;
/// So long after a command what follows from it is looked for.
const HURRY_NS: u64 = SECOND_NS;
/// Slots from one look to the next at most: a quarter of what the ring of their records holds.
const MOST_SLOTS: u64 = 4_096;

/// What others ask of the reporter.
#[derive(Debug, Default)]
pub struct Asked {
    commands: AtomicU64,
    /// The newest schedule's mean interval; 0: there was none yet.
    interval_ns: AtomicU64,
}

impl Asked {
    /// A command was given.
    pub fn command(&self, reporter: &Waker) {
        self.commands.fetch_add(1, Ordering::AcqRel);
        reporter.wake();
    }

    /// A schedule with this mean interval begins.
    pub fn schedule(&self, interval_ns: u64) {
        self.interval_ns.store(interval_ns, Ordering::Release);
    }
}

/// What the reporter has to do for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duties {
    /// Nobody asks, or somebody beside has to be looked after all the time: timestamps, records, burners.
    pub steady: bool,
    /// The packet device.
    pub packets: bool,
}

/// How long the reporter waits from one look to the next.
#[derive(Debug)]
pub struct Pace {
    duties: Duties,
    commands: u64,
    hurries_until_ns: u64,
    looked_ns: u64,
}

impl Pace {
    /// Before the first look.
    pub fn new(duties: Duties) -> Self {
        Pace { duties, commands: 0, hurries_until_ns: 0, looked_ns: 0 }
    }

    /// How long to wait now, if nobody asks meanwhile.
    pub fn wait_ns(&mut self, asked: &Asked, offers: bool, now_ns: u64) -> u64 {
        let Duties { steady, packets } = self.duties;
        let commands = asked.commands.load(Ordering::Acquire);
        if std::mem::replace(&mut self.commands, commands) != commands {
            self.hurries_until_ns = now_ns + HURRY_NS;
        }
        if steady || offers || now_ns < self.hurries_until_ns {
            return if packets { PACKETS_PERIOD_NS } else { REPORTER_PERIOD_NS };
        }
        let interval_ns = asked.interval_ns.load(Ordering::Acquire);
        let records_ns = if interval_ns == 0 { LONGEST_NS } else { interval_ns.saturating_mul(MOST_SLOTS) };
        // Whoever writes waits for room in the queue, which a slot makes. It is found with the next datagram, too, so
        // that a peer which sends as often leaves nothing to wake up for.
        let room_ns = if packets && interval_ns != 0 { (2 * interval_ns).max(PACKETS_PERIOD_NS) } else { LONGEST_NS };
        records_ns.min(room_ns).min(LONGEST_NS)
    }

    /// It looks now. Until when it has to sleep afterwards, whoever asks: where one look follows another closely, a sleep
    /// is less than being woken again and again.
    pub fn looks(&mut self, now_ns: u64) -> Option<u64> {
        let since_ns = now_ns - std::mem::replace(&mut self.looked_ns, now_ns);
        let closely = since_ns < PACKETS_PERIOD_NS + PACKETS_PERIOD_NS / 2;
        (closely && !self.duties.steady).then_some(now_ns + PACKETS_PERIOD_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duties = Duties { steady: false, packets: false };
    const PACKETS: Duties = Duties { steady: false, packets: true };

    fn wait_ns(duties: Duties, interval_ns: u64) -> u64 {
        let asked = Asked::default();
        asked.schedule(interval_ns);
        Pace::new(duties).wait_ns(&asked, false, 5 * SECOND_NS)
    }

    #[test]
    fn a_tunnel_in_which_nothing_happens_is_looked_at_ten_times_a_second() {
        assert_eq!([0, 1_000_000, SECOND_NS].map(|interval_ns| wait_ns(QUIET, interval_ns)), [LONGEST_NS; 3]);
        assert_eq!(wait_ns(QUIET, 10_000), 40_960_000, "and in time for the records of short slots");
    }

    #[test]
    fn with_the_packet_device_once_in_two_slots() {
        assert_eq!(
            [0, 10_000, 1_000_000, 14_600_000, SECOND_NS].map(|interval_ns| wait_ns(PACKETS, interval_ns)),
            [LONGEST_NS, PACKETS_PERIOD_NS, PACKETS_PERIOD_NS, 29_200_000, LONGEST_NS]
        );
    }

    #[test]
    fn after_a_command_and_with_an_offer_it_looks_often() {
        let waker = Waker::new().unwrap();
        let (asked, mut pace) = (Asked::default(), Pace::new(QUIET));
        let mut wait_ns = |offers, now_ns| pace.wait_ns(&asked, offers, now_ns);
        assert_eq!((wait_ns(false, 7), wait_ns(true, 8)), (LONGEST_NS, REPORTER_PERIOD_NS));
        asked.command(&waker);
        assert_eq!(
            [9, 8 + HURRY_NS, 9 + HURRY_NS].map(|now_ns| wait_ns(false, now_ns)),
            [REPORTER_PERIOD_NS, REPORTER_PERIOD_NS, LONGEST_NS]
        );
    }

    #[test]
    fn where_it_is_asked_all_the_time_it_sleeps_in_between() {
        let mut pace = Pace::new(PACKETS);
        let looks = [100, 101, 103, 105, 120, 135].map(|ms| pace.looks(ms * 1_000_000).is_some());
        assert_eq!(looks, [false, true, true, true, false, false]);
        let mut steady = Pace::new(Duties { steady: true, packets: true });
        assert_eq!([100, 102].map(|ms| steady.looks(ms * 1_000_000)), [None; 2]);
    }
}
