//! IPv4 packets with a header of one's own, many a call: whatever source address one likes.

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};

/// Packets handed over in one call.
pub const BATCH: usize = 64;

/// Room for what the interface has not taken yet: 4 MiB.
const SEND_BUFFER_BYTES: usize = 4 << 20;

/// A raw socket; needs CAP_NET_RAW.
pub struct RawSocket {
    fd: OwnedFd,
}

impl RawSocket {
    /// Packets go where their headers say, by the routes of this namespace. The kernel fills in the header's checksum.
    pub fn open() -> io::Result<Self> {
        let raw = Protocol::from(libc::IPPROTO_RAW);
        let socket = Socket::new(Domain::IPV4, Type::RAW.cloexec(), Some(raw))?;
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        Ok(Self { fd: socket.into() })
    }

    /// Sends up to [`BATCH`] packets to the address that they all go to; how many went.
    pub fn send(&self, packets: &mut [Vec<u8>], to: SocketAddrV4) -> io::Result<usize> {
        let mut vectors: Vec<libc::iovec> = packets
            .iter_mut()
            .take(BATCH)
            .map(|packet| libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: packet.len() })
            .collect();
        let mut address = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: 0,
            sin_addr: libc::in_addr { s_addr: to.ip().to_bits().to_be() },
            sin_zero: [0; 8],
        };
        let mut messages: Vec<libc::mmsghdr> = vectors
            .iter_mut()
            .map(|vector| {
                // SAFETY: mmsghdr is pointers and integers, for which zero is valid; the ones needed are set below.
                let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                message.msg_hdr.msg_name = (&raw mut address).cast();
                message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
                message.msg_hdr.msg_iov = vector;
                message.msg_hdr.msg_iovlen = 1;
                message
            })
            .collect();
        // SAFETY: every header points at buffers that outlive the call, of the lengths given beside them.
        let sent =
            unsafe { libc::sendmmsg(self.fd.as_raw_fd(), messages.as_mut_ptr(), messages.len() as libc::c_uint, 0) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
    }
}
