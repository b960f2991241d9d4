//! The system call that every dispatcher makes at a deadline.

use crate::platform::socket::OuterSocket;
use i405_sys::own_address::Destination;

/// Sends a slot's bytes. This is the only system call between a deadline and the wire. `launch_ns`: when the kernel is
/// to send them, where it is told that. Returns the kernel's refusal, 0 for none.
#[inline]
pub fn transmit(socket: &OuterSocket, datagram: &[u8], to: &Destination, launch_ns: Option<u64>) -> i32 {
    // Which of the two is the configuration's, the same for every slot of a schedule.
    let sent = match launch_ns {
        None => socket.send(datagram, to),
        Some(launch_ns) => socket.send_at(datagram, to, launch_ns),
    };
    match sent {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
    }
}
