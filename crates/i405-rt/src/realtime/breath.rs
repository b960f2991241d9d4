//! How a thread that spins all the time lets go of its core. It does so for two reasons: the kernel's real-time
//! throttle must never take it off, and the rest of the machine has to live, also where the throttle's limit is lifted.
//! When and for how long follows from the schedule and the clock, never from what slots hold.
//!
//! - Where there is room between two slots, the thread pauses: it sleeps right after a slot, 8 % of the time with the
//!   limits as shipped. Others run meanwhile, and no slot is near.
//! - Below about 200 us a sleep and its wake-up don't fit. There the thread steps down into the ordinary class for 8 %
//!   of the time, in few long stretches, and goes on spinning and sending. On a core that nobody else wants this costs
//!   nothing. Where somebody always wants it, it costs a part of that time, and the throttle or the fair server would
//!   take 5 %.
//! - SCHED_DEADLINE is no way out: it refuses threads that are pinned to a core, and it is throttled at the same 95 %.
//!   A step down in every slot isn't either: it costs two more system calls per slot, and gives thousands of occasions
//!   a second to be preempted.

use std::sync::Arc;

use rustix::process::setpriority_process;

use crate::platform::config::PollMode;
use crate::platform::wait::sleep_until;
use crate::realtime::burner::IdleTime;
use crate::realtime::priority::{FIFO_PRIORITY, ORDINARY_NICE};
use crate::realtime::timed_thread::Throttle;
use i405_sys::sched;

/// Shortest interval of which a dozy dispatcher sleeps half: a wake-up takes 30 us and more.
pub const SHORTEST_DOZE_NS: u64 = 100_000;
/// A sleep of less than this is mostly overhead: shorter intervals collect their pauses.
const SHORTEST_PAUSE_NS: u64 = 16_000;
/// What has to fit between a pause's end and the next deadline: waking from it at worst on a quiet machine (60 us),
/// and assembling (20 us).
const SETTLE_NS: u64 = 80_000;
/// Share of the time beyond what the throttle asks for, so that its accounting never catches up.
const SPARE_PERCENT: u64 = 3;
/// Stretches in the ordinary class per period of the throttle. They are few, because each is an occasion to be
/// preempted. They are not fewer, because of the kernel's fair server, which lets ordinary threads in after 95 % of
/// *its* period and begins that period when it likes: four stretches put the 5 % that content it into any 95 %.
const STRETCHES_PER_PERIOD: u64 = 4;
/// How a timed thread lets go of its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breath {
    /// It sleeps between slots anyhow.
    Sleeps,
    /// Never: an ordinary thread that the kernel shares the core out to.
    Never,
    /// By a sleep right after a slot.
    Pause {
        /// From the instant of the send.
        pause_ns: u64,
        /// After every how many slots.
        every_slots: u64,
    },
    /// By a while in the ordinary class after each longer one under SCHED_FIFO. Both follow the clock: counted in
    /// slots, they would last longer where others make slots be missed.
    StepDown {
        /// Under SCHED_FIFO.
        fifo_ns: u64,
        /// In the ordinary class.
        ordinary_ns: u64,
    },
}

impl Breath {
    /// Of a thread that spins all the time, for the kernel's limit and a schedule's mean interval.
    pub fn of(throttle: Option<Throttle>, interval_ns: u64) -> Breath {
        let Some(throttle) = throttle else { return Breath::Never };
        let limit_percent = 100 * (throttle.period_ns - throttle.runtime_ns) / throttle.period_ns;
        let percent = (limit_percent + SPARE_PERCENT).min(100);
        let share_ns = interval_ns * percent / 100;
        let every_slots = SHORTEST_PAUSE_NS.div_ceil(share_ns.max(1)).max(1);
        let pause_ns = share_ns * every_slots;
        // Half of the mean, because jitter makes some intervals shorter.
        if pause_ns + SETTLE_NS <= interval_ns / 2 {
            return Breath::Pause { pause_ns, every_slots };
        }
        let cycle_ns = throttle.period_ns / STRETCHES_PER_PERIOD;
        let ordinary_ns = cycle_ns * percent / 100;
        Breath::StepDown { fifo_ns: cycle_ns - ordinary_ns, ordinary_ns }
    }

    /// Of a poll mode, some of which sleep between slots.
    pub fn in_mode(mode: PollMode, throttle: Option<Throttle>, interval_ns: u64) -> Breath {
        match mode {
            PollMode::Sleepy => Breath::Sleeps,
            PollMode::Dozy if interval_ns >= SHORTEST_DOZE_NS => Breath::Sleeps,
            PollMode::Dozy | PollMode::Spinny => Breath::of(throttle, interval_ns),
        }
    }

    /// Whether the core has idle time between slots, which a burner may fill.
    pub fn leaves_idle(self) -> bool {
        matches!(self, Breath::Sleeps | Breath::Pause { .. })
    }
}

/// Carries it out, on the timed thread.
pub struct Breather {
    breath: Breath,
    slots: u64,
    ordinary: bool,
    /// When the class changes next.
    until_ns: u64,
    idle_time: Arc<IdleTime>,
}

impl Breather {
    /// For the calling thread, under SCHED_FIFO if anything limits it. Burners hear through `idle_time`.
    pub fn new(idle_time: Arc<IdleTime>) -> Self {
        Breather { breath: Breath::Sleeps, slots: 0, ordinary: false, until_ns: 0, idle_time }
    }

