//! The kernel-side filter of the capture: classic BPF over a packet that begins at its IP header.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Wanted bytes of a packet that passes: all of them.
const ACCEPT: u32 = 0x4_0000;

const fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// A comparison; `jt` and `jf` are how many instructions to skip.
const fn jump(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const LOAD_HALF_X: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
const LOAD_X_HEADER: u32 = libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const SHIFT_RIGHT: u32 = libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// UDP from or to a port, over IPv4 or IPv6. Later fragments pass too: a test must see them.
fn udp_port(port: u16) -> [libc::sock_filter; 22] {
    let port = u32::from(port);
    [
        statement(LOAD_BYTE, 0),
        statement(SHIFT_RIGHT, 4),
        jump(EQUAL, 4, 1, 0),
        jump(EQUAL, 6, 9, 16),
        // IPv4: protocol, fragment offset, ports behind a header of any length.
        statement(LOAD_BYTE, 9),
        jump(EQUAL, 17, 0, 14),
        statement(LOAD_HALF, 6),
        jump(ANY_BIT, 0x1fff, 13, 0),
        statement(LOAD_X_HEADER, 0),
        statement(LOAD_HALF_X, 0),
        jump(EQUAL, port, 10, 0),
        statement(LOAD_HALF_X, 2),
        jump(EQUAL, port, 8, 7),
        // IPv6: next header (a fragment header passes), ports behind the fixed header.
        statement(LOAD_BYTE, 6),
        jump(EQUAL, 44, 6, 0),
        jump(EQUAL, 17, 0, 4),
        statement(LOAD_HALF, 40),
        jump(EQUAL, port, 3, 0),
        statement(LOAD_HALF, 42),
        jump(EQUAL, port, 1, 0),
        statement(RETURN, 0),
        statement(RETURN, ACCEPT),
    ]
}

/// Every IPv4 and IPv6 packet, but no ARP.
fn any_ip() -> [libc::sock_filter; 6] {
    [
        statement(LOAD_BYTE, 0),
        statement(SHIFT_RIGHT, 4),
        jump(EQUAL, 4, 2, 0),
        jump(EQUAL, 6, 1, 0),
        statement(RETURN, 0),
        statement(RETURN, ACCEPT),
    ]
}

/// Lets only UDP of one port through, or with `None` only IP.
pub fn attach(socket: BorrowedFd<'_>, port: Option<u16>) -> io::Result<()> {
    let mut of_port;
    let mut of_ip;
    let instructions: &mut [libc::sock_filter] = match port {
        Some(port) => {
            of_port = udp_port(port);
            &mut of_port
        }
        None => {
            of_ip = any_ip();
            &mut of_ip
        }
    };
    let program = libc::sock_fprog { len: instructions.len() as u16, filter: instructions.as_mut_ptr() };
    super::option::set_option(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}
