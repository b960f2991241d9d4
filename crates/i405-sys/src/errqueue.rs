//! Transmit timestamps (SO_TIMESTAMPING) and what else the kernel reports of sends: the socket's error queue.
//!
//! Linux's Documentation/networking/timestamping.rst is the reference. SO_TIMESTAMPNS, which gives receive times, is a
//! flag of its own and stays as it is. With both, a report may carry a made-up SCM_TIMESTAMPNS, so only
//! SCM_TIMESTAMPING is read here. IP_RECVERR stays off, so that no ICMP error of a stranger comes this way.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::control_message::{holds, nanoseconds};
use crate::option::set_option;

/// linux/errqueue.h; `libc` lacks these two.
const SO_EE_ORIGIN_TXTIME: u8 = 6;
const SO_EE_CODE_TXTIME_INVALID_PARAM: u8 = 1;

/// Which timestamps to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamps {
    /// Taken by the kernel as the driver gets the datagram, CLOCK_REALTIME.
    Software,
    /// Taken by the network card, on its own clock.
    Hardware,
}

/// One message of the error queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// A datagram left.
    Departed {
        /// Counts the socket's datagrams from 0, wrapping.
        id: u32,
        /// When, nanoseconds of the clock that was asked for.
        at_ns: u64,
    },
    /// A datagram was dropped because its launch time had passed.
    LaunchMissed,
    /// A datagram was dropped because its launch time was not acceptable.
    LaunchInvalid,
    /// Something else.
    Other,
}

/// Asks for a timestamp of every datagram sent from now on; ids begin at 0.
///
/// # Errors
/// What the kernel says.
pub fn enable(socket: BorrowedFd<'_>, timestamps: Timestamps) -> io::Result<()> {
    let kind = match timestamps {
        Timestamps::Software => libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE,
        Timestamps::Hardware => libc::SOF_TIMESTAMPING_TX_HARDWARE | libc::SOF_TIMESTAMPING_RAW_HARDWARE,
    };
    // TSONLY: the report comes without the datagram's bytes, which nobody here wants.
    let flags = kind | libc::SOF_TIMESTAMPING_OPT_ID | libc::SOF_TIMESTAMPING_OPT_TSONLY;
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, flags as i32)
}

#[repr(align(8))]
struct ControlBuffer([u8; 256]);

/// Takes one message off the error queue without blocking.
///
/// # Errors
/// `EAGAIN` if there is none.
pub fn read(socket: BorrowedFd<'_>) -> io::Result<Report> {
    let mut control = ControlBuffer([0; 256]);
    // SAFETY: msghdr is plain data for which all zeros is valid; no name and no payload are asked for.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the only pointer in `message` is to `control`, which is of the length given and outlives the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    if length < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(report(&message))
}

/// The two parts of a timestamp's report come as two control messages.
pub(crate) fn report(message: &libc::msghdr) -> Report {
    let mut at_ns = None;
    let mut error = None;
    // SAFETY: `message` came back from recvmsg, so its control fields describe a valid buffer.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return pointers to whole headers inside the control buffer, or null.
        let (level, kind, length) = unsafe { ((*header).cmsg_level, (*header).cmsg_type, (*header).cmsg_len as usize) };
        // SAFETY: the data of a control message lies behind its header.
        let data = unsafe { libc::CMSG_DATA(header) };
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) if holds::<[libc::timespec; 3]>(length) => {
                // SAFETY: the message is long enough, any bytes are valid timespecs, and nothing is said of alignment.
                let times = unsafe { data.cast::<[libc::timespec; 3]>().read_unaligned() };
                at_ns = timestamp(&times);
            }
            (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR)
                if holds::<libc::sock_extended_err>(length) =>
            {
                // SAFETY: as above, with a struct of integers.
                error = Some(unsafe { data.cast::<libc::sock_extended_err>().read_unaligned() });
            }
            _ => {}
        }
        // SAFETY: as for CMSG_FIRSTHDR.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    match (error, at_ns) {
        (Some(error), Some(at_ns)) if error.ee_origin == libc::SO_EE_ORIGIN_TIMESTAMPING => {
            Report::Departed { id: error.ee_data, at_ns }
        }
        (Some(error), _) if error.ee_origin == SO_EE_ORIGIN_TXTIME => {
            if error.ee_code == SO_EE_CODE_TXTIME_INVALID_PARAM { Report::LaunchInvalid } else { Report::LaunchMissed }
        }
        _ => Report::Other,
    }
}

/// The first is the kernel's, the last the card's; one of the two was asked for, the other is zero.
fn timestamp(times: &[libc::timespec; 3]) -> Option<u64> {
    [nanoseconds(&times[2]), nanoseconds(&times[0])].into_iter().find(|&at_ns| at_ns != 0)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    fn realtime_ns() -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    }

    /// A timestamp over loopback is queued before the call that sent returns.
    #[test]
    fn every_datagram_over_loopback_is_reported_once_with_its_number() {
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        for from in [UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("[::]:0").unwrap()] {
            let (socket, mut address) = (from.as_fd(), to.local_addr().unwrap());
            if from.local_addr().unwrap().is_ipv6() {
                address = format!("[::ffff:127.0.0.1]:{}", address.port()).parse().unwrap();
            }
            set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1).unwrap();
            from.send_to(b"before", address).unwrap();
            assert_eq!(read(socket).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            enable(socket, Timestamps::Software).unwrap();
            let mut last_ns = realtime_ns();
            for number in 0..5 {
                from.send_to(b"slot", address).unwrap();
                let Report::Departed { id, at_ns } = read(socket).unwrap() else { panic!("no timestamp") };
                assert_eq!(id, number);
                assert!(at_ns >= last_ns && at_ns <= realtime_ns());
                last_ns = at_ns;
            }
            assert_eq!(read(socket).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    }
}
