//! Has every thread of the process make a system call for itself. Credentials are kept per thread, and most threads are
//! Node's and not ours.
//!
//! A thread does it in a signal handler. The signal is the kernel's number 33, which both libcs keep for such purposes
//! of their own and therefore never let a thread block; Node's threads block all others. The signal's action is
//! replaced for the few milliseconds that this takes, and then put back.

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, getpid};

/// What glibc calls SIGSETXID and musl SIGCANCEL (nptl(7)).
const SIGNAL: libc::c_int = 33;
/// The kernel's `sizeof(sigset_t)`, bytes.
const KERNEL_SET: usize = 8;

/// What a thread does in the handler: system calls through `rustix`, which leave `errno` alone, and nothing else.
pub type Act = fn();

static ACT: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The kernel's `struct sigaction` on x86-64 and arm64.
#[repr(C)]
#[derive(Clone, Copy)]
struct KernelAction {
    handler: usize,
    flags: libc::c_ulong,
    restorer: usize,
    mask: u64,
}

extern "C" fn handle(_signal: libc::c_int) {
    let act = ACT.load(Ordering::Acquire);
    if !act.is_null() {
        // SAFETY: only `with_signal` stores here, and only an `Act`, which has the size of a pointer.
        let act = unsafe { std::mem::transmute::<*mut (), Act>(act) };
        act();
    }
}

/// Lets `run` send threads of this process through `act`, with the function that it is given. It must send each thread
/// once, because such signals queue up. It must return `Ok` only when all have been through it: a signal that comes
/// later would find libc's action, or none, which ends the process.
///
/// # Errors
/// What the kernel says, which it does not do for these calls.
pub fn with_signal<T, E>(act: Act, run: impl FnOnce(&dyn Fn(Pid)) -> Result<T, E>) -> io::Result<Result<T, E>> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let ours = action_of_libc()?;
    let before = exchange(SIGNAL, Some(&ours))?;
    ACT.store(act as *mut (), Ordering::Release);
    let process = getpid();
    let result = run(&|thread: Pid| {
        // SAFETY: numbers in; a thread that is gone is ESRCH, and one of another process can't be meant.
        unsafe {
            libc::syscall(libc::SYS_tgkill, process.as_raw_nonzero().get(), thread.as_raw_nonzero().get(), SIGNAL)
        };
    });
    if result.is_ok() {
        exchange(SIGNAL, Some(&before))?;
    }
    // Otherwise a signal may still be on its way, and finds a handler that does nothing any more.
    ACT.store(std::ptr::null_mut(), Ordering::Release);
    Ok(result)
}

/// Our handler as libc hands it to the kernel: on x86-64 that includes a way back from it, which libc has and we don't.
/// libc refuses to set number 33. So libc sets it for another signal, where it is read, and that signal's own action is
/// put back at once.
fn action_of_libc() -> io::Result<KernelAction> {
    let spare = libc::SIGRTMAX();
    let before = exchange(spare, None)?;
    let mut wanted = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all zeros is a valid `sigaction`; the handler takes the number alone, as there is no SA_SIGINFO.
    let set = unsafe {
        let action = wanted.assume_init_mut();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigfillset(&raw mut action.sa_mask);
        libc::sigaction(spare, action, std::ptr::null_mut())
    };
    if set != 0 {
        return Err(io::Error::last_os_error());
    }
    exchange(spare, Some(&before))
}

/// Sets a signal's action in the kernel, past libc; returns the former one.
fn exchange(signal: libc::c_int, new: Option<&KernelAction>) -> io::Result<KernelAction> {
    let mut before = KernelAction { handler: 0, flags: 0, restorer: 0, mask: 0 };
    let new = new.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both structs have the kernel's layout and outlive the call; a null `new` only reads.
    let result = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, new, &raw mut before, KERNEL_SET) };
    if result == 0 { Ok(before) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use rustix::thread::gettid;

    use super::*;
    use crate::sched::block_signals;

    static CALLS: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn a_thread_that_blocks_every_signal_acts_and_the_old_action_is_back_afterwards() {
        let before = exchange(SIGNAL, None).unwrap();
        let (say, hear) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            block_signals();
            say.send(gettid()).unwrap();
            let _ = released.recv();
        });
        let tid = hear.recv().unwrap();
        with_signal(
            || {
                CALLS.fetch_add(1, Ordering::AcqRel);
            },
            |send| {
                send(tid);
                let started = Instant::now();
                while CALLS.load(Ordering::Acquire) == 0 && started.elapsed() < Duration::from_secs(20) {
                    std::thread::yield_now();
                }
                Ok::<_, ()>(())
            },
        )
        .unwrap()
        .unwrap();
        assert_eq!(CALLS.load(Ordering::Acquire), 1);
        drop(release);
        thread.join().unwrap();
        let after = exchange(SIGNAL, None).unwrap();
        assert_eq!((after.handler, after.flags), (before.handler, before.flags));
        let spare = exchange(libc::SIGRTMAX(), None).unwrap();
        assert_ne!(spare.handler, handle as *const () as usize);
    }
}
