//! One UDP datagram a slot, handed to the kernel in one of several ways: what a dispatcher could do.
//!
//! ```text
//! sendpath sendto|send|sendmsg|io-uring|packet|xdp --to 10.0.0.2:9 [--interval-us 1000] [--seconds 10] [--length 1500]
//!          [--cpu 1] [--margin-us 120] [--probe-us 0] [--interface veth0]
//! ```
//!
//! Sleeps until the margin, writes the whole payload as sealing does, spins to the deadline, sends. With `--probe-us`
//! the last so many microseconds are spent in sends that send nothing (MSG_PROBE). `packet` and `xdp` need
//! `--interface`, whose other end is `--to`.

use std::fs;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::process::ExitCode;

use i405_random::Random;
use i405_testkit::args::{Args, Failure};
use i405_testkit::clock::{monotonic_ns, seconds, sleep_until};
use i405_testkit::endpoint::headers;
use i405_testkit::json::Line;
use i405_testkit::program::{self, stopped};
use i405_testkit::summary::Summary;
use i405_testkit::sys::sched;
use i405_testkit::sys::sendpath::{Neighbour, Way};

/// Time between set-up and first deadline. 10 ms.
const LEAD_NS: u64 = 10_000_000;
/// The last probe begins this long before the deadline: it takes up to 1 us.
const LAST_PROBE_NS: u64 = 2_000;

fn main() -> ExitCode {
    program::run(sendpath)
}

fn neighbour(to: SocketAddrV4, interface: &str) -> Result<Neighbour, Failure> {
    let mac = |text: &str| -> Result<[u8; 6], Failure> {
        let bytes = text.trim().split(':').map(|hex| u8::from_str_radix(hex, 16)).collect::<Result<Vec<_>, _>>()?;
        bytes.try_into().map_err(|_| format!("no link address: {text}").into())
    };
    let table = fs::read_to_string("/proc/net/arp")?;
    let ip = to.ip().to_string();
    let line = table.lines().find(|line| line.split_whitespace().next() == Some(&ip));
    let there = line.and_then(|line| line.split_whitespace().nth(3)).ok_or("the neighbour is not known")?;
    let of = |name: &str| fs::read_to_string(format!("/sys/class/net/{interface}/{name}"));
    Ok(Neighbour { index: of("ifindex")?.trim().parse()?, mac: mac(there)?, own: mac(&of("address")?)? })
}

fn sendpath(mut args: Args) -> Result<(), Failure> {
    let mode = args.mode.take().ok_or("a way is needed: sendto, send, sendmsg, io-uring, packet or xdp")?;
    let to: SocketAddrV4 = args.required("to")?;
    let interval_ns = seconds(args.or("interval-us", 1000.0)? / 1e6).max(1);
    let duration_ns = seconds(f64::min(args.or("seconds", 10.0)?, program::LONGEST_S));
    let length: usize = args.or("length", 1500)?;
    let cpu: Option<usize> = args.value("cpu")?;
    let margin_ns = seconds(args.or("margin-us", 120.0)? / 1e6);
    let probe_ns = seconds(args.or("probe-us", 0.0)? / 1e6);
    let interface: Option<String> = args.value("interface")?;
    args.finish()?;

    let mut payload = vec![0; length.saturating_sub(headers(&SocketAddr::V4(to)))];
    let socket = UdpSocket::bind(("0.0.0.0", 0))?;
    // Makes the neighbour known, and is the first datagram of the capture's port.
    socket.send_to(&payload, to)?;
    sleep_until(monotonic_ns() + LEAD_NS);
    let own = || -> Result<SocketAddrV4, Failure> {
        socket.connect(to)?;
        match socket.local_addr()? {
            SocketAddr::V4(own) => Ok(own),
            other => Err(format!("not an IPv4 address: {other}").into()),
        }
    };
    let there = || neighbour(to, interface.as_deref().ok_or("--interface is needed")?);
    let mut way = match mode.as_str() {
        "sendto" => Way::send_to(socket, to),
        "send" | "sendmsg" | "io-uring" => {
            socket.connect(to)?;
            match mode.as_str() {
                "send" => Way::Send(socket),
                "sendmsg" => Way::SendMsg(socket),
                _ => Way::IoUring(socket, Box::new(io_uring::IoUring::new(8)?)),
            }
        }
        "packet" => Way::packet(own()?, to, &there()?)?,
        "xdp" => Way::xdp(own()?, to, &there()?)?,
        other => return Err(format!("unknown way: {other}").into()),
    };
    let slots = duration_ns / interval_ns;
    let mut lateness: Vec<u64> = Vec::with_capacity(slots as usize + 1);
    let mut calls: Vec<u64> = Vec::with_capacity(slots as usize + 1);
    if let Some(cpu) = cpu {
        sched::pin(cpu)?;
    }
    sched::fifo(sched::FIFO_PRIORITY)?;
    sched::settle()?;
    Line::event("ready").print();

    let mut random = Random::new(1405);
    let start_ns = monotonic_ns() + LEAD_NS;
    let (mut slot, mut missed, mut errors) = (0, 0, 0_u64);
    while slot < slots && !stopped() {
        let deadline_ns = start_ns + slot * interval_ns;
        sleep_until(deadline_ns.saturating_sub(margin_ns));
        random.fill(&mut payload);
        way.prepare(&payload);
        let now = loop {
            let now = monotonic_ns();
            if now >= deadline_ns {
                break now;
            }
            if now + probe_ns >= deadline_ns && now + LAST_PROBE_NS < deadline_ns {
                way.probe();
            } else {
                std::hint::spin_loop();
            }
        };
        errors += u64::from(way.send(&payload).is_err());
        calls.push(monotonic_ns() - now);
        lateness.push(now - deadline_ns);
        let next = (now - start_ns) / interval_ns + 1;
        missed += next.min(slots) - slot - 1;
        slot = next;
    }
    Line::event("done")
        .plain("slots", slot.min(slots))
        .plain("sent", lateness.len())
        .plain("missed", missed)
        .plain("sendErrors", errors)
        .summary("latenessUs", &Summary::of(&mut lateness))
        .summary("callUs", &Summary::of(&mut calls))
        .print();
    Ok(())
}
