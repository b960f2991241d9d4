//! What this machine does to a timed thread, without a tunnel: the doctor's measurements.
//!
//! Each runs on a thread of its own that is set up as a tunnel's dispatcher is, and blocks the caller until it is done.
//! Only [`egress`] sends anything.

use std::hint::spin_loop;
use std::io;

use i405_rt::Error;
pub use i405_rt::Refused;
use i405_rt::burner::{Burners, IdleTime};
use i405_rt::clock::{SECOND_NS, monotonic_ns};
use i405_rt::config::{BurnerPlace, SchedFifo};
use i405_rt::timed_thread;
use i405_rt::wait::{sleep_until, spin_until};
pub use i405_sys::adjust::ClockCorrection;
use i405_sys::{adjust, memory};

mod egress;
mod measurement;
mod summary;

use measurement::{INTERVAL_NS, LEAD_NS, MOST_SLOTS, on_own_thread};

pub use egress::{EgressRequest, EgressResult, egress};
pub use summary::Summary;

/// A spell without the core that counts as lost, 50 us: as the measurements in docs/real-time.md have it.
const GAP_NS: u64 = 50_000;
/// The losses' spinner sleeps this long of each [`BREATH_PERIOD_NS`]: 8 %, what keeps it off the real-time throttle as
/// the kernel ships it.
const BREATH_NS: u64 = 80_000;
const BREATH_PERIOD_NS: u64 = 1_000_000;
/// Longest look for losses.
const LONGEST_LOOK_NS: u64 = 600 * SECOND_NS;

/// What is refused to a timed thread of this process.
#[derive(Debug)]
pub struct Permissions {
    /// SCHED_FIFO.
    pub fifo: Option<io::Error>,
    /// Locking its stack.
    pub memory: Option<io::Error>,
}

/// Slots without sending.
#[derive(Clone, Copy, Debug)]
pub struct LatenessRequest {
    /// Core; None: wherever the scheduler puts it.
    pub cpu: Option<usize>,
    /// Time from one deadline to the next, 10 us to 1 s.
    pub interval_ns: u64,
    /// How many deadlines, at most a million.
    pub slots: u64,
    /// None: sleep to the deadline. Otherwise sleep until this long before it, and spin the rest.
    pub margin_ns: Option<u64>,
    /// What is kept busy meanwhile; other than `Off` it wants a `cpu`.
    pub burner: BurnerPlace,
}

/// How late the thread was.
#[derive(Debug)]
pub struct LatenessResult {
    /// Of the return from the sleep, against the instant that it was to end at.
    pub wake_up: Summary,
    /// Of the clock at which a tunnel would have sent, against the deadline.
    pub call: Summary,
    /// Deadlines skipped because they had passed.
    pub missed: u64,
    /// Whether it ran under SCHED_FIFO.
    pub is_fifo: bool,
}

/// What a thread that wanted a core all the time did not get of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// How long it wanted the core, its own pauses left out.
    pub wanted_ns: u64,
    /// Sum of the gaps above 50 us.
    pub lost_ns: u64,
    /// Their number.
    pub gaps: u64,
    /// The longest.
    pub longest_ns: u64,
    /// Whether it ran under SCHED_FIFO.
    pub is_fifo: bool,
}

/// Tries what a timed thread asks for, on a thread that ends right after it.
///
/// # Errors
/// [`Error::System`] if the kernel gives no thread.
pub fn permissions() -> Result<Permissions, Error> {
    on_own_thread(|| {
        let shortfalls = timed_thread::set_up(SchedFifo::On, None)?;
        // Asked for by itself: a kernel that refuses the class may still lock memory, and the other way round.
        Ok(Permissions { fifo: shortfalls.fifo, memory: memory::reserve_stack().err() })
    })
}

/// How CLOCK_MONOTONIC is being corrected.
///
/// # Errors
/// [`Error::System`] where the kernel doesn't say.
pub fn clock_correction() -> Result<ClockCorrection, Error> {
    adjust::clock_correction().map_err(Error::system("read the clock's correction"))
}

/// Whether the kernel can be made to spin until a slot's deadline (`sendBy: "kernel"`). None: it can.
pub fn kernel_spin() -> Option<Refused> {
    i405_rt::kernel_spin_works_here().err()
}

/// Waits for deadlines as a dispatcher does.
///
/// # Errors
/// [`Error::Argument`] out of range, [`Error::Cpu`], [`Error::System`], also if SCHED_IDLE is refused to the burner.
pub fn lateness(request: LatenessRequest) -> Result<LatenessResult, Error> {
    let LatenessRequest { cpu, interval_ns, slots, margin_ns, burner } = request;
    let margin_fits = margin_ns.is_none_or(|margin_ns| margin_ns < interval_ns);
    if !INTERVAL_NS.contains(&interval_ns) || !(1..=MOST_SLOTS).contains(&slots) || !margin_fits {
        let what = "probe: expected an interval of 10 us to 1 s, 1 to 1000000 slots, and a margin below the interval";
        return Err(Error::Argument(what.to_owned()));
    }
    if burner != BurnerPlace::Off && cpu.is_none() {
        return Err(Error::Argument("probe: expected a core, because a burner was asked for".to_owned()));
    }
    // From here: the timed thread may be pinned, and `All` is every core that this one is allowed.
    let _burners = Burners::start(burner, cpu, None, IdleTime::new()).map_err(Error::system("keep the cores busy"))?;
    on_own_thread(move || {
        let mut woken = vec![0u64; slots as usize];
        let mut called = vec![0u64; slots as usize];
        let shortfalls = timed_thread::set_up(SchedFifo::On, cpu)?;
        let (mut count, mut missed) = (0, 0);
        let mut deadline_ns = monotonic_ns() + LEAD_NS;
        let end_ns = deadline_ns + slots * interval_ns;
        while deadline_ns < end_ns {
            let wake_ns = deadline_ns - margin_ns.unwrap_or(0);
            sleep_until(wake_ns);
            let woke_ns = monotonic_ns();
            let call_ns = if margin_ns.is_some() { spin_until(deadline_ns) } else { woke_ns };
            woken[count] = woke_ns.saturating_sub(wake_ns);
            called[count] = call_ns.saturating_sub(deadline_ns);
            count += 1;
            // The tunnel's rule: never a burst.
            let passed = called[count - 1] / interval_ns;
            missed += passed;
            deadline_ns += (passed + 1) * interval_ns;
        }
        woken.truncate(count);
        called.truncate(count);
        let (wake_up, call) = (Summary::of(woken), Summary::of(called));
        Ok(LatenessResult { wake_up, call, missed, is_fifo: shortfalls.is_fifo })
    })
}

