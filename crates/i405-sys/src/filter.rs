//! Classic BPF on a socket: datagrams that the kernel drops before they wake anybody.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Replaces the socket's filter, in one step: no datagram slips through in between.
///
/// # Errors
/// `EINVAL` for a program that the kernel does not accept; `ENOMEM` beyond `net.core.optmem_max`.
pub fn attach(socket: BorrowedFd<'_>, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the option takes a sock_fprog, which is live and of this size, and copies the instructions, of which there
    // are as many as it says, before it returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
