//! The burner: threads of idle priority that loop, so that a core is always busy. Its caches, its clock and the
//! hypervisor's view of it are then the same whether the tunnel and the machine work or not.
//!
//! - It runs under SCHED_IDLE or not at all: ordinary threads of the same control group and session take the core from
//!   it as if it were idle. For the threads of others it steps aside by itself (`burner/courtesy.rs`).
//! - `burner/load.rs` is what the loop does, `burner/core.rs` the thread of one core, which tunnels share.
//! - With `"cpu"` it is on the core of the timed thread. If that thread isn't pinned, the burner follows it: the
//!   reporter looks where the thread is, a few times a second. The timed thread isn't pinned for the burner's sake: two
//!   programs that chose alike would meet on one core, where the kernel puts real-time threads on different ones.
//! - While the timed thread never lets go of its core, there is nothing to fill. A burner that waits in vain would call
//!   for the kernel's fair server, which stops real-time threads for its sake. So it is held: it sleeps until the
//!   schedule leaves idle time again. What a schedule leaves is `breath`'s decision.

mod core;
pub(crate) mod courtesy;
pub mod load;

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity};

use self::core::Lease;
pub use self::core::burn_for_ever;
use crate::platform::config::BurnerPlace;

/// How many looks apart the timed thread has to be found on another core before the burner follows it there, so that
/// it does not run after every excursion.
const LOOKS_TO_FOLLOW: u32 = 2;
/// Of the reporter's periods, one in this many is a look: each reads a file of `/proc`, 20 us.
const PERIODS_PER_LOOK: u32 = 16;

/// Whether the timed thread leaves idle time on its core: set by that thread, one store per change.
#[derive(Debug)]
pub struct IdleTime(AtomicBool);

impl IdleTime {
    /// Without a schedule the thread sleeps.
    pub fn new() -> Arc<IdleTime> {
        Arc::new(IdleTime(AtomicBool::new(true)))
    }

