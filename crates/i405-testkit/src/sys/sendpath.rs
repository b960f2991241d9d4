//! The ways in which one UDP datagram can be handed to the kernel, to be compared.

use std::io;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::option::set_option;
use super::xdp::XdpSocket;

/// `include/linux/socket.h`; libc doesn't name it.
const MSG_PROBE: libc::c_int = 0x10;

/// One way.
pub enum Way {
    /// `sendto` on a socket without a peer.
    SendTo(UdpSocket, libc::sockaddr_in),
    /// `send` on a connected socket.
    Send(UdpSocket),
    /// `sendmsg` on a connected socket.
    SendMsg(UdpSocket),
    /// A ring with one entry, submitted by one call.
    IoUring(UdpSocket, Box<io_uring::IoUring>),
    /// A whole IP packet past the queueing discipline.
    Packet(OwnedFd, libc::sockaddr_ll, Vec<u8>),
    /// A whole frame from user memory, copied by the driver.
    Xdp(XdpSocket, Vec<u8>),
}

fn check(sent: isize) -> io::Result<()> {
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Where frames go: interface and link address of an IPv4 neighbour, once something was sent to it.
pub struct Neighbour {
    /// Index of the interface.
    pub index: u32,
    /// The neighbour's link address.
    pub mac: [u8; 6],
    /// The interface's own.
    pub own: [u8; 6],
}

impl Way {
    /// As `sendto`.
    pub fn send_to(socket: UdpSocket, to: SocketAddrV4) -> Self {
        Way::SendTo(socket, sockaddr(to))
    }

    /// AF_PACKET with PACKET_QDISC_BYPASS.
    pub fn packet(from: SocketAddrV4, to: SocketAddrV4, there: &Neighbour) -> io::Result<Self> {
        // SAFETY: a plain call without pointers.
        let raw = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `raw` is a fresh descriptor that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        set_option(raw, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, &1i32)?;
        // SAFETY: plain integers, for which zero is valid.
        let mut link: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        link.sll_family = libc::AF_PACKET as u16;
        link.sll_protocol = (libc::ETH_P_IP as u16).to_be();
        link.sll_ifindex = there.index as i32;
        link.sll_halen = 6;
        link.sll_addr[..6].copy_from_slice(&there.mac);
        Ok(Way::Packet(fd, link, headers(from, to)))
    }

    /// AF_XDP.
    pub fn xdp(from: SocketAddrV4, to: SocketAddrV4, there: &Neighbour) -> io::Result<Self> {
        let mut frame = [&there.mac[..], &there.own[..], &[8, 0]].concat();
        frame.extend(headers(from, to));
        Ok(Way::Xdp(XdpSocket::open(there.index)?, frame))
    }

    /// Prepares what can be prepared before the deadline: whole packets get payload and lengths.
    pub fn prepare(&mut self, payload: &[u8]) {
        let (bytes, ip) = match self {
            Way::Packet(_, _, bytes) => (bytes, 0),
            Way::Xdp(_, bytes) => (bytes, 14),
            _ => return,
        };
        bytes.truncate(ip + 28);
        bytes.extend_from_slice(payload);
        fill_lengths(&mut bytes[ip..]);
    }

    /// Runs the path and sends nothing (MSG_PROBE), where there is such a thing.
    pub fn probe(&self) {
        let flags = libc::MSG_CONFIRM | MSG_PROBE | libc::MSG_DONTWAIT;
        // SAFETY: no buffer is passed; the address, where there is one, is live and of the length given.
        unsafe {
            match self {
                Way::SendTo(socket, to) => {
                    let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
                    libc::sendto(socket.as_raw_fd(), std::ptr::null(), 0, flags, (&raw const *to).cast(), length);
                }
                Way::Send(socket) | Way::SendMsg(socket) | Way::IoUring(socket, _) => {
                    libc::send(socket.as_raw_fd(), std::ptr::null(), 0, flags);
                }
                Way::Packet(..) | Way::Xdp(..) => {}
            }
        }
    }

    /// Sends it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let (bytes, length) = (payload.as_ptr().cast::<libc::c_void>(), payload.len());
        match self {
            Way::SendTo(socket, to) => {
                let size = size_of::<libc::sockaddr_in>() as libc::socklen_t;
                // SAFETY: buffer and address are live and of the lengths given.
                check(unsafe { libc::sendto(socket.as_raw_fd(), bytes, length, 0, (&raw const *to).cast(), size) })
            }
            // SAFETY: the buffer is live and of the length given.
            Way::Send(socket) => check(unsafe { libc::send(socket.as_raw_fd(), bytes, length, 0) }),
            Way::SendMsg(socket) => {
                let mut vector = libc::iovec { iov_base: bytes.cast_mut(), iov_len: length };
                // SAFETY: msghdr is plain data for which all zeros is valid.
                let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
                message.msg_iov = &raw mut vector;
                message.msg_iovlen = 1;
                // SAFETY: the message points at one live vector, and that at the live buffer.
                check(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) })
            }
            Way::IoUring(socket, ring) => {
                let entry =
                    io_uring::opcode::Send::new(io_uring::types::Fd(socket.as_raw_fd()), bytes.cast(), length as u32);
                // SAFETY: the buffer outlives the operation, which is waited for below.
                let queued = unsafe { ring.submission().push(&entry.build()) };
                queued.map_err(|_| io::Error::other("the submission queue is full"))?;
                ring.submit_and_wait(1)?;
                let result = ring.completion().next().map_or(0, |done| done.result());
                if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(()) }
            }
            Way::Packet(fd, link, packet) => {
                let size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
                // SAFETY: buffer and address are live and of the lengths given.
                check(unsafe {
                    let address = (&raw const *link).cast();
                    libc::sendto(fd.as_raw_fd(), packet.as_ptr().cast(), packet.len(), 0, address, size)
                })
            }
            Way::Xdp(socket, frame) => socket.send(frame),
        }
    }
}

fn sockaddr(to: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*to.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

/// IPv4 and UDP headers without lengths and checksum.
fn headers(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0];
    bytes.extend(from.ip().octets());
    bytes.extend(to.ip().octets());
    bytes.extend(from.port().to_be_bytes());
    bytes.extend(to.port().to_be_bytes());
    // UDP over IPv4 may go without a checksum.
    bytes.extend([0; 4]);
    bytes
}

fn fill_lengths(packet: &mut [u8]) {
    let total = packet.len() as u16;
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    packet[24..26].copy_from_slice(&(total - 20).to_be_bytes());
    packet[10..12].fill(0);
    let sum: u32 = packet[..20].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !((folded & 0xffff) + (folded >> 16)) as u16;
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
}
