//! An AF_PACKET socket on one interface: IP packets with the kernel's time, many a call.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::option::{receive_buffer, set_option};
use super::{filter, stamped};

/// Room that the kernel may queue in: 64 MiB, over a second of 20,000 full-size packets.
const RECEIVE_BUFFER_BYTES: libc::c_int = 64 << 20;

/// Packets taken in one call.
const BATCH: usize = 64;

/// One packet as the socket gave it.
#[derive(Debug)]
pub struct Packet<'a> {
    /// Kernel time, CLOCK_REALTIME.
    pub time_ns: u64,
    /// `PACKET_HOST`, `PACKET_OUTGOING`, ...
    pub kind: u8,
    /// The checksum field holds only what offloading left there.
    pub checksum_pending: bool,
    /// From the IP header on, possibly cut short.
    pub bytes: &'a [u8],
}

/// Packets seen and lost since the last question.
#[derive(Debug, Clone, Copy, Default)]
pub struct Statistics {
    /// Passed the filter, lost ones included.
    pub seen: u32,
    /// Did not fit into the receive buffer.
    pub dropped: u32,
}

/// The socket and its buffers.
pub struct PacketSocket {
    fd: OwnedFd,
    slot_bytes: usize,
    storage: Vec<u8>,
    controls: Vec<stamped::Control>,
    sources: Vec<libc::sockaddr_ll>,
    lengths: Vec<(usize, u64, bool)>,
}

impl PacketSocket {
    /// Opens a socket that sees both directions of `interface`, UDP of `port` only if one is given.
    pub fn open(interface: &str, port: Option<u16>, snap_bytes: usize) -> io::Result<Self> {
        // SAFETY: a plain call without pointers. Protocol 0 keeps it deaf until filter and interface are set.
        let raw = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `raw` is a fresh descriptor that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let on: libc::c_int = 1;
        receive_buffer(raw, RECEIVE_BUFFER_BYTES)?;
        set_option(raw, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &on)?;
        set_option(raw, libc::SOL_PACKET, libc::PACKET_AUXDATA, &on)?;
        filter::attach(fd.as_fd(), port)?;
        bind(&fd, interface)?;
        let slot_bytes = snap_bytes.max(64);
        // SAFETY: sockaddr_ll is plain integers, for which zero is valid.
        let source: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        Ok(Self {
            fd,
            slot_bytes,
            storage: vec![0; slot_bytes * BATCH],
            controls: vec![stamped::Control::default(); BATCH],
            sources: vec![source; BATCH],
            lengths: Vec::with_capacity(BATCH),
        })
    }

    /// Sees only what comes in from now on: what this machine sends in a flood costs the capture nothing.
    pub fn ignore_outgoing(&self) -> io::Result<()> {
        let on: libc::c_int = 1;
        set_option(self.fd.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &on)
    }

    /// Takes what is queued, at most one batch, without waiting. Returns how many there were.
    pub fn receive(&mut self, mut each: impl FnMut(Packet<'_>)) -> io::Result<usize> {
        let mut vectors: Vec<libc::iovec> = self
            .storage
            .chunks_mut(self.slot_bytes)
            .map(|slot| libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = (0..BATCH)
            .map(|index| {
                // SAFETY: mmsghdr is pointers and integers, for which zero is valid; the ones needed are set below.
                let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                message.msg_hdr.msg_name = std::ptr::from_mut(&mut self.sources[index]).cast();
                message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
                message.msg_hdr.msg_iov = &mut vectors[index];
                message.msg_hdr.msg_iovlen = 1;
                self.controls[index].attach(&mut message.msg_hdr);
                message
            })
            .collect();
        // SAFETY: every header points at buffers of `self` and of this frame that stay put until the call returns.
        let count = unsafe {
            libc::recvmmsg(
                self.fd.as_raw_fd(),
                messages.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        if count < 0 {
            return Err(io::Error::last_os_error());
        }
        self.lengths.clear();
        for message in &messages[..count as usize] {
            let facts = stamped::read_control(&message.msg_hdr);
            let length = (message.msg_len as usize).min(self.slot_bytes);
            self.lengths.push((length, facts.time_ns, facts.checksum_pending));
        }
        for (index, &(length, time_ns, checksum_pending)) in self.lengths.iter().enumerate() {
            let start = index * self.slot_bytes;
            each(Packet {
                time_ns,
                kind: self.sources[index].sll_pkttype,
                checksum_pending,
                bytes: &self.storage[start..start + length],
            });
        }
        Ok(count as usize)
    }

    /// Reads and resets the kernel's counters.
    pub fn statistics(&self) -> io::Result<Statistics> {
        let mut counters = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
        let mut length = size_of::<libc::tpacket_stats>() as libc::socklen_t;
        // SAFETY: `counters` and `length` are live and of the size that the option has.
        let outcome = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                std::ptr::from_mut(&mut counters).cast(),
                &mut length,
            )
        };
        if outcome != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Statistics { seen: counters.tp_packets, dropped: counters.tp_drops })
    }
}

fn bind(fd: &OwnedFd, interface: &str) -> io::Result<()> {
    let index = rustix::net::netdevice::name_to_index(fd, interface)
        .map_err(|error| io::Error::other(format!("interface {interface}: {error}")))?;
    // SAFETY: sockaddr_ll is plain integers, for which zero is valid.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index as i32;
    // SAFETY: `address` is a live sockaddr_ll and the length is its size.
    let outcome = unsafe {
        libc::bind(
            fd.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
