//! Numbered UDP datagrams at a rate, and the sink that counts them.

use std::net::SocketAddr;

use i405_testkit::args::{Args, Failure};
use i405_testkit::clock::{millis, monotonic_ns, process_cpu_ns, realtime_ns, seconds};
use i405_testkit::endpoint::{bind_udp, connect_udp, headers, is_idle, is_refusal};
use i405_testkit::json::Line;
use i405_testkit::pace::Pace;
use i405_testkit::pattern;
use i405_testkit::program::{LONGEST_S, stopped};
use i405_testkit::tally::Tally;

/// Most datagrams sent without looking at the clock again, after a spell without the CPU.
const LARGEST_BURST: u64 = 1024;

/// `udp-send`.
pub fn send(mut args: Args) -> Result<(), Failure> {
    let to: SocketAddr = args.required("to")?;
    let lengths: Vec<usize> = args.list("length")?;
    let pps: f64 = args.required("pps")?;
    let count: u64 = args.or("count", u64::from(u32::MAX))?;
    let end_ns = seconds(args.or("seconds", LONGEST_S)?.min(LONGEST_S));
    let seed = args.or("seed", 1405)?;
    let bind = args.value("bind")?;
    args.finish()?;
    let smallest = headers(&to);
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    for &length in &lengths {
        match length.checked_sub(smallest) {
            Some(payload) if length <= 65_535 => payloads.push(vec![0; payload]),
            _ => return Err(format!("--length {length}: {smallest} to 65535 are possible").into()),
        }
    }
    if payloads.is_empty() || pps.is_nan() || pps <= 0.0 {
        return Err("--length and a --pps above 0 are needed".into());
    }

    let socket = connect_udp(bind, to)?;
    let (mut number, mut ip_bytes, mut errors) = (0_u64, 0_u64, 0_u64);
    let mut pace = Pace::new(pps);
    while number < count && pace.elapsed_ns() < end_ns && !stopped() {
        for _ in 0..pace.wait().min(LARGEST_BURST).min(count - number) {
            let turn = number as usize % payloads.len();
            let payload = &mut payloads[turn];
            pattern::fill(seed, number as u32, payload);
            match socket.send(payload) {
                Ok(sent) => ip_bytes += (sent + smallest) as u64,
                // A full queue or an ICMP answer: the datagram is gone, as on any network.
                Err(_) => errors += 1,
            }
            number += 1;
        }
    }
    Line::event("done")
        .plain("packets", number - errors)
        .plain("errors", errors)
        .plain("ipBytes", ip_bytes)
        .real("seconds", pace.elapsed_ns() as f64 / 1e9)
        .real("cpuSeconds", process_cpu_ns() as f64 / 1e9)
        .print();
    Ok(())
}

/// `udp-sink`.
pub fn sink(mut args: Args) -> Result<(), Failure> {
    let listen: SocketAddr = args.required("listen")?;
    let count: u64 = args.or("count", u64::MAX)?;
    let end_ns = monotonic_ns() + seconds(args.or("seconds", LONGEST_S)?);
    let seed = args.or("seed", 1405)?;
    let report_ns = args.value("report-ms")?.map(millis);
    args.finish()?;

    let socket = bind_udp(listen)?;
    Line::event("ready").text("local", &socket.local_addr()?.to_string()).print();
    let header_bytes = headers(&listen);
    let mut tally = Tally::default();
    let mut buffer = vec![0; 65_536];
    let mut report_at = report_ns.map(|ns| monotonic_ns() + ns);
    while tally.packets < count && !stopped() && monotonic_ns() < end_ns {
        match socket.recv(&mut buffer) {
            Ok(length) => tally.count(seed, &buffer[..length], header_bytes, monotonic_ns()),
            Err(error) if is_idle(&error) || is_refusal(&error) => {}
            Err(error) => return Err(error.into()),
        }
        if let (Some(at), Some(every)) = (report_at, report_ns)
            && monotonic_ns() >= at
        {
            tally.line("report").plain("realtimeNs", realtime_ns()).print();
            report_at = Some(at + every);
        }
    }
    tally.line("done").real("cpuSeconds", process_cpu_ns() as f64 / 1e9).print();
    Ok(())
}
