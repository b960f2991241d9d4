//! When the kernel handed a datagram to the network card's driver.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::socket::set_option;

/// Software stamps as a datagram leaves, counted from 0 in the order of sending, without the datagram itself
/// (Documentation/networking/timestamping.rst).
const FLAGS: u32 = libc::SOF_TIMESTAMPING_TX_SOFTWARE
    | libc::SOF_TIMESTAMPING_SOFTWARE
    | libc::SOF_TIMESTAMPING_OPT_ID
    | libc::SOF_TIMESTAMPING_OPT_TSONLY;

/// One datagram's stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitStamp {
    /// Which datagram of the socket, from 0.
    pub index: u32,
    /// CLOCK_REALTIME, nanoseconds.
    pub realtime_ns: u64,
}

#[repr(align(8))]
struct ControlBuffer([u8; 256]);

/// Asks for a stamp of every datagram that the socket sends from here on.
///
/// # Errors
/// What the kernel says.
pub fn enable(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, FLAGS as i32)
}

/// The next message of the socket's error queue: a stamp, or `Ok(None)` for one that is something else.
///
/// # Errors
/// `EAGAIN` if the queue is empty.
pub fn next(socket: BorrowedFd<'_>) -> io::Result<Option<TransmitStamp>> {
    let mut control = ControlBuffer([0; 256]);
    // SAFETY: msghdr is plain data for which all zeros is valid.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: the only pointer in `message` is to a live buffer of the length given beside it.
    if unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let (mut realtime_ns, mut index) = (None, None);
    // SAFETY: `message` came back from recvmsg, so its control fields describe a valid buffer.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return pointers to whole headers inside the control buffer, or null.
        let (level, kind, data) = unsafe { ((*header).cmsg_level, (*header).cmsg_type, libc::CMSG_DATA(header)) };
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => {
                // SAFETY: this kind carries three timespecs, the software stamp first; the data need not be aligned.
                let time = unsafe { data.cast::<libc::timespec>().read_unaligned() };
                realtime_ns = Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64);
            }
            (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR) => {
                // SAFETY: this kind carries a sock_extended_err; the data need not be aligned.
                let error = unsafe { data.cast::<libc::sock_extended_err>().read_unaligned() };
                if error.ee_origin == libc::SO_EE_ORIGIN_TIMESTAMPING {
                    index = Some(error.ee_data);
                }
            }
            _ => {}
        }
        // SAFETY: as for CMSG_FIRSTHDR.
        header = unsafe { libc::CMSG_NXTHDR(&raw const message, header) };
    }
    Ok(index.zip(realtime_ns).map(|(index, realtime_ns)| TransmitStamp { index, realtime_ns }))
}
