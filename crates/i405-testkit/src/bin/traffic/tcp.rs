//! A TCP stream of known bytes, and the sink that checks it and reports goodput.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use i405_testkit::args::{Args, Failure};
use i405_testkit::clock::{millis, monotonic_ns, seconds, sleep_until};
use i405_testkit::endpoint::{STOP_POLL, is_idle};
use i405_testkit::json::Line;
use i405_testkit::pattern::Stream;
use i405_testkit::program::{LONGEST_S, stopped};
use socket2::SockRef;

/// Longest time that a source waits for the connection and for the last bytes to be taken.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause between looks for a connection. 5 ms.
const ACCEPT_POLL_NS: u64 = 5_000_000;

/// `tcp-source`.
pub fn source(mut args: Args) -> Result<(), Failure> {
    let to: SocketAddr = args.required("to")?;
    let most: u64 = args.or("bytes", u64::MAX)?;
    let duration_ns = seconds(args.or("seconds", LONGEST_S)?.min(LONGEST_S));
    let mut stream = Stream::new(args.or("seed", 1405)?);
    let abort = args.switch("abort")?;
    args.finish()?;

    let mut connection = TcpStream::connect_timeout(&to, PATIENCE)?;
    connection.set_write_timeout(Some(STOP_POLL))?;
    Line::event("ready").text("local", &connection.local_addr()?.to_string()).print();
    let start_ns = monotonic_ns();
    let mut bytes = 0;
    while bytes < most && monotonic_ns() - start_ns < duration_ns && !stopped() {
        let chunk = stream.next(usize::try_from(most - bytes).unwrap_or(usize::MAX));
        let offered = chunk.len();
        let taken = match connection.write(chunk) {
            Ok(taken) => taken,
            Err(error) if is_idle(&error) => 0,
            Err(error) => return Err(error.into()),
        };
        stream.unread(offered - taken);
        bytes += taken as u64;
    }
    if abort {
        // What is still queued is not worth waiting for: a reset ends both ends at once.
        SockRef::from(&connection).set_linger(Some(Duration::ZERO))?;
    } else {
        connection.shutdown(std::net::Shutdown::Write)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        // The sink closes once it has everything.
        let _ = connection.read(&mut [0; 1]);
    }
    Line::event("done").plain("bytes", bytes).real("seconds", (monotonic_ns() - start_ns) as f64 / 1e9).print();
    Ok(())
}

/// `tcp-sink`.
pub fn sink(mut args: Args) -> Result<(), Failure> {
    let listen: SocketAddr = args.required("listen")?;
    let connections: u64 = args.or("connections", 1)?;
    let end_ns = monotonic_ns() + seconds(args.or("seconds", LONGEST_S)?);
    let seed = args.or("seed", 1405)?;
    let report_ns = args.value("report-ms")?.map(millis);
    args.finish()?;

    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    Line::event("ready").text("local", &listener.local_addr()?.to_string()).print();
    let mut served = 0;
    while served < connections && !stopped() && monotonic_ns() < end_ns {
        match listener.accept() {
            Ok((connection, from)) => {
                drain(connection, from, seed, report_ns, end_ns)?;
                served += 1;
            }
            Err(error) if is_idle(&error) => sleep_until(monotonic_ns() + ACCEPT_POLL_NS),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Reads one connection to its end and prints `done` for it.
fn drain(
    mut connection: TcpStream,
    from: SocketAddr,
    seed: u64,
    report_ns: Option<u64>,
    end_ns: u64,
) -> Result<(), Failure> {
    connection.set_nonblocking(false)?;
    connection.set_read_timeout(Some(STOP_POLL))?;
    let mut expected = Stream::new(seed);
    let mut buffer = vec![0; 256 * 1024];
    let (mut bytes, mut intact, mut reset) = (0_u64, true, false);
    let start_ns = monotonic_ns();
    let mut last_ns = start_ns;
    let mut report_at = report_ns.map(|ns| start_ns + ns);
    while !stopped() && monotonic_ns() < end_ns {
        match connection.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                bytes += length as u64;
                intact &= expected.matches(&buffer[..length]);
                last_ns = monotonic_ns();
            }
            Err(error) if is_idle(&error) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                reset = true;
                break;
            }
            Err(error) => return Err(error.into()),
        }
        if let (Some(at), Some(every)) = (report_at, report_ns)
            && monotonic_ns() >= at
        {
            Line::event("report").plain("bytes", bytes).plain("timeNs", monotonic_ns()).print();
            report_at = Some(at + every);
        }
    }
    let spent_s = (last_ns - start_ns) as f64 / 1e9;
    Line::event("done")
        .text("from", &from.to_string())
        .plain("bytes", bytes)
        .plain("intact", intact)
        .plain("reset", reset)
        .real("seconds", spent_s)
        .real("bytesPerSecond", bytes as f64 / spent_s)
        .print();
    Ok(())
}
