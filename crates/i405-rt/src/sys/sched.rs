//! Scheduling class of the calling thread.

use std::io;

/// Puts the calling thread under SCHED_FIFO.
///
/// # Errors
/// `EPERM` without CAP_SYS_NICE or an rtprio limit, and in a cgroup without a real-time budget
/// (`CONFIG_RT_GROUP_SCHED`).
pub fn set_fifo(priority: i32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: pid 0 is the calling thread, and the pointer is to a live sched_param.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &parameters) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
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
