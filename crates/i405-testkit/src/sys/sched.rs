//! Scheduling class, core and timer slack of the calling thread.

use std::io;
use std::num::NonZeroU64;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};

/// Priority of a yardstick under SCHED_FIFO, in the middle of 1 to 99: above ordinary threads is all that it has to be.
pub const FIFO_PRIORITY: i32 = 50;

/// SCHED_FIFO for the calling thread.
pub fn fifo(priority: i32) -> io::Result<()> {
    // SAFETY: plain integers, for which zero is valid. musl has further fields (SCHED_SPORADIC) that Linux lacks.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = priority;
    // SAFETY: `parameters` outlives the call; 0 means the calling thread.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameters) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Keeps the calling thread on one core.
pub fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no such core"));
    }
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

/// What a timed thread does besides: shortest timer slack, memory locked.
pub fn settle() -> io::Result<()> {
    set_current_timer_slack(NonZeroU64::new(1))?;
    Ok(mlockall(MlockAllFlags::CURRENT)?)
}
