//! The pause that keeps a spinning thread off the kernel's real-time throttle.

use crate::realtime::Throttle;

/// A sleep of less than this is mostly overhead: shorter intervals collect their pauses.
const SHORTEST_PAUSE_NS: u64 = 16_000;
/// What waking from a sleep takes at worst on a quiet machine.
const WAKE_UP_NS: u64 = 60_000;
/// Share of the time to be paused beyond what the throttle asks for, so that its accounting never catches up.
const SPARE_PAUSE_PERCENT: u64 = 3;

/// The pause: how long, after every how many slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breath {
    /// The sleep, from the instant of the send.
    pub pause_ns: u64,
    /// After every how many slots.
    pub every_slots: u64,
    interval_ns: u64,
}

impl Breath {
    /// For the kernel's limit and a schedule; None if nothing limits the thread.
    pub fn of(throttle: Option<Throttle>, interval_ns: u64) -> Option<Breath> {
        let throttle = throttle?;
        let limit_percent = 100 * (throttle.period_ns - throttle.runtime_ns) / throttle.period_ns;
        let percent = limit_percent + SPARE_PAUSE_PERCENT;
        let share_ns = interval_ns * percent / 100;
        let every_slots = SHORTEST_PAUSE_NS.div_ceil(share_ns.max(1)).max(1);
        Some(Breath { pause_ns: share_ns * every_slots, every_slots, interval_ns })
    }

    /// Whether the pause, and waking from it, is longer than the time between two slots.
    pub fn costs_slots(self) -> bool {
        self.pause_ns + WAKE_UP_NS > self.interval_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_is_a_fixed_share_of_the_schedule_and_collected_where_slots_are_short() {
        let shipped = Some(Throttle { runtime_ns: 950_000_000, period_ns: 1_000_000_000 });
        assert_eq!(Breath::of(None, 1_000_000), None);
        assert_eq!(
            Breath::of(shipped, 1_000_000),
            Some(Breath { pause_ns: 80_000, every_slots: 1, interval_ns: 1_000_000 })
        );
        let short = Breath::of(shipped, 10_000).unwrap();
        assert!(short.pause_ns >= SHORTEST_PAUSE_NS && short.every_slots == 20);
        assert!(short.costs_slots());
    }
}
