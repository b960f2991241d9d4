//! When the kernel handed a datagram to the network card's driver: software stamps as they leave, counted from 0 in the
//! order of sending.

use std::io;
use std::os::fd::BorrowedFd;

use crate::errqueue::{self, Report, Timestamps};

/// One datagram's stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitStamp {
    /// Which datagram of the socket, from 0.
    pub index: u32,
    /// CLOCK_REALTIME, nanoseconds.
    pub realtime_ns: u64,
}

/// Asks for a stamp of every datagram that the socket sends from here on.
///
/// # Errors
/// What the kernel says.
pub fn enable(socket: BorrowedFd<'_>) -> io::Result<()> {
    errqueue::enable(socket, Timestamps::Software)
}

/// The next message of the socket's error queue: a stamp, or `Ok(None)` for one that is something else.
///
/// # Errors
/// `EAGAIN` if the queue is empty.
pub fn next(socket: BorrowedFd<'_>) -> io::Result<Option<TransmitStamp>> {
    Ok(match errqueue::read(socket)? {
        Report::Departed { id, at_ns } => Some(TransmitStamp { index: id, realtime_ns: at_ns }),
        Report::LaunchMissed | Report::LaunchInvalid | Report::Other => None,
    })
}
