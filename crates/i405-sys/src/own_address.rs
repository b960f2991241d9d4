//! Which of our own addresses a datagram came to, and which one an answer leaves from (ip(7) and ipv6(7), PKTINFO).
//!
//! A socket that is bound to all addresses answers from whichever the kernel prefers, and a client that wrote to
//! another one doesn't hear the answer. So the kernel is asked which address it was, and told to answer from there.

use std::io;
use std::mem::{MaybeUninit, size_of};
#[cfg(feature = "simulation")]
use std::net::SocketAddr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::SockAddr;

use crate::control_message::holds;
use crate::option::set_option;

/// Has the kernel say of each datagram which address it came to.
///
/// # Errors
/// What the kernel says.
pub fn tell(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        // For IPv4 on a socket of both families as well: the address is then a mapped one.
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

/// The address that a received datagram came to.
pub(crate) fn of(message: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: `message` came back from recvmsg, so its control fields describe a valid buffer.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return pointers to whole headers inside the control buffer, or null.
        let (level, kind, length) = unsafe { ((*header).cmsg_level, (*header).cmsg_type, (*header).cmsg_len as usize) };
        if level == libc::IPPROTO_IPV6 && kind == libc::IPV6_PKTINFO && holds::<libc::in6_pktinfo>(length) {
            // SAFETY: it is long enough; read_unaligned because the data need not be aligned for it.
            let info = unsafe { libc::CMSG_DATA(header).cast::<libc::in6_pktinfo>().read_unaligned() };
            return Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)).to_canonical());
        }
        if level == libc::IPPROTO_IP && kind == libc::IP_PKTINFO && holds::<libc::in_pktinfo>(length) {
            // SAFETY: as above.
            let info = unsafe { libc::CMSG_DATA(header).cast::<libc::in_pktinfo>().read_unaligned() };
            // Not the header's destination, which may be a broadcast address.
            return Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr))));
        }
        // SAFETY: as for CMSG_FIRSTHDR.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

/// Bytes of the control message for each family, padding counted.
// SAFETY: arithmetic only.
const V4_LENGTH: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as libc::c_uint) } as usize;
// SAFETY: arithmetic only.
const V6_LENGTH: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::in6_pktinfo>() as libc::c_uint) } as usize;
/// Room for one of them and for a launch time.
pub(crate) const CONTROL_ROOM: usize = 64;
const _: () = assert!(V4_LENGTH <= V6_LENGTH && V6_LENGTH + 24 <= CONTROL_ROOM);

/// Where datagrams go, in the kernel's terms: made once, used for many.
#[derive(Clone)]
pub struct Destination {
    address: SockAddr,
    control: Control,
}

/// Control messages, aligned as their headers.
#[derive(Clone, Copy)]
#[repr(align(8))]
pub(crate) struct Control {
    pub(crate) bytes: [u8; CONTROL_ROOM],
    pub(crate) length: usize,
}

impl Destination {
    /// `address` in the form that the socket takes; `local`: the own address to send from.
    pub fn new(address: SockAddr, local: Option<IpAddr>, ipv6: bool) -> Self {
        let mut control = Control { bytes: [0; CONTROL_ROOM], length: 0 };
        match local {
            None => {}
            Some(local) if ipv6 => {
                let local = match local {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                    IpAddr::V6(v6) => v6,
                };
                let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: local.octets() }, ipi6_ifindex: 0 };
                control.write(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
            Some(IpAddr::V4(local)) => {
                let own = libc::in_addr { s_addr: u32::from(local).to_be() };
                let info =
                    libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: own, ipi_addr: libc::in_addr { s_addr: 0 } };
                control.write(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            // Not on a socket of IPv4 alone.
            Some(IpAddr::V6(_)) => {}
        }
        Self { address, control }
    }

    /// The peer's address and port.
    #[cfg(feature = "simulation")]
    pub fn as_socket(&self) -> Option<SocketAddr> {
        self.address.as_socket()
    }

    pub(crate) fn control(&self) -> Control {
        self.control
    }
}

impl Control {
    /// Adds a control message. There has to be room for it.
    pub(crate) fn write<T: Copy>(&mut self, level: i32, kind: i32, data: T) {
        // SAFETY: arithmetic only.
        let (space, length) = unsafe {
            let size = size_of::<T>() as libc::c_uint;
            (libc::CMSG_SPACE(size) as usize, libc::CMSG_LEN(size) as usize)
        };
        assert!(self.length + space <= CONTROL_ROOM, "no room for a control message");
        // SAFETY: as asserted, header and data end within the buffer. It is aligned for headers, and messages before this
        // one took a multiple of that alignment; the data need not be aligned.
        unsafe {
            let header = self.bytes.as_mut_ptr().add(self.length).cast::<libc::cmsghdr>();
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            (*header).cmsg_len = length as _;
            libc::CMSG_DATA(header).cast::<T>().write_unaligned(data);
        }
        self.length += space;
    }
}

/// Sends one datagram. Never blocks on a non-blocking socket.
///
/// # Errors
/// What the kernel says.
#[inline]
pub fn send(socket: BorrowedFd<'_>, datagram: &[u8], to: &Destination, flags: i32) -> io::Result<usize> {
    // The same for every slot of a schedule: the socket is bound to one address or to all.
    if to.control.length > 0 {
        return send_with(socket, datagram, to, &to.control, flags);
    }
    let (data, address) = (datagram.as_ptr().cast(), to.address.as_ptr());
    // SAFETY: the buffer is a live slice, and a SockAddr points at an address of the length that it gives.
    let sent =
        unsafe { libc::sendto(socket.as_raw_fd(), data, datagram.len(), flags, address.cast(), to.address.len()) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
}

/// Sends one datagram with these control messages.
#[inline]
pub(crate) fn send_with(
    socket: BorrowedFd<'_>,
    datagram: &[u8],
    to: &Destination,
    control: &Control,
    flags: i32,
) -> io::Result<usize> {
    let mut vector = libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() };
    // SAFETY: msghdr is plain data for which all zeros is valid.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_name = to.address.as_ptr().cast_mut().cast();
    message.msg_namelen = to.address.len();
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.as_ptr().cast_mut().cast();
    message.msg_controllen = control.length as _;
    // SAFETY: every pointer in `message` is to a live object of the length given beside it, and sendmsg writes to none.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
}
