//! A UDP relay between a client and a server that loses, doubles, delays, reorders and damages what passes, keeps a
//! record of it, and on demand sends garbage or what it saw before from the very sockets that it relays with.
//!
//! ```text
//! relay --listen A:P --to B:Q [--bind C:R] [--seconds S] [--seed N] [--record FILE] [--remember 10000]
//!       [--copies A:P,B:Q] [--rebind-after 3,50]
//!       [--drop 0.1] [--drop-up 0.1] [--drop-down 0.1] ... the same for: drop-every duplicate duplicate-every reorder
//!       reorder-by-ms corrupt delay-ms delay-jitter-ms longest
//! ```
//!
//! *Up* is towards `--to`. The client is whoever sent to `--listen` last. Commands on stdin, one a line, each answered
//! by a JSON line: `set up|down|both FAULT VALUE`, `garbage up|down COUNT LENGTH`, `replay up|down FIRST COUNT`
//! (first 0 is the oldest remembered), `rebind` (the server sees another source port from now on, and nobody is at the
//! old one), `copies SOURCES|none [COUNT]`, `stats`.
//!
//! `--copies`: what comes from the client is sent to the server at once under each of these IPv4 sources as well, its
//! own or not (CAP_NET_RAW). With a delay upwards the copies are ahead of the originals. Nothing that comes to them is
//! relayed. `--rebind-after`: a `rebind` in front of the datagrams after the first so many upwards, as a NAT may do.

mod command;
mod copies;
mod path;

use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::ExitCode;

use i405_testkit::args::{Args, Failure};
use i405_testkit::clock::{NS_PER_S, monotonic_ns, seconds, timespec};
use i405_testkit::endpoint::{bind_udp, connect_udp, is_idle, is_refusal};
use i405_testkit::faults::Faults;
use i405_testkit::json::Line;
use i405_testkit::program::{self, LONGEST_S, stopped};
use rustix::event::{PollFd, PollFlags, poll};

use copies::Copier;
use path::{Path, Relay};

fn main() -> ExitCode {
    program::run(relay)
}

fn relay(mut args: Args) -> Result<(), Failure> {
    let listen: SocketAddr = args.required("listen")?;
    let to: SocketAddr = args.required("to")?;
    let bind: Option<SocketAddr> = args.value("bind")?;
    let end_ns = monotonic_ns() + seconds(args.or("seconds", LONGEST_S)?);
    let seed: u64 = args.or("seed", 1405)?;
    let record: Option<String> = args.value("record")?;
    let remember: usize = args.or("remember", 10_000)?;
    let copies: Option<String> = args.value("copies")?;
    let rebind_after: Vec<u64> = args.list("rebind-after")?;
    let common = Faults::common(&mut args)?;
    let up = Path::new(Faults::from_args(&mut args, &common, "up")?, seed, remember);
    let down = Path::new(Faults::from_args(&mut args, &common, "down")?, seed ^ 1, remember);
    args.finish()?;

    let front = bind_udp(listen)?;
    let back = connect_udp(bind, to)?;
    front.set_nonblocking(true)?;
    back.set_nonblocking(true)?;
    let local = front.local_addr()?;
    let mut relay = Relay::new(front, back, to, [up, down], record.as_deref(), seed)?;
    relay.rebind_after = rebind_after;
    if let Some(sources) = copies {
        relay.copier = Some(Copier::new(to, &sources, None)?);
    }
    Line::event("ready").text("local", &local.to_string()).print();

    let mut input = Some(Vec::new());
    let mut buffer = vec![0; 65_536];
    while !stopped() && monotonic_ns() < end_ns {
        let readable = wait(&relay, input.is_some())?;
        if readable && let Some(typed) = input.as_mut() {
            let mut chunk = [0; 4096];
            match io::stdin().lock().read(&mut chunk)? {
                0 => input = None,
                count => {
                    typed.extend_from_slice(&chunk[..count]);
                    command::run_lines(typed, &mut relay);
                }
            }
        }
        take_all(&mut relay, &mut buffer)?;
        relay.release()?;
    }
    relay.finish()?;
    relay.line("done").print();
    Ok(())
}

/// Until a datagram or a command came, or a delayed one is due. True if stdin is readable.
fn wait(relay: &Relay, with_input: bool) -> io::Result<bool> {
    let stdin = io::stdin();
    let (front, back) = relay.sockets();
    let mut watched = vec![PollFd::new(front, PollFlags::IN), PollFd::new(back, PollFlags::IN)];
    if with_input {
        watched.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
    }
    let left_ns = relay.next_ns().map_or(NS_PER_S / 10, |due| due.saturating_sub(monotonic_ns()));
    match poll(&mut watched, Some(&timespec(left_ns.min(NS_PER_S / 10)))) {
        Ok(_) => Ok(watched.get(2).is_some_and(|input| !input.revents().is_empty())),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Takes everything that waits on both sockets.
fn take_all(relay: &mut Relay, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        match relay.sockets().0.recv_from(buffer) {
            Ok((length, from)) => relay.take_up(from, &buffer[..length])?,
            Err(error) if is_refusal(&error) => {}
            Err(error) if is_idle(&error) => break,
            Err(error) => return Err(error),
        }
    }
    loop {
        match relay.sockets().1.recv(buffer) {
            Ok(length) => relay.take_down(&buffer[..length])?,
            Err(error) if is_refusal(&error) => {}
            Err(error) if is_idle(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
