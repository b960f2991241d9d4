//! File descriptors handed in from outside.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;

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

/// Puts another open file behind a descriptor's number, at one instant: whoever uses the number finds either the old
/// file or the new one.
///
/// # Errors
/// What the kernel says; then nothing changed.
pub fn replace(target: BorrowedFd<'_>, with: &OwnedFd) -> io::Result<()> {
    // SAFETY: both numbers are open for the length of the call, and `target` stays open and its owner's.
    if unsafe { libc::dup3(with.as_raw_fd(), target.as_raw_fd(), libc::O_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The flags (`IFF_TUN` and others) that a TUN or TAP descriptor was set up with.
///
/// # Errors
/// `ENOTTY` and others for any other descriptor, `EBADFD` for one without an interface.
pub fn tun_flags(fd: &OwnedFd) -> io::Result<i32> {
    let request = tun_request(fd)?;
    // SAFETY: TUNGETIFF writes the flags, and any bits make a valid short.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok(i32::from(flags))
}

/// The number of a TUN descriptor's interface. An interface that was made elsewhere (not `ours`) may be in another
/// network namespace, where its name says nothing here. None also where that can't be told.
pub fn tun_index(fd: &OwnedFd, ours: bool) -> Option<u32> {
    let request = tun_request(fd).ok()?;
    if !ours && !is_in_this_namespace(fd) {
        return None;
    }
    // SAFETY: TUNGETIFF writes a name that ends with a zero within IFNAMSIZ bytes.
    let index = unsafe { libc::if_nametoindex(request.ifr_name.as_ptr()) };
    (index != 0).then_some(index)
}

/// linux/if_tun.h; libc doesn't name it. _IO('T', 227).
const TUNGETDEVNETNS: libc::Ioctl = 0x54e3;

/// Needs CAP_NET_ADMIN in the device's namespace.
fn is_in_this_namespace(fd: &OwnedFd) -> bool {
    // SAFETY: the command takes no argument and returns a descriptor or an error.
    let namespace = unsafe { libc::ioctl(fd.as_raw_fd(), TUNGETDEVNETNS, 0) };
    if namespace < 0 {
        return false;
    }
    // SAFETY: the kernel has just opened it for us, and nobody else closes it.
    let namespace = unsafe { OwnedFd::from_raw_fd(namespace) };
    let of = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let theirs = File::from(namespace).metadata().ok().map(of);
    theirs.is_some() && theirs == fs::metadata("/proc/thread-self/ns/net").ok().map(of)
}

fn tun_request(fd: &OwnedFd) -> io::Result<libc::ifreq> {
    // SAFETY: plain integers and a union of such, for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // SAFETY: TUNGETIFF fills one ifreq, which outlives the call. Whatever else the descriptor is does not know the
    // number, which is of TUN's own range.
    if unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNGETIFF, &mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(request)
}
