//! Records the IP packets of an interface with the kernel's times.
//!
//! `capture --interface wire0 --file F [--udp-port 1405] [--snap 65535] [--seconds S] [--count N] [--incoming]`
//!
//! Prints `ready` once it sees packets and `done` with the counts; `dropped` above zero means that the file has gaps.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use i405_testkit::args::{Args, Failure};
use i405_testkit::clock::{monotonic_ns, seconds, sleep_until};
use i405_testkit::endpoint::is_idle;
use i405_testkit::json::Line;
use i405_testkit::program::{self, stopped};
use i405_testkit::record::{self, CHECKSUM_PENDING, Direction, Record};
use i405_testkit::sys::packet::{Packet, PacketSocket};
use i405_testkit::{ip, program::LONGEST_S};

/// Longest headers in front of a payload, IPv4 with all options and UDP; IPv6 extension headers count as payload.
const HEADER_ROOM: usize = 60 + 8;

/// Pause when nothing is queued. The kernel has stamped what comes meanwhile, so waking for each packet would only
/// disturb what is measured. 2 ms.
const PAUSE_NS: u64 = 2_000_000;

/// How `sll_pkttype` names a packet that this machine sent.
const OUTGOING: u8 = 4;

fn main() -> ExitCode {
    program::run(capture)
}

fn capture(mut args: Args) -> Result<(), Failure> {
    let interface: String = args.required("interface")?;
    let path: String = args.required("file")?;
    let port = args.value("udp-port")?;
    let snap: usize = args.or("snap", usize::from(u16::MAX))?;
    let end_ns = monotonic_ns() + seconds(args.or("seconds", LONGEST_S)?);
    let most: u64 = args.or("count", u64::MAX)?;
    let incoming = args.switch("incoming")?;
    args.finish()?;

    let mut socket = PacketSocket::open(&interface, port, snap.saturating_add(HEADER_ROOM))?;
    if incoming {
        socket.ignore_outgoing()?;
    }
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
    record::start(&mut file)?;
    Line::event("ready").text("interface", &interface).print();

    let (mut records, mut unreadable) = (0_u64, 0_u64);
    let mut failure = None;
    loop {
        // What is queued when the end comes still belongs to the capture.
        let ending = stopped() || monotonic_ns() >= end_ns;
        let taken = socket.receive(|packet| {
            if records == most {
                return;
            }
            match write(&packet, snap, &mut file) {
                Ok(true) => records += 1,
                Ok(false) => unreadable += 1,
                Err(error) => failure = Some(error),
            }
        });
        if let Some(error) = failure {
            return Err(error.into());
        }
        match taken {
            Ok(_) if records < most => {}
            Ok(_) => break,
            Err(error) if is_idle(&error) && ending => break,
            Err(error) if is_idle(&error) => sleep_until(monotonic_ns() + PAUSE_NS),
            Err(error) => return Err(error.into()),
        }
    }
    file.flush()?;
    let statistics = socket.statistics()?;
    Line::event("done")
        .plain("records", records)
        .plain("unreadable", unreadable)
        .plain("dropped", statistics.dropped)
        .print();
    Ok(())
}

/// False for a packet whose IP header can't be read.
fn write(packet: &Packet<'_>, snap: usize, file: &mut impl Write) -> std::io::Result<bool> {
    let Some((headers, start)) = ip::parse(packet.bytes) else {
        return Ok(false);
    };
    let payload = &packet.bytes[start..];
    let record = Record {
        time_ns: packet.time_ns,
        direction: if packet.kind == OUTGOING { Direction::Out } else { Direction::In },
        notes: if packet.checksum_pending { CHECKSUM_PENDING } else { 0 },
        payload_length: headers.ip_length.saturating_sub(start as u16),
        headers,
        payload: &payload[..payload.len().min(snap)],
    };
    record.write(file)?;
    Ok(true)
}