    /// No schedule runs: the thread sleeps.
    pub fn rest(&mut self) {
        if self.breath != Breath::Sleeps {
            self.change(Breath::Sleeps, 0);
        }
    }

    /// After each slot, with the breath of the schedule that runs. True: it slept.
    #[inline]
    pub fn after_slot(&mut self, breath: Breath, called_ns: u64) -> bool {
        if breath != self.breath {
            self.change(breath, called_ns);
        }
        self.slots += 1;
        match breath {
            Breath::Sleeps | Breath::Never => false,
            Breath::Pause { pause_ns, every_slots } => {
                let due = self.slots.is_multiple_of(every_slots);
                if due {
                    sleep_until(called_ns + pause_ns);
                }
                due
            }
            Breath::StepDown { fifo_ns, ordinary_ns } => {
                if called_ns >= self.until_ns {
                    self.set_ordinary(!self.ordinary);
                    self.until_ns = called_ns + if self.ordinary { ordinary_ns } else { fifo_ns };
                }
                false
            }
        }
    }

    fn change(&mut self, breath: Breath, called_ns: u64) {
        if self.ordinary {
            self.set_ordinary(false);
        }
        if let Breath::StepDown { fifo_ns, .. } = breath {
            self.until_ns = called_ns + fifo_ns;
            // Without the privilege for it, an ordinary thread like any other: still better than the throttle.
            let _ = setpriority_process(None, ORDINARY_NICE);
        }
        self.idle_time.set(breath.leaves_idle());
        self.breath = breath;
        self.slots = 0;
    }

    /// A refusal leaves the class as it is; the next turn tries again.
    fn set_ordinary(&mut self, ordinary: bool) {
        let changed = if ordinary { sched::step_down() } else { sched::set_fifo(FIFO_PRIORITY) };
        if changed.is_ok() {
            self.ordinary = ordinary;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: Option<Throttle> = Some(Throttle { runtime_ns: 950_000_000, period_ns: 1_000_000_000 });

    #[test]
    fn a_pause_is_a_fixed_share_of_the_schedule_where_it_fits() {
        assert_eq!(Breath::of(None, 1_000_000), Breath::Never);
        assert_eq!(Breath::of(SHIPPED, 1_000_000), Breath::Pause { pause_ns: 80_000, every_slots: 1 });
        assert_eq!(Breath::of(SHIPPED, 200_000), Breath::Pause { pause_ns: 16_000, every_slots: 1 });
        assert!(Breath::of(SHIPPED, 1_000_000).leaves_idle());
        assert!(!Breath::of(None, 1_000_000).leaves_idle());
    }

    #[test]
    fn where_it_does_not_fit_the_thread_steps_down_for_the_same_share() {
        for interval_ns in [10_000, 20_000, 50_000, 100_000, 150_000] {
            let breath = Breath::of(SHIPPED, interval_ns);
            assert_eq!(breath, Breath::StepDown { fifo_ns: 230_000_000, ordinary_ns: 20_000_000 });
            // Any 950 ms have three whole cycles, and with them the 50 ms that content the fair server.
            assert!(!breath.leaves_idle());
        }
    }

    #[test]
    fn sleepers_need_none() {
        let of = |mode, interval_ns| Breath::in_mode(mode, SHIPPED, interval_ns);
        assert_eq!(of(PollMode::Sleepy, 10_000), Breath::Sleeps);
        assert_eq!(of(PollMode::Dozy, SHORTEST_DOZE_NS), Breath::Sleeps);
        assert!(matches!(of(PollMode::Dozy, 20_000), Breath::StepDown { .. }), "nothing but spinning needs it");
        assert!(matches!(of(PollMode::Spinny, 1_000_000), Breath::Pause { .. }));
    }

    #[test]
    fn a_small_budget_leaves_a_little_time_under_fifo_or_none() {
        let budget = |runtime_ns| Some(Throttle { runtime_ns, period_ns: 1_000_000_000 });
        // A pause of 93 % does not fit.
        let breath = Breath::of(budget(100_000_000), 1_000_000);
        assert_eq!(breath, Breath::StepDown { fifo_ns: 17_500_000, ordinary_ns: 232_500_000 });
        assert!(matches!(Breath::of(budget(1_000), 10_000), Breath::StepDown { fifo_ns: 0, .. }));
    }

    #[test]
    fn steps_down_and_up_again_by_the_clock() {
        // Without the privilege nothing changes, and nothing fails.
        let may = sched::set_fifo(1).is_ok();
        let mut breather = Breather::new(IdleTime::new());
        let breath = Breath::StepDown { fifo_ns: 30, ordinary_ns: 20 };
        // A slot every 10 ns from 0 on, but for some that were missed.
        let classes: Vec<bool> = [0, 10, 20, 30, 40, 50, 60, 80, 200, 210, 220]
            .into_iter()
            .map(|called_ns| {
                assert!(!breather.after_slot(breath, called_ns));
                breather.ordinary
            })
            .collect();
        if may {
            let (t, f) = (true, false);
            assert_eq!(classes, [f, f, f, t, t, f, f, t, f, f, f]);
        }
        breather.after_slot(breath, 300);
        breather.after_slot(Breath::Never, 310);
        assert!(!breather.ordinary, "another schedule begins under SCHED_FIFO");
    }
}
