//! The burner of one core: one thread, however many tunnels of this process want it.
//!
//! It is set up from outside, before it begins, because a thread that has made itself idle can't be relied on to
//! answer. It is never joined either. At the end it is told to stop, made an ordinary thread where that is permitted,
//! and moved off its core, so that it ends soon even where others leave it no time there.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, Thread};
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

use super::courtesy::{Courtesy, NAP_NS};
use super::load::{DEFAULT, Kind, Load};
use crate::platform::lock::lock;
use crate::realtime::cgroup::{CpuGroups, IdleReach};
use i405_sys::sched;

/// Its name, as `ps -L` shows it.
const NAME: &str = "i405-burner";

/// Turns of the loop between two looks at the clock: about a millisecond.
const TURNS_PER_LOOK: u32 = 256;

/// The cores with a burner, and how many leases each has.
static CORES: Mutex<BTreeMap<usize, (Arc<Burner>, usize)>> = Mutex::new(BTreeMap::new());

/// What a thread is told.
#[derive(Default)]
struct Orders {
    begin: AtomicBool,
    stop: AtomicBool,
    /// How many leases want it to sleep.
    holds: AtomicUsize,
    /// While it lives: a number that the kernel has not given to somebody else's thread meanwhile.
    alive: Mutex<Option<Pid>>,
}

impl Orders {
    fn wanted(&self) -> bool {
        self.begin.load(Ordering::Acquire) && self.holds.load(Ordering::Acquire) == 0
    }
}

struct Burner {
    thread: Thread,
    orders: Arc<Orders>,
}

/// A share in a core's burner. The last one's end is the burner's.
pub struct Lease {
    core: usize,
    burner: Arc<Burner>,
    holding: bool,
}

impl Lease {
    /// Starts the core's burner, or joins in.
    ///
    /// # Errors
    /// No thread to be had, no such core, or no SCHED_IDLE; then nothing runs.
    pub fn take(core: usize) -> io::Result<Lease> {
        let mut cores = lock(&CORES);
        let burner = match cores.get_mut(&core) {
            Some((burner, leases)) => {
                *leases += 1;
                Arc::clone(burner)
            }
            None => {
                let burner = Arc::new(start(core)?);
                cores.insert(core, (Arc::clone(&burner), 1));
                burner
            }
        };
        Ok(Lease { core, burner, holding: false })
    }

    /// Which core.
    pub fn core(&self) -> usize {
        self.core
    }

    /// Whether this lease wants it to sleep.
    #[cfg(test)]
    pub fn holds(&self) -> bool {
        self.holding
    }

    /// Makes it sleep, or lets it run if no other lease wants it to sleep.
    pub fn hold(&mut self, hold: bool) {
        if hold == self.holding {
            return;
        }
        self.holding = hold;
        let holds = &self.burner.orders.holds;
        if hold {
            holds.fetch_add(1, Ordering::AcqRel);
        } else {
            holds.fetch_sub(1, Ordering::AcqRel);
            self.burner.thread.unpark();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.hold(false);
        let mut cores = lock(&CORES);
        if let Some((_, leases)) = cores.get_mut(&self.core) {
            *leases -= 1;
            if *leases == 0 {
                cores.remove(&self.core);
                end(&self.burner, self.core);
            }
        }
    }
}

fn start(core: usize) -> io::Result<Burner> {
    let place = only(core)?;
    let orders = Arc::new(Orders::default());
    let (report, reported) = mpsc::channel();
    let own = Arc::clone(&orders);
    let handle = thread::Builder::new().name(NAME.to_owned()).spawn(move || {
        sched::block_signals();
        let mut load = Load::new(DEFAULT);
        *lock(&own.alive) = Some(gettid());
        if report.send(gettid()).is_ok() {
            burn(&own, &|| own.stop.load(Ordering::Acquire), &mut load, courtesy(core));
        }
        *lock(&own.alive) = None;
    })?;
    let burner = Burner { thread: handle.thread().clone(), orders };
    let set_up = reported.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe)).and_then(|tid| {
        sched_setaffinity(Some(tid), &place)?;
        sched::set_idle(tid)
    });
    match set_up {
        Ok(()) => {
            burner.orders.begin.store(true, Ordering::Release);
            burner.thread.unpark();
            Ok(burner)
        }
        Err(error) => {
            end(&burner, core);
            Err(error)
        }
    }
}