/// Spins on a core and counts the spells in which it could not.
///
/// # Errors
/// [`Error::Argument`] for longer than 10 minutes, [`Error::Cpu`], [`Error::System`].
pub fn losses(cpu: Option<usize>, duration_ns: u64) -> Result<Losses, Error> {
    if duration_ns > LONGEST_LOOK_NS {
        return Err(Error::Argument("probe: expected at most 600 s".to_owned()));
    }
    on_own_thread(move || {
        let shortfalls = timed_thread::set_up(SchedFifo::On, cpu)?;
        let mut losses = Losses { is_fifo: shortfalls.is_fifo, ..Losses::default() };
        let start_ns = monotonic_ns();
        let end_ns = start_ns + duration_ns;
        let mut pause_at_ns = start_ns + BREATH_PERIOD_NS;
        let mut last_ns = start_ns;
        while last_ns < end_ns {
            if last_ns >= pause_at_ns {
                // Waking up is no loss: a sleeper pays for it, a spinner does not.
                sleep_until(last_ns + BREATH_NS);
                last_ns = monotonic_ns();
                pause_at_ns = last_ns + BREATH_PERIOD_NS - BREATH_NS;
            }
            spin_loop();
            let now_ns = monotonic_ns();
            losses.note(now_ns - last_ns);
            last_ns = now_ns;
        }
        Ok(losses)
    })
}

impl Losses {
    /// Between two readings of the clock lay this long.
    #[inline]
    fn note(&mut self, gap_ns: u64) {
        self.wanted_ns += gap_ns;
        if gap_ns > GAP_NS {
            self.lost_ns += gap_ns;
            self.gaps += 1;
            self.longest_ns = self.longest_ns.max(gap_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deadline_is_met_or_missed_whichever_way_it_waits() {
        let allowed = rustix::thread::sched_getaffinity(None).unwrap();
        let cpu = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu));
        let ways = [
            (None, None, BurnerPlace::Off),
            (None, Some(100_000), BurnerPlace::Off),
            (cpu, Some(100_000), BurnerPlace::Cpu),
            (cpu, Some(100_000), BurnerPlace::All),
        ];
        for (cpu, margin_ns, burner) in ways {
            let request = LatenessRequest { cpu, interval_ns: 1_000_000, slots: 50, margin_ns, burner };
            let result = lateness(request).unwrap();
            assert_eq!(result.call.count, result.wake_up.count);
            assert!(result.call.count >= 1 && result.call.count + result.missed >= 50, "{result:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let burner = BurnerPlace::Off;
        let good = LatenessRequest { cpu: None, interval_ns: 1_000_000, slots: 1, margin_ns: None, burner };
        for bad in [
            LatenessRequest { interval_ns: 0, ..good },
            LatenessRequest { slots: 0, ..good },
            LatenessRequest { slots: MOST_SLOTS + 1, ..good },
            LatenessRequest { margin_ns: Some(1_000_000), ..good },
            LatenessRequest { burner: BurnerPlace::Cpu, ..good },
        ] {
            assert_eq!(lateness(bad).unwrap_err().code(), "ERR_I405_ARGUMENT");
        }
        assert_eq!(lateness(LatenessRequest { cpu: Some(99_999), ..good }).unwrap_err().code(), "ERR_I405_CPU");
        assert_eq!(losses(None, LONGEST_LOOK_NS + 1).unwrap_err().code(), "ERR_I405_ARGUMENT");
    }

    #[test]
    fn a_gap_counts_from_50_us_on_and_every_spell_was_wanted() {
        let mut losses = Losses::default();
        for gap_ns in [100, 50_000, 50_001, 7_000_000] {
            losses.note(gap_ns);
        }
        let expected =
            Losses { wanted_ns: 7_100_101, lost_ns: 7_050_001, gaps: 2, longest_ns: 7_000_000, is_fifo: false };
        assert_eq!(losses, expected);
    }

    #[test]
    fn the_spinner_ends_and_has_looked() {
        let losses = losses(None, 5_000_000).unwrap();
        assert!(losses.wanted_ns > 0 && losses.lost_ns <= losses.wanted_ns, "{losses:?}");
    }

    #[test]
    fn permissions_and_clock_are_read_without_privileges() {
        permissions().unwrap();
        assert!(clock_correction().unwrap().tick_us > 0);
    }
}
