//! Scheduling classes of threads.

use std::io;

use rustix::process::Pid;

/// The kernel's `struct sched_param`; libc's has further members with musl.
#[repr(C)]
struct Parameters {
    priority: libc::c_int,
}

/// By its number and not through libc: musl's `sched_setscheduler` does nothing but fail with `ENOSYS`.
fn set_class(tid: libc::pid_t, policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    let parameters = Parameters { priority };
    // SAFETY: the kernel reads one sched_param, which outlives the call; an unknown thread is ESRCH.
    let result = unsafe { libc::syscall(libc::SYS_sched_setscheduler, tid, policy, &raw const parameters) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Puts the calling thread under SCHED_FIFO.
///
/// # Errors
/// `EPERM` without CAP_SYS_NICE or an rtprio limit, and in a cgroup without a real-time budget
/// (`CONFIG_RT_GROUP_SCHED`).
pub fn set_fifo(priority: i32) -> io::Result<()> {
    set_class(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, priority)
}

/// Puts the calling thread, which is under SCHED_FIFO, into the ordinary class.
///
/// # Errors
/// None that the kernel documents for this step.
pub fn step_down() -> io::Result<()> {
    // Without a privilege the flag that was set with SCHED_FIFO may not be taken away.
    set_class(0, libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK, 0)
}

/// Puts a thread of this process into the idle class, which runs when its core has nothing else to do.
///
/// # Errors
/// Where a security module or a sandbox refuses, and if the kernel did something else than it was asked for.
pub fn set_idle(tid: Pid) -> io::Result<()> {
    set_class(tid.as_raw_nonzero().get(), libc::SCHED_IDLE, 0)?;
    // A sandbox may answer the call without carrying it out; a loop in any other class would take the core away.
    if is_idle(tid) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ENOSYS)) }
}

/// Whether a thread is in the idle class.
pub fn is_idle(tid: Pid) -> bool {
    // SAFETY: a number in, a number out.
    let class = unsafe { libc::syscall(libc::SYS_sched_getscheduler, tid.as_raw_nonzero().get()) };
    class == libc::c_long::from(libc::SCHED_IDLE)
}

/// Puts a thread of this process back into the ordinary class.
///
/// # Errors
/// `EPERM` without CAP_SYS_NICE or a nice limit.
pub fn set_ordinary(tid: Pid) -> io::Result<()> {
    set_class(tid.as_raw_nonzero().get(), libc::SCHED_OTHER, 0)
}

/// Blocks every signal in the calling thread: they are the embedding program's, for threads of its own.
pub fn block_signals() {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the set before pthread_sigmask reads it, and the old mask is not asked for.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
    }
}