/// Needed only where idle priority does not reach everybody.
fn courtesy(core: usize) -> Option<Courtesy> {
    let reach = CpuGroups::read(Path::new("/")).idle;
    if reach == IdleReach::Everybody { None } else { Courtesy::new(core) }
}

fn burn(orders: &Orders, stopped: &dyn Fn() -> bool, load: &mut Load, mut courtesy: Option<Courtesy>) {
    let mut turns = 0u32;
    while !stopped() {
        if !orders.wanted() {
            thread::park();
            if let Some(courtesy) = &mut courtesy {
                courtesy.forget();
            }
            continue;
        }
        load.turn();
        turns = turns.wrapping_add(1);
        if turns.is_multiple_of(TURNS_PER_LOOK)
            && let Some(courtesy) = &mut courtesy
            && let Some(waited) = courtesy.suspicion()
        {
            step_aside(stopped, courtesy, waited);
        }
    }
}

/// Sleeps as long as others use the core more for it.
fn step_aside(stopped: &dyn Fn() -> bool, courtesy: &mut Courtesy, waited_percent: u64) {
    while !stopped()
        && let Some(before) = courtesy.ticks()
    {
        thread::park_timeout(Duration::from_nanos(NAP_NS));
        if !courtesy.held_back(waited_percent, before) {
            return;
        }
    }
}

fn only(core: usize) -> io::Result<CpuSet> {
    if core >= CpuSet::MAX_CPU {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut set = CpuSet::new();
    set.set(core);
    Ok(set)
}

fn end(burner: &Burner, core: usize) {
    burner.orders.stop.store(true, Ordering::Release);
    burner.thread.unpark();
    // This doesn't wait for the lock: if it is taken, the thread is ending. While we have it the thread can't end, and
    // its number stays its own.
    let Ok(alive) = burner.orders.alive.try_lock() else { return };
    let Some(tid) = *alive else { return };
    // Refused without a privilege; then it ends when it gets a turn.
    let _ = sched::set_ordinary(tid);
    if let Ok(mut others) = sched_getaffinity(None) {
        others.unset(core);
        // A machine or a process with one core has no other to move to.
        let _ = sched_setaffinity(Some(tid), &others);
    }
}

/// For measuring a kind: makes the calling thread a burner of `core` and burns until `stop` says so.
///
/// # Errors
/// As [`Lease::take`].
pub fn burn_for_ever(core: usize, kind: Kind, stop: impl Fn() -> bool) -> io::Result<()> {
    sched_setaffinity(None, &only(core)?)?;
    sched::set_idle(gettid())?;
    let orders = Orders { begin: AtomicBool::new(true), ..Orders::default() };
    burn(&orders, &stop, &mut Load::new(kind), courtesy(core));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use super::*;

    /// The tests of this process share its registry; each uses what this finds.
    fn any_core() -> usize {
        let allowed = sched_getaffinity(None).unwrap();
        (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core)).unwrap()
    }

    fn until(what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < end, "{what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn state(tid: Pid) -> Option<(u32, char)> {
        let stat = fs::read_to_string(format!("/proc/self/task/{}/stat", tid.as_raw_nonzero())).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        // Field 41, scheduling policy.
        Some((fields.nth(41 - 4)?.parse().ok()?, state))
    }

    #[test]
    fn leases_share_one_idle_thread_which_sleeps_while_held_and_ends_with_the_last() {
        let core = any_core();
        let mut first = Lease::take(core).unwrap();
        let second = Lease::take(core).unwrap();
        assert!(Arc::ptr_eq(&first.burner, &second.burner));
        let tid = lock(&first.burner.orders.alive).unwrap();
        let idle = u32::try_from(libc::SCHED_IDLE).unwrap();
        assert_eq!(state(tid).unwrap().0, idle);
        until("it runs", || state(tid).unwrap().1 == 'R');
        first.hold(true);
        until("it sleeps", || state(tid).unwrap().1 == 'S');
        first.hold(true);
        drop(first);
        until("it runs again", || state(tid).unwrap().1 == 'R');
        assert_eq!(state(tid).unwrap().0, idle);
        let orders = Arc::clone(&second.burner.orders);
        drop(second);
        until("it ends", || lock(&orders.alive).is_none());
    }

    #[test]
    fn a_core_that_is_not_there_leaves_nothing() {
        assert!(Lease::take(CpuSet::MAX_CPU).is_err());
        assert!(Lease::take(CpuSet::MAX_CPU - 1).is_err());
        assert!(!lock(&CORES).contains_key(&(CpuSet::MAX_CPU - 1)));
    }
}
