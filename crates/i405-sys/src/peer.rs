//! What a Unix socket tells of its other end.

use std::io;
use std::mem::size_of;
use std::os::fd::RawFd;

/// Process, user and group at the other end of a Unix socket when it connected, as the kernel gives them: 0 for a
/// process of another PID namespace, and a user of -1 for a socket without another end.
///
/// rustix has it too, but as a `Pid`, which must not be 0.
///
/// # Errors
/// `ENOTSOCK`, and what the kernel says.
pub fn peer_credentials(socket: RawFd) -> io::Result<(libc::pid_t, libc::uid_t, libc::gid_t)> {
    let mut peer = libc::ucred { pid: 0, uid: libc::uid_t::MAX, gid: libc::gid_t::MAX };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: both pointers are to live variables, length is the size of the first, and any bits make a valid ucred.
    let result = unsafe {
        libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut peer).cast(), &raw mut length)
    };
    if result == 0 { Ok((peer.pid, peer.uid, peer.gid)) } else { Err(io::Error::last_os_error()) }
}
