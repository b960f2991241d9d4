//! Control messages laid out as the kernel does, for what reads them.

use std::mem::{MaybeUninit, size_of};

use crate::errqueue::{Report, report};
use crate::socket::timestamp;

/// As long as the buffers of those who receive.
const CONTROL_BYTES: usize = 256;
const ALIGNMENT: usize = size_of::<usize>();

#[repr(align(8))]
struct ControlBuffer([u8; CONTROL_BYTES]);

/// Level, type and data of a control message.
pub type Message = (i32, i32, Vec<u8>);

/// What the error queue's reader and the receiver make of these messages. What doesn't fit is cut off, and the length
/// of the last message says so, as put_cmsg of the kernel does.
pub fn told(messages: &[Message]) -> (Report, Option<u64>) {
    let mut control = ControlBuffer([0xaa; CONTROL_BYTES]);
    let mut at = 0;
    for (level, kind, data) in messages {
        let room = CONTROL_BYTES - at;
        if room < size_of::<libc::cmsghdr>() {
            break;
        }
        let length = (size_of::<libc::cmsghdr>() + data.len()).min(room);
        control.0[at..at + 8].copy_from_slice(&(length as u64).to_ne_bytes());
        control.0[at + 8..at + 12].copy_from_slice(&level.to_ne_bytes());
        control.0[at + 12..at + 16].copy_from_slice(&kind.to_ne_bytes());
        control.0[at + 16..at + length].copy_from_slice(&data[..length - 16]);
        at = (at + length.next_multiple_of(ALIGNMENT)).min(CONTROL_BYTES);
    }
    // SAFETY: msghdr is plain data for which all zeros is valid.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = at as _;
    (report(&message), timestamp(&message))
}
