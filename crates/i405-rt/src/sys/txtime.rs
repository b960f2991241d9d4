//! SO_TXTIME: telling the kernel with a datagram when it is to leave.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::SockAddr;

/// The clock that launch times are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchClock {
    /// `fq`'s.
    Monotonic,
    /// `etf`'s.
    Tai,
}

/// Lets datagrams carry a launch time. This is no promise: without the right queueing discipline the kernel takes the
/// time and sends at once. Drops are reported on the error queue.
///
/// # Errors
/// `EPERM` for CLOCK_TAI without CAP_NET_ADMIN; `ENOPROTOOPT` before Linux 4.19.
pub fn enable(socket: BorrowedFd<'_>, clock: LaunchClock) -> io::Result<()> {
    let clockid = match clock {
        LaunchClock::Monotonic => libc::CLOCK_MONOTONIC,
        LaunchClock::Tai => libc::CLOCK_TAI,
    };
    let option = libc::sock_txtime { clockid, flags: libc::SOF_TXTIME_REPORT_ERRORS };
    // SAFETY: the pointer is to a live sock_txtime and the length is its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TXTIME,
            (&raw const option).cast(),
            size_of::<libc::sock_txtime>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for one control message with eight bytes, aligned as its header.
#[repr(align(8))]
struct ControlBuffer([u8; 32]);

/// Bytes of the control message, padding counted.
// SAFETY: arithmetic only.
const CONTROL_LENGTH: usize = unsafe { libc::CMSG_SPACE(size_of::<u64>() as libc::c_uint) } as usize;
const _: () = assert!(CONTROL_LENGTH <= size_of::<ControlBuffer>());

/// Writes the control message that carries a launch time.
fn write_launch(control: &mut ControlBuffer, launch_ns: u64) {
    // SAFETY: msghdr is plain data for which all zeros is valid.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_LENGTH as _;
    // SAFETY: the buffer is aligned for a header and, as asserted above, long enough for it and eight bytes of data,
    // so the header is not null and both writes stay inside; the data need not be aligned.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_TXTIME;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<u64>() as libc::c_uint) as _;
        libc::CMSG_DATA(header).cast::<u64>().write_unaligned(launch_ns);
    }
}

/// Sends one datagram with a launch time in nanoseconds of the clock given to [`enable`]. Never blocks on a
/// non-blocking socket.
///
/// # Errors
/// What the kernel says; `EINVAL` without [`enable`].
#[inline]
pub fn send_at(socket: BorrowedFd<'_>, datagram: &[u8], to: &SockAddr, launch_ns: u64) -> io::Result<usize> {
    let mut control = ControlBuffer([0; 32]);
    write_launch(&mut control, launch_ns);
    let mut vector = libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() };
    // SAFETY: as above.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_name = to.as_ptr().cast_mut().cast();
    message.msg_namelen = to.len();
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_LENGTH as _;
    // SAFETY: every pointer in `message` is to a live object of the length given beside it, and sendmsg writes to none.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn the_control_message_is_header_and_time() {
        let mut control = ControlBuffer([0xff; 32]);
        write_launch(&mut control, 0x0102_0304_0506_0708);
        let mut expected = Vec::new();
        expected.extend(24usize.to_ne_bytes());
        expected.extend(libc::SOL_SOCKET.to_ne_bytes());
        expected.extend(61i32.to_ne_bytes());
        expected.extend(0x0102_0304_0506_0708u64.to_ne_bytes());
        assert_eq!((&control.0[..24], CONTROL_LENGTH), (&expected[..], 24));
    }

    #[test]
    fn the_bytes_arrive_and_without_the_option_the_kernel_refuses() {
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = SockAddr::from(to.local_addr().unwrap());
        let now_ns = crate::clock::monotonic_ns();
        let refused = send_at(from.as_fd(), b"slot", &address, now_ns).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
        enable(from.as_fd(), LaunchClock::Monotonic).unwrap();
        // An hour ahead: loopback has no queueing discipline that would wait, which is why nobody may trust the option.
        assert_eq!(send_at(from.as_fd(), b"slot", &address, now_ns + 3_600_000_000_000).unwrap(), 4);
        let mut buffer = [0; 16];
        to.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        assert_eq!(to.recv(&mut buffer).unwrap(), 4);
        assert_eq!(&buffer[..4], b"slot");
    }
}
