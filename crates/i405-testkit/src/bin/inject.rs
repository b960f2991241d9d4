//! Sends a listener what a stranger might, from a socket of its own, and counts the answers: there must be none.
//!
//! ```text
//! inject garbage --to A:P --length 1500 --count 1000 [--pps 1000] [--seed N] [--bind A:P] [--listen-ms 500]
//! inject replay  --to A:P --file F --direction up|down [--first 0] --count 1000 ...the same...
//! inject forge   --to A:P --from A:P[,A/BITS] (--length 1500 | --file F --direction up|down [--first 0])
//!                --count 1000 [--pps 1000] [--seed N]
//! ```
//!
//! `replay` sends the UDP payloads of a capture or of a relay's record, byte for byte; *up* is what the recording side
//! received. `forge` writes any source into IPv4 headers of its own, one of those given for each datagram (CAP_NET_RAW),
//! and hears no answers. `done` tells how many went out, how many answers came, and whether the port was closed (ICMP).

use std::fs::File;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::process::ExitCode;

use i405_random::Random;
use i405_testkit::args::{Args, Failure};
use i405_testkit::clock::{millis, monotonic_ns};
use i405_testkit::endpoint::{connect_udp, headers, is_idle, is_refusal};
use i405_testkit::forged::{self, From};
use i405_testkit::json::Line;
use i405_testkit::pace::Pace;
use i405_testkit::program::{self, stopped};
use i405_testkit::record::{self, Direction};
use i405_testkit::sys::raw::{BATCH, RawSocket};

fn main() -> ExitCode {
    program::run(inject)
}

/// Where the next payload comes from.
enum Source {
    Garbage(Random, Vec<u8>),
    Replay(std::vec::IntoIter<Vec<u8>>),
}

impl Source {
    fn next(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Garbage(random, payload) => {
                random.fill(payload);
                Some(payload.clone())
            }
            Self::Replay(payloads) => payloads.next(),
        }
    }
}

/// What a capture's peer sent in one direction, from `--first` on.
fn recorded(args: &mut Args) -> Result<Vec<Vec<u8>>, Failure> {
    let mut file = File::open(args.required::<String>("file")?)?;
    let direction = match args.required::<String>("direction")?.as_str() {
        "up" => Direction::In,
        "down" => Direction::Out,
        other => return Err(format!("--direction {other}: up or down is expected").into()),
    };
    let mut payloads = record::payloads(&mut file, direction)?;
    payloads.drain(..args.or("first", 0)?.min(payloads.len()));
    Ok(payloads)
}

fn inject(mut args: Args) -> Result<(), Failure> {
    if args.mode.as_deref() == Some("forge") {
        return forge(args);
    }
    let to: SocketAddr = args.required("to")?;
    let mut source = match args.mode.as_deref() {
        Some("garbage") => {
            let length: usize = args.required("length")?;
            let payload = vec![0; length.saturating_sub(headers(&to))];
            Source::Garbage(Random::new(args.or("seed", 1405)?), payload)
        }
        Some("replay") => Source::Replay(recorded(&mut args)?.into_iter()),
        other => return Err(format!("a mode is needed, garbage or replay, got {other:?}").into()),
    };
    let count: u64 = args.required("count")?;
    let mut pace = Pace::new(args.or("pps", 1000.0)?);
    let listen_ns = millis(args.or("listen-ms", 500.0)?);
    let socket = connect_udp(args.value("bind")?, to)?;
    args.finish()?;
    socket.set_nonblocking(true)?;

    let (mut sent, mut answers) = (0, Answers::default());
    'sending: while sent < count && !stopped() {
        for _ in 0..pace.wait().min(count - sent) {
            let Some(payload) = source.next() else { break 'sending };
            match socket.send(&payload) {
                Ok(_) => sent += 1,
                Err(error) if is_refusal(&error) => answers.refusals += 1,
                Err(error) => return Err(error.into()),
            }
        }
        answers.take(&socket)?;
    }
    let end_ns = monotonic_ns() + listen_ns;
    let mut quiet = Pace::new(1000.0);
    while monotonic_ns() < end_ns && !stopped() {
        quiet.wait();
        answers.take(&socket)?;
    }
    Line::event("done")
        .plain("sent", sent)
        .plain("answers", answers.datagrams)
        .plain("refused", answers.refusals)
        .print();
    Ok(())
}

fn forge(mut args: Args) -> Result<(), Failure> {
    let to: SocketAddrV4 = args.required("to")?;
    let from: Vec<String> = args.list("from")?;
    let from: Vec<From> = from.iter().map(|text| From::parse(text)).collect::<Result<_, _>>()?;
    let mut random = Random::new(args.or("seed", 1405)?);
    let length: Option<usize> = args.value("length")?;
    let payloads = match length {
        Some(length) => (0..BATCH)
            .map(|_| {
                let mut payload = vec![0; length.saturating_sub(forged::HEADERS)];
                random.fill(&mut payload);
                payload
            })
            .collect(),
        None => recorded(&mut args)?,
    };
    let count: u64 = args.required("count")?;
    let mut pace = Pace::new(args.or("pps", 1000.0)?);
    args.finish()?;
    if from.is_empty() || payloads.is_empty() {
        return Err("a source (--from) and something to send are needed".into());
    }
    let mut packets: Vec<Vec<u8>> = payloads.iter().map(|payload| forged::packet(payload, to)).collect();
    let socket = RawSocket::open()?;
    let (mut sent, mut next, mut refused) = (0, 0, 0_u64);
    while sent < count && !stopped() {
        let mut due = pace.wait().min(count - sent) as usize;
        while due > 0 {
            let end = packets.len().min(next + due.min(BATCH));
            let batch = &mut packets[next..end];
            for packet in batch.iter_mut() {
                if length.is_some() {
                    forged::refresh(packet, &mut random);
                }
                forged::aim(packet, random.one_of(&from), &mut random);
            }
            // A full queue: those are gone, as on any network.
            refused += (batch.len() - socket.send(batch, to).unwrap_or(0)) as u64;
            sent += batch.len() as u64;
            due -= batch.len();
            next = end % packets.len();
        }
    }
    Line::event("done")
        .plain("sent", sent - refused)
        .plain("unsent", refused)
        .real("seconds", pace.elapsed_ns() as f64 / 1e9)
        .print();
    Ok(())
}

#[derive(Default)]
struct Answers {
    datagrams: u64,
    refusals: u64,
}

impl Answers {
    fn take(&mut self, socket: &UdpSocket) -> Result<(), Failure> {
        let mut buffer = [0; 2048];
        loop {
            match socket.recv(&mut buffer) {
                Ok(_) => self.datagrams += 1,
                Err(error) if is_refusal(&error) => self.refusals += 1,
                Err(error) if is_idle(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
