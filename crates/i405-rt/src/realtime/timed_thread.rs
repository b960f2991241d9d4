//! Making a thread a timed one: scheduling class, core, timer slack, stack.

use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::path::Path;

use rustix::process::Pid;
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity, set_current_timer_slack};

use crate::platform::config::SchedFifo;
use crate::platform::error::Error;
use crate::realtime::cgroup::CpuGroups;
use crate::realtime::priority::FIFO_PRIORITY;
use crate::realtime::refusal;
use i405_sys::{memory, sched};

/// What setting up a timed thread could not do, to be told as warnings.
#[derive(Debug, Default)]
pub struct Shortfalls {
    /// SCHED_FIFO was wanted and refused.
    pub fifo: Option<io::Error>,
    /// The stack could not be locked.
    pub memory: Option<io::Error>,
    /// Whether the thread runs under SCHED_FIFO.
    pub is_fifo: bool,
    /// Which thread this is about.
    pub tid: Option<Pid>,
}

/// Sets up the calling thread.
///
/// # Errors
/// [`Error::Cpu`], and [`Error::SchedFifo`] where it is required.
pub fn set_up(fifo: SchedFifo, cpu: Option<usize>) -> Result<Shortfalls, Error> {
    let mut shortfalls = Shortfalls { tid: Some(gettid()), ..Shortfalls::default() };
    if let Some(cpu) = cpu {
        let refused = |source| Error::Cpu { cpu, source };
        if cpu >= CpuSet::MAX_CPU {
            return Err(refused(io::Error::from_raw_os_error(libc::EINVAL)));
        }
        let mut set = CpuSet::new();
        set.set(cpu);
        sched_setaffinity(None, &set).map_err(|errno| refused(errno.into()))?;
    }
    // 1 ns: the default of 50 us is what a sleep may be longer by. SCHED_FIFO ignores slack, the fallback does not.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    match fifo {
        SchedFifo::Off => {}
        SchedFifo::On | SchedFifo::Require => match sched::set_fifo(FIFO_PRIORITY) {
            Ok(()) => shortfalls.is_fifo = true,
            Err(source) if fifo == SchedFifo::Require => {
                let refused = refusal::explain(&source);
                return Err(Error::SchedFifo { source, refused });
            }
            Err(source) => shortfalls.fifo = Some(source),
        },
    }
    shortfalls.memory = memory::reserve_stack().err();
    Ok(shortfalls)
}

/// On which core each of so many dispatchers runs: those asked for, or, for two, the first two that this process may use.
///
/// # Errors
/// [`Error::Cores`] if two are needed and there is only one.
pub fn cores(asked: &[usize], dispatchers: usize) -> Result<Vec<usize>, Error> {
    if asked.len() >= dispatchers || dispatchers < 2 {
        return Ok(asked.to_vec());
    }
    let mask = sched_getaffinity(None).map_err(|errno| Error::system("read the affinity mask")(errno.into()))?;
    let available: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&cpu| mask.is_set(cpu)).take(dispatchers).collect();
    if available.len() < dispatchers { Err(Error::Cores { dispatchers }) } else { Ok(available) }
}

/// The kernel's limit on real-time threads: how much of each period they may run, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// `sched_rt_runtime_us`.
    pub runtime_ns: u64,
    /// `sched_rt_period_us`.
    pub period_ns: u64,
}

impl Throttle {
    /// What the kernel's fair server takes for starving ordinary threads (from Linux 6.12 on), whatever the limit is; and
    /// what the rest of a machine needs to stay usable where every core has a thread that spins.
    const LEAST: Throttle = Throttle { runtime_ns: 950_000_000, period_ns: 1_000_000_000 };

    /// What a thread under SCHED_FIFO has to keep to: the limit, or if that was lifted, what is needed all the same.
    pub fn to_keep() -> Throttle {
        Throttle::stricter(Throttle::read(), Some(Throttle::LEAST)).unwrap_or(Throttle::LEAST)
    }

    /// Reads it: the machine's, or that of this process's control group where that is stricter. None if there is no
    /// limit.
    fn read() -> Option<Throttle> {
        let read = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<i64>().ok();
        let runtime = read("/proc/sys/kernel/sched_rt_runtime_us")?;
        let period = read("/proc/sys/kernel/sched_rt_period_us")?;
        if runtime < 0 {
            // Lifted for the machine, it is enforced in no group either.
            return None;
        }
        let machine = Throttle::from_microseconds(runtime, period);
        let group = CpuGroups::read(Path::new("/")).budget;
        let group = group.and_then(|budget| Throttle::from_microseconds(budget.runtime_us, budget.period_us));
        Throttle::stricter(machine, group)
    }

    fn stricter(one: Option<Throttle>, other: Option<Throttle>) -> Option<Throttle> {
        let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
        // Runtimes over different periods, compared as shares.
        Some(if b.runtime_ns * a.period_ns < a.runtime_ns * b.period_ns { b } else { a })
    }

    fn from_microseconds(runtime: i64, period: i64) -> Option<Throttle> {
        let (runtime, period) = (u64::try_from(runtime).ok()?, u64::try_from(period).ok()?);
        (0 < runtime && runtime < period).then_some(Throttle { runtime_ns: runtime * 1_000, period_ns: period * 1_000 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_of_minus_one_or_of_the_whole_period_is_none() {
        assert_eq!(Throttle::from_microseconds(-1, 1_000_000), None);
        assert_eq!(Throttle::from_microseconds(1_000_000, 1_000_000), None);
        let shipped = Throttle::from_microseconds(950_000, 1_000_000).unwrap();
        assert_eq!((shipped.runtime_ns, shipped.period_ns), (950_000_000, 1_000_000_000));
        assert_eq!(Throttle::from_microseconds(0, 1_000_000), None, "no budget at all: there is no SCHED_FIFO either");
    }

    #[test]
    fn of_the_machine_and_the_group_the_stricter_counts() {
        let of = Throttle::from_microseconds;
        let (half, shipped) = (of(50_000, 100_000), of(950_000, 1_000_000));
        assert_eq!(Throttle::stricter(shipped, half), half);
        assert_eq!(Throttle::stricter(half, shipped), half);
        assert_eq!(Throttle::stricter(None, shipped), shipped);
        assert_eq!(Throttle::stricter(shipped, None), shipped);
    }

    #[test]
    fn a_core_that_does_not_exist_is_an_error_that_names_it() {
        let error = std::thread::spawn(|| set_up(SchedFifo::Off, Some(1_000_000)).unwrap_err()).join().unwrap();
        assert_eq!(error.code(), "ERR_I405_CPU");
        assert!(error.to_string().contains("1000000"));
    }
}
