//! ICMP echo requests of a given size at random times, over IPv4 or IPv6.
//!
//! `icmp-ping --to 10.140.5.1 [--length 84] [--count 100] [--mean-ms 20] [--timeout-ms 2000] [--seed N] [--list]`
//!
//! `length` counts the whole IP packet, 28 (IPv6: 48) to 65,535. Several lengths take turns. Needs CAP_NET_RAW.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;

use i405_testkit::args::{Args, Failure};
use i405_testkit::endpoint::headers;
use i405_testkit::ip::checksum;
use i405_testkit::pattern::{self, Verdict};
use i405_testkit::pinger::{self, Answer, Plan, Transport};
use i405_testkit::program;
use i405_testkit::sys::stamped;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Bytes of an echo header (RFC 792, RFC 4443 section 4.1), the same as UDP's.
const ECHO_HEADER: usize = 8;

/// Seed of the pattern; only this process reads it back.
const SEED: u64 = 1405;

fn main() -> ExitCode {
    program::run(ping)
}

fn ping(mut args: Args) -> Result<(), Failure> {
    let to: IpAddr = args.required("to")?;
    let mut lengths: Vec<usize> = args.list("length")?;
    if lengths.is_empty() {
        lengths.push(84);
    }
    let plan = Plan::from_args(&mut args)?;
    args.finish()?;
    let address = SocketAddr::new(to, 0);
    let smallest = headers(&address);
    if let Some(length) = lengths.iter().find(|&&length| !(smallest..=65_535).contains(&length)) {
        return Err(format!("--length {length}: {smallest} to 65535 are possible").into());
    }
    pinger::run(Echo::open(address, lengths)?, plan)
}

struct Echo {
    socket: Socket,
    v4: bool,
    identifier: u16,
    lengths: Vec<usize>,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
}

impl Echo {
    fn open(address: SocketAddr, lengths: Vec<usize>) -> io::Result<Self> {
        let v4 = address.is_ipv4();
        let protocol = if v4 { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
        let socket = Socket::new(Domain::for_address(address), Type::RAW, Some(protocol))?;
        stamped::enable(socket.as_fd())?;
        socket.set_recv_buffer_size(1 << 20)?;
        socket.set_send_buffer_size(1 << 20)?;
        socket.connect(&SockAddr::from(address))?;
        Ok(Self {
            socket,
            v4,
            identifier: std::process::id() as u16,
            lengths,
            buffer: vec![0; 65_536],
            scratch: Vec::new(),
        })
    }
}

impl Transport for Echo {
    fn send(&mut self, number: u32) -> io::Result<()> {
        let ip_header = if self.v4 { 20 } else { 40 };
        let length = self.lengths[number as usize % self.lengths.len()] - ip_header;
        let mut message = vec![0; length];
        message[0] = if self.v4 { 8 } else { 128 };
        message[4..6].copy_from_slice(&self.identifier.to_be_bytes());
        message[6..8].copy_from_slice(&(number as u16).to_be_bytes());
        pattern::fill(SEED, number, &mut message[ECHO_HEADER..]);
        if self.v4 {
            // The kernel makes ICMPv6's itself, because that one covers addresses.
            let sum = checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        self.socket.send(&message).map(|_| ())
    }

    fn receive(&mut self) -> io::Result<Answer> {
        let (length, time_ns) = stamped::receive(&self.socket, &mut self.buffer)?;
        // A raw IPv4 socket gives the IP header too, an IPv6 one does not.
        let skip = if self.v4 { usize::from(self.buffer[0] & 0xf) * 4 } else { 0 };
        let reply = if self.v4 { 0 } else { 129 };
        let message = &self.buffer[skip.min(length)..length];
        if message.len() < ECHO_HEADER || message[0] != reply || message[4..6] != self.identifier.to_be_bytes() {
            return Ok(Answer::Unrelated);
        }
        let number = u32::from(u16::from_be_bytes([message[6], message[7]]));
        let body = &message[ECHO_HEADER..];
        let expected = self.lengths[number as usize % self.lengths.len()] - if self.v4 { 20 } else { 40 };
        let intact = match pattern::check(SEED, body, &mut self.scratch) {
            Verdict::Intact(inside) => inside == number,
            Verdict::Tiny => true,
            Verdict::Corrupt => false,
        };
        if intact && message.len() == expected { Ok(Answer::To(number, time_ns)) } else { Ok(Answer::Corrupt) }
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
