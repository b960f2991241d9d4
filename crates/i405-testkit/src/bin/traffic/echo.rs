//! A UDP echo and its pinger.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use i405_testkit::args::{Args, Failure};
use i405_testkit::clock::{monotonic_ns, seconds};
use i405_testkit::endpoint::{bind_udp, connect_udp, headers, is_idle, is_refusal};
use i405_testkit::json::Line;
use i405_testkit::pattern::{self, Verdict};
use i405_testkit::pinger::{self, Answer, Plan, Transport};
use i405_testkit::program::{LONGEST_S, stopped};
use i405_testkit::sys::stamped;

/// Seed of the pattern; only the pinger reads it back.
const SEED: u64 = 1405;

/// `udp-echo`.
pub fn answer(mut args: Args) -> Result<(), Failure> {
    let listen: SocketAddr = args.required("listen")?;
    let end_ns = monotonic_ns() + seconds(args.or("seconds", LONGEST_S)?);
    args.finish()?;
    let socket = bind_udp(listen)?;
    Line::event("ready").text("local", &socket.local_addr()?.to_string()).print();
    let mut buffer = vec![0; 65_536];
    let mut answered = 0_u64;
    while !stopped() && monotonic_ns() < end_ns {
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => answered += u64::from(socket.send_to(&buffer[..length], from).is_ok()),
            Err(error) if is_idle(&error) || is_refusal(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Line::event("done").plain("answered", answered).print();
    Ok(())
}

/// `udp-ping`.
pub fn ping(mut args: Args) -> Result<(), Failure> {
    let to: SocketAddr = args.required("to")?;
    let length: usize = args.or("length", 64)?;
    let plan = Plan::from_args(&mut args)?;
    args.finish()?;
    let smallest = headers(&to) + 4;
    if !(smallest..=65_535).contains(&length) {
        return Err(format!("--length {length}: {smallest} to 65535 are possible").into());
    }
    let socket = connect_udp(None, to)?;
    socket.set_nonblocking(true)?;
    stamped::enable(socket.as_fd())?;
    let payload = vec![0; length - headers(&to)];
    pinger::run(UdpEcho { socket, payload, buffer: vec![0; 65_536], scratch: Vec::new() }, plan)
}

struct UdpEcho {
    socket: UdpSocket,
    payload: Vec<u8>,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
}

impl Transport for UdpEcho {
    fn send(&mut self, number: u32) -> io::Result<()> {
        pattern::fill(SEED, number, &mut self.payload);
        self.socket.send(&self.payload).map(|_| ())
    }

    fn receive(&mut self) -> io::Result<Answer> {
        let (length, time_ns) = stamped::receive(&self.socket, &mut self.buffer)?;
        match pattern::check(SEED, &self.buffer[..length], &mut self.scratch) {
            Verdict::Intact(number) if length == self.payload.len() => Ok(Answer::To(number, time_ns)),
            _ => Ok(Answer::Corrupt),
        }
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
