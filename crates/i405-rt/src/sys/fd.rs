//! File descriptors handed in from outside.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// A duplicate of a descriptor that somebody else owns and goes on owning.
///
/// # Errors
/// `EBADF` if `fd` is not open.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the borrow lives for this call only, which makes the kernel look the number up once; a number that is
    // not open yields EBADF.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    borrowed.try_clone_to_owned()
}

/// Takes a descriptor over from a value that gave it up.
pub fn own(value: impl IntoRawFd) -> OwnedFd {
    // SAFETY: IntoRawFd hands over an open descriptor that nobody else closes.
    unsafe { OwnedFd::from_raw_fd(value.into_raw_fd()) }
}
