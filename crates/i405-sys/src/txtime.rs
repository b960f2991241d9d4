//! SO_TXTIME: telling the kernel with a datagram when it is to leave.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::own_address::{self, Destination};

/// The clock that launch times are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchClock {
    /// `fq`'s.
    Monotonic,
    /// `etf`'s.
    Tai,
}

/// Lets datagrams carry a launch time. This is no promise: without the right queueing discipline the kernel takes the
/// time and sends at once. The error queue tells of datagrams that were dropped for their launch time.
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

/// Sends one datagram with a launch time in nanoseconds of the clock given to [`enable`]. Never blocks on a
/// non-blocking socket.
///
/// # Errors
/// What the kernel says; `EINVAL` without [`enable`].
#[inline]
pub fn send_at(socket: BorrowedFd<'_>, datagram: &[u8], to: &Destination, launch_ns: u64) -> io::Result<usize> {
    let mut control = to.control();
    control.write(libc::SOL_SOCKET, libc::SCM_TXTIME, launch_ns);
    own_address::send_with(socket, datagram, to, &control, 0)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use socket2::SockAddr;

    use super::*;

    #[test]
    fn the_control_message_is_header_and_time() {
        let to = Destination::new(SockAddr::from("127.0.0.1:9".parse::<std::net::SocketAddr>().unwrap()), None, false);
        let mut control = to.control();
        control.write(libc::SOL_SOCKET, libc::SCM_TXTIME, 0x0102_0304_0506_0708u64);
        let mut expected = Vec::new();
        expected.extend(24usize.to_ne_bytes());
        expected.extend(libc::SOL_SOCKET.to_ne_bytes());
        expected.extend(61i32.to_ne_bytes());
        expected.extend(0x0102_0304_0506_0708u64.to_ne_bytes());
        assert_eq!((&control.bytes[..24], control.length), (&expected[..], 24));
    }

    #[test]
    fn the_bytes_arrive_and_without_the_option_the_kernel_refuses() {
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = Destination::new(SockAddr::from(to.local_addr().unwrap()), None, false);
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now_ns = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
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
