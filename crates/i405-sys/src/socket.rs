//! Socket options and the receive call that `socket2` and `rustix` do not cover.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::control_message::{holds, nanoseconds};
use crate::own_address::{self, Destination};

/// `include/linux/socket.h`; libc doesn't name it.
const MSG_PROBE: i32 = 0x10;

/// Goes the way of a send as far as the route, and sends nothing. What it touches is in the caches afterwards.
///
/// It doesn't use MSG_CONFIRM, which tells the kernel that the next hop takes what we send. That is never known here: a
/// peer that is heard proves the way in, and our datagrams are no answers that prove the way out. The kernel would go
/// on believing in a hop whose address has changed.
pub fn probe(socket: BorrowedFd<'_>, to: &Destination) {
    let _ = own_address::send(socket, &[], to, MSG_PROBE | libc::MSG_DONTWAIT);
}

/// One received datagram.
pub struct Received {
    /// Bytes that were written to the buffer.
    pub length: usize,
    /// Where it came from.
    pub source: SocketAddr,
    /// Which of our addresses it was sent to; None if the kernel was not asked ([`crate::own_address::tell`]).
    pub local: Option<IpAddr>,
    /// When the kernel received it, nanoseconds of CLOCK_REALTIME; None if it did not say.
    pub kernel_realtime_ns: Option<u64>,
}

#[repr(align(8))]
struct ControlBuffer([u8; 128]);

/// Receives one datagram without blocking, with its kernel timestamp (SO_TIMESTAMPNS).
///
/// # Errors
/// `EAGAIN` if there is none; otherwise what the kernel says.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut control = ControlBuffer([0; 128]);
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: msghdr is plain data for which all zeros is valid.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_name = name.as_mut_ptr().cast();
    message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: every pointer in `message` is to a live object of the length given beside it.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    if length < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed at first, and filled by the kernel up to msg_namelen; any bytes are a valid sockaddr_storage.
    let name = unsafe { name.assume_init() };
    let (kernel_realtime_ns, local) = (timestamp(&message), own_address::of(&message));
    Ok(Received { length: length as usize, source: socket_address(&name)?, local, kernel_realtime_ns })
}

fn socket_address(name: &libc::sockaddr_storage) -> io::Result<SocketAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: sockaddr_storage is large and aligned enough for every address, and the family says which it is.
            let v4 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let address = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Ok(SocketAddr::from((address, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let address = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            // A dual-stack socket names IPv4 peers as ::ffff:a.b.c.d; everywhere else they are IPv4 addresses.
            Ok(match address.to_ipv4_mapped() {
                Some(v4) => SocketAddr::from((v4, port)),
                None => SocketAddr::V6(std::net::SocketAddrV6::new(address, port, 0, v6.sin6_scope_id)),
            })
        }
        family => Err(io::Error::other(format!("unexpected address family {family}"))),
    }
}

pub(crate) fn timestamp(message: &libc::msghdr) -> Option<u64> {
    // SAFETY: `message` came back from recvmsg, so its control fields describe a valid buffer.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return pointers to whole headers inside the control buffer, or null.
        let (level, kind, length) = unsafe { ((*header).cmsg_level, (*header).cmsg_type, (*header).cmsg_len as usize) };
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS && holds::<libc::timespec>(length) {
            // SAFETY: it is long enough; read_unaligned because the data need not be aligned for it.
            let time = unsafe { libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned() };
            return Some(nanoseconds(&time));
        }
        // SAFETY: as for CMSG_FIRSTHDR.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::{Duration, Instant};

    use socket2::SockAddr;

    use super::*;
    use crate::errqueue::{Timestamps, enable};
    use crate::option::set_option;

    #[test]
    fn receive_times_come_beside_transmit_timestamps() {
        let (one, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        set_option(one.as_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1).unwrap();
        enable(one.as_fd(), Timestamps::Software).unwrap();
        other.send_to(b"slot", one.local_addr().unwrap()).unwrap();
        let mut buffer = [0; 16];
        let received = receive(one.as_fd(), &mut buffer).unwrap();
        assert_eq!((received.length, received.kernel_realtime_ns.is_some()), (4, true));
    }

    fn wait_for(socket: &UdpSocket, buffer: &mut [u8]) -> Received {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match receive(socket.as_fd(), buffer) {
                Ok(received) => return received,
                Err(_) => assert!(Instant::now() < end, "nothing came"),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn an_answer_leaves_from_the_address_that_was_asked() {
        // The whole of 127.0.0.0/8 is this machine's; the kernel would answer from 127.0.0.1.
        for (bind, asked) in [("0.0.0.0:0", "127.0.0.7"), ("[::]:0", "127.0.0.7"), ("[::]:0", "::1")] {
            let Ok(server) = UdpSocket::bind(bind) else { continue };
            let ipv6 = bind.starts_with('[');
            own_address::tell(server.as_fd(), ipv6).unwrap();
            let asked: IpAddr = asked.parse().unwrap();
            let from = if asked.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
            let Ok(client) = UdpSocket::bind(from) else { continue };
            client.send_to(b"ask", (asked, server.local_addr().unwrap().port())).unwrap();
            let mut buffer = [0; 16];
            let received = wait_for(&server, &mut buffer);
            assert_eq!((received.local, received.source), (Some(asked), client.local_addr().unwrap()));
            let address = match received.source {
                SocketAddr::V4(v4) if ipv6 => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
                source => source,
            };
            let to = Destination::new(SockAddr::from(address), received.local, ipv6);
            assert_eq!(own_address::send(server.as_fd(), b"answer", &to, 0).unwrap(), 6);
            assert_eq!(wait_for(&client, &mut buffer).source.ip(), asked, "{bind}");
        }
    }
}
