//! UDP sockets and the IP lengths of what goes through them.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::sys::option;

/// How often a blocked receiver looks whether it should stop.
pub const STOP_POLL: Duration = Duration::from_millis(100);

/// What a sink asks the kernel to queue for it, so that bursts of a test aren't lost before it runs: 8 MiB.
const RECEIVE_BUFFER_BYTES: i32 = 8 << 20;

/// IP and UDP header bytes in front of a payload.
pub fn headers(address: &SocketAddr) -> usize {
    if address.is_ipv4() { 20 + 8 } else { 40 + 8 }
}

/// The address that binds to any port of the same family.
pub fn unspecified(like: &SocketAddr) -> SocketAddr {
    if like.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() }
}

/// A bound UDP socket with a large receive buffer whose reads return every [`STOP_POLL`].
pub fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    option::receive_buffer(socket.as_raw_fd(), RECEIVE_BUFFER_BYTES)?;
    socket.set_read_timeout(Some(STOP_POLL))?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// The same, connected to a peer.
pub fn connect_udp(bind: Option<SocketAddr>, to: SocketAddr) -> io::Result<UdpSocket> {
    let socket = bind_udp(bind.unwrap_or_else(|| unspecified(&to)))?;
    socket.connect(to)?;
    Ok(socket)
}

/// Whether a failed read only means that nothing came.
pub fn is_idle(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// Whether a failed call on a connected socket is an ICMP answer to an earlier datagram.
pub fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
}
