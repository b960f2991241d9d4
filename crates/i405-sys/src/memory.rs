//! Keeping what timed threads touch in memory.

use std::hint::black_box;
use std::io;

/// Stack that a timed thread is given beforehand, bytes: several times what the deepest call path uses.
const STACK_RESERVE: usize = 64 * 1024;

/// Locks the pages of `bytes` into memory. Unlocked when they are unmapped.
///
/// # Errors
/// `ENOMEM` or `EPERM` beyond `RLIMIT_MEMLOCK`.
pub fn lock(bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    // SAFETY: the range is a live slice; mlock changes residency, not contents.
    let result = unsafe { libc::mlock(bytes.as_ptr().cast(), bytes.len()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Touches and locks the stack below the caller, so that a timed thread never takes a page fault on it.
///
/// # Errors
/// As [`lock`].
#[inline(never)]
pub fn reserve_stack() -> io::Result<()> {
    let mut reserve = [0u8; STACK_RESERVE];
    for page in reserve.chunks_mut(4096) {
        page[0] = black_box(1);
    }
    lock(black_box(&reserve))
}