    /// From now on.
    #[inline]
    pub fn set(&self, left: bool) {
        self.0.store(left, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where the timed thread is.
enum Timed {
    Pinned(usize),
    Followed { tid: Pid, core: usize, elsewhere: u32 },
}

impl Timed {
    fn core(&self) -> usize {
        match self {
            Timed::Pinned(core) | Timed::Followed { core, .. } => *core,
        }
    }
}

/// A tunnel's burners. They end with the value, without being waited for.
pub struct Burners {
    place: BurnerPlace,
    timed: Timed,
    leases: Vec<Lease>,
    idle_time: Arc<IdleTime>,
    periods: u32,
}

impl Burners {
    /// Starts what the place asks for; None for `off`.
    ///
    /// # Errors
    /// If a thread can't be had, can't be put on its core or can't be put under SCHED_IDLE; then none is left.
    pub fn start(
        place: BurnerPlace,
        pinned: Option<usize>,
        timed: Option<Pid>,
        idle_time: Arc<IdleTime>,
    ) -> io::Result<Option<Burners>> {
        if place == BurnerPlace::Off {
            return Ok(None);
        }
        let timed = match (pinned, timed) {
            (Some(core), _) => Timed::Pinned(core),
            (None, Some(tid)) => Timed::Followed { tid, core: core_of(tid)?, elsewhere: 0 },
            (None, None) => return Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let leases = match place {
            BurnerPlace::Off | BurnerPlace::Cpu => vec![Lease::take(timed.core())?],
            BurnerPlace::All => {
                let allowed = sched_getaffinity(None)?;
                let cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
                cores.map(Lease::take).collect::<io::Result<_>>()?
            }
        };
        Ok(Some(Burners { place, timed, leases, idle_time, periods: 0 }))
    }

    /// Once in each of the reporter's periods: follows the timed thread, and holds or releases the burner beside it.
    ///
    /// # Errors
    /// As [`Burners::start`], on another core; the burner then stays where it is.
    pub fn look(&mut self) -> io::Result<()> {
        self.periods = self.periods.wrapping_add(1);
        let followed = if self.periods.is_multiple_of(PERIODS_PER_LOOK) { self.follow() } else { Ok(()) };
        let (core, held) = (self.timed.core(), !self.idle_time.get());
        for lease in &mut self.leases {
            lease.hold(held && lease.core() == core);
        }
        followed
    }

    fn follow(&mut self) -> io::Result<()> {
        let Timed::Followed { tid, core, elsewhere } = &mut self.timed else { return Ok(()) };
        // A thread that has ended is on no core; the tunnel ends with it.
        let Ok(now_on) = core_of(*tid) else { return Ok(()) };
        *elsewhere = if now_on == *core { 0 } else { *elsewhere + 1 };
        if *elsewhere < LOOKS_TO_FOLLOW {
            return Ok(());
        }
        (*core, *elsewhere) = (now_on, 0);
        if self.place == BurnerPlace::Cpu {
            // The new one first: an assignment drops the old.
            self.leases = vec![Lease::take(now_on)?];
        }
        Ok(())
    }
}

/// How many cores have a burner of this tunnel's, which has one value for each timed thread.
pub fn cores(all: &[Burners]) -> usize {
    let mut cores: Vec<usize> = all.iter().flat_map(|burners| burners.leases.iter().map(Lease::core)).collect();
    cores.sort_unstable();
    cores.dedup();
    cores.len()
}

/// The core that a thread of this process last ran on (proc_pid_stat(5), field 39).
fn core_of(tid: Pid) -> io::Result<usize> {
    let stat = fs::read_to_string(format!("/proc/self/task/{}/stat", tid.as_raw_nonzero()))?;
    last_core(&stat).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

pub(crate) fn last_core(stat: &str) -> Option<usize> {
    // The name, in parentheses, may hold anything; field 3 is the first one behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(39 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rustix::thread::{gettid, sched_setaffinity};

    use super::*;

    #[test]
    fn the_core_of_a_thread_is_read_behind_whatever_its_name_is() {
        let fields: Vec<String> = (4..=52).map(|number| number.to_string()).collect();
        assert_eq!(last_core(&format!("7 (a) S (b) R {}", fields.join(" "))), Some(39));
        assert_eq!(last_core("7 (a) R 1 2"), None);
    }

    #[test]
    fn it_follows_a_thread_that_moves_and_holds_beside_one_that_never_sleeps() {
        thread::spawn(|| {
            let allowed = sched_getaffinity(None).unwrap();
            let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
            let move_to = |core: usize| {
                let mut set = CpuSet::new();
                set.set(core);
                sched_setaffinity(None, &set).unwrap();
            };
            move_to(cores[0]);
            let idle_time = IdleTime::new();
            let started = Burners::start(BurnerPlace::Cpu, None, Some(gettid()), Arc::clone(&idle_time));
            let mut burners = started.unwrap().unwrap();
            assert_eq!((burners.leases.len(), burners.leases[0].core()), (1, cores[0]));
            idle_time.set(false);
            burners.look().unwrap();
            assert!(burners.leases[0].holds());
            let there = *cores.last().unwrap();
            move_to(there);
            // A process that is pinned itself has only one core to be on.
            for _ in 0..PERIODS_PER_LOOK * LOOKS_TO_FOLLOW {
                burners.look().unwrap();
            }
            assert_eq!(burners.leases[0].core(), there);
            assert!(burners.leases[0].holds(), "there too");
            idle_time.set(true);
            burners.look().unwrap();
            assert!(!burners.leases[0].holds());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn off_is_none_and_all_is_one_per_allowed_core() {
        let start = |place| Burners::start(place, Some(0), None, IdleTime::new()).unwrap();
        assert!(start(BurnerPlace::Off).is_none());
        let allowed = sched_getaffinity(None).unwrap();
        assert_eq!(start(BurnerPlace::All).unwrap().leases.len(), allowed.count() as usize);
    }
}
