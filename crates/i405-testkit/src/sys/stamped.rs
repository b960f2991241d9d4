//! Control messages that come with a packet: the kernel's receive time, and whether a checksum is still to be made.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::option::set_option;
use crate::clock::NS_PER_S;

/// Room for the control messages of one packet, aligned as they need it.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(8))]
pub(super) struct Control {
    bytes: [u64; 16],
}

impl Control {
    /// Has `header` write its control messages here.
    pub(super) fn attach(&mut self, header: &mut libc::msghdr) {
        header.msg_control = self.bytes.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&self.bytes) as _;
    }
}

/// What the control messages said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    pub(super) time_ns: u64,
    pub(super) checksum_pending: bool,
}

/// Reads the control messages of a header that the kernel filled.
pub(super) fn read_control(header: &libc::msghdr) -> Facts {
    let mut facts = Facts::default();
    // SAFETY: the kernel filled the header, so the control messages lie within msg_control and msg_controllen, which
    // CMSG_FIRSTHDR and CMSG_NXTHDR respect.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !message.is_null() {
        // SAFETY: not null, so it points at a whole cmsghdr.
        let (level, kind) = unsafe { ((*message).cmsg_level, (*message).cmsg_type) };
        // SAFETY: the data of a control message lies right behind its header.
        let data = unsafe { libc::CMSG_DATA(message) };
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS {
            // SAFETY: this kind carries a timespec; unaligned reading makes no demand on its place.
            let time = unsafe { data.cast::<libc::timespec>().read_unaligned() };
            facts.time_ns = time.tv_sec as u64 * NS_PER_S + time.tv_nsec as u64;
        } else if level == libc::SOL_PACKET && kind == libc::PACKET_AUXDATA {
            // SAFETY: this kind carries a tpacket_auxdata.
            let auxiliary = unsafe { data.cast::<libc::tpacket_auxdata>().read_unaligned() };
            facts.checksum_pending = auxiliary.tp_status & libc::TP_STATUS_CSUMNOTREADY != 0;
        }
        // SAFETY: as for CMSG_FIRSTHDR above.
        message = unsafe { libc::CMSG_NXTHDR(header, message) };
    }
    facts
}

/// Asks for receive times on a socket that [`receive`] then reads.
pub fn enable(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    set_option(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &on)
}

/// Receives one datagram without waiting: its length and the kernel's CLOCK_REALTIME of its arrival.
pub fn receive(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, u64)> {
    let mut control = Control::default();
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: msghdr is pointers and integers, for which zero is valid; the ones needed are set below.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &mut vector;
    header.msg_iovlen = 1;
    control.attach(&mut header);
    // SAFETY: the header points at `buffer`, `vector` and `control`, all alive until the call returns.
    let length = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &mut header, libc::MSG_DONTWAIT) };
    if length < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((length as usize, read_control(&header).time_ns))
}
