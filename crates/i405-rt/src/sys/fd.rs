//! File descriptors handed in from outside.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

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

/// The flags (`IFF_TUN` and others) that a TUN or TAP descriptor was set up with.
///
/// # Errors
/// `ENOTTY` and others for any other descriptor, `EBADFD` for one without an interface.
pub fn tun_flags(fd: &OwnedFd) -> io::Result<i32> {
    // SAFETY: plain integers and a union of such, for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // SAFETY: TUNGETIFF fills one ifreq, which outlives the call. Whatever else the descriptor is does not know the
    // number, which is of TUN's own range.
    if unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNGETIFF, &mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: TUNGETIFF writes the flags, and any bits make a valid short.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok(i32::from(flags))
}
