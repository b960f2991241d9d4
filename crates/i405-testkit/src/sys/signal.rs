//! SIGINT and SIGTERM set a flag and interrupt whatever call is blocked.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

static FLAG: AtomicPtr<AtomicBool> = AtomicPtr::new(std::ptr::null_mut());

extern "C" fn on_signal(_: libc::c_int) {
    let flag = FLAG.load(Ordering::Acquire);
    if !flag.is_null() {
        // SAFETY: the pointer comes from a `&'static AtomicBool`, and a store to an atomic is async-signal-safe.
        unsafe { &*flag }.store(true, Ordering::Relaxed);
    }
}

/// Sets `flag` on SIGINT, on SIGTERM, and when the parent dies.
pub fn stop_on_signals(flag: &'static AtomicBool) -> io::Result<()> {
    FLAG.store(std::ptr::from_ref(flag).cast_mut(), Ordering::Release);
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: an all-zero sigaction is valid: no flags (so blocked calls return EINTR), an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
        // SAFETY: `action` outlives the call, and the handler does nothing that a signal handler may not do.
        if unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    Ok(())
}
