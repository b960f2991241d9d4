//! How long this machine's own egress holds a datagram, alone and beside a flow of this machine.
//!
//! The datagrams have a hop limit of 1, so the first router drops them: all they use is the way from here to there.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::measurement::{INTERVAL_NS, LEAD_NS, MOST_SLOTS, on_own_thread};
use crate::summary::Summary;
use i405_rt::Error;
use i405_rt::clock::{monotonic_ns, realtime_ns};
use i405_rt::config::SchedFifo;
use i405_rt::timed_thread;
use i405_rt::wait::sleep_until;
use i405_sys::{option, transmit_stamp};

/// Payload of slots and of the flow, bytes: what passes everywhere without being cut.
const PAYLOAD: usize = 1_200;
/// How long the last datagrams may take to leave.
const LAST_LEAVE: Duration = Duration::from_millis(200);
/// What the flow waits for when the socket refuses.
const FLOW_PAUSE: Duration = Duration::from_millis(1);

/// Slots that are sent, and what else is.
#[derive(Clone, Copy, Debug)]
pub struct EgressRequest {
    /// Where to, in terms of the route; it isn't reached, unless it is a neighbour.
    pub to: SocketAddr,
    /// Core; None: wherever the scheduler puts it.
    pub cpu: Option<usize>,
    /// Time from one deadline to the next, 10 us to 1 s.
    pub interval_ns: u64,
    /// How many deadlines, at most a million.
    pub slots: u64,
    /// Whether another socket sends all the while as fast as it can.
    pub flow: bool,
}

/// How long datagrams took from the call to the driver.
#[derive(Debug)]
pub struct EgressResult {
    /// Of those with a stamp.
    pub delay: Summary,
    /// Datagrams that the kernel took.
    pub sent: u64,
    /// Bytes of the flow, payload.
    pub flow_bytes: u64,
}

/// Sends slots and reads when each left.
///
/// # Errors
/// [`Error::Argument`] out of range, [`Error::Cpu`], [`Error::SocketOption`], [`Error::System`].
pub fn egress(request: EgressRequest) -> Result<EgressResult, Error> {
    let EgressRequest { to, cpu, interval_ns, slots, flow } = request;
    if !INTERVAL_NS.contains(&interval_ns) || !(1..=MOST_SLOTS).contains(&slots) {
        let what = "probe: expected an interval of 10 us to 1 s, and 1 to 1000000 slots";
        return Err(Error::Argument(what.to_owned()));
    }
    let outer = short_socket(to)?;
    transmit_stamp::enable(outer.as_fd())
        .map_err(|source| Error::SocketOption { option: "SO_TIMESTAMPING", source })?;
    let flowing = if flow { Some(Flow::start(to)?) } else { None };
    let result = on_own_thread(move || {
        let mut called = vec![0u64; slots as usize];
        let mut delays = Vec::with_capacity(slots as usize);
        let payload = [0u8; PAYLOAD];
        timed_thread::set_up(SchedFifo::On, cpu)?;
        let mut deadline_ns = monotonic_ns() + LEAD_NS;
        let mut sent = 0usize;
        for _ in 0..slots {
            sleep_until(deadline_ns);
            called[sent] = realtime_ns();
            sent += usize::from(outer.send_to(&payload, to).is_ok());
            collect(&outer, &called, &mut delays);
            deadline_ns = (deadline_ns + interval_ns).max(monotonic_ns());
        }
        let end_ns = monotonic_ns() + LAST_LEAVE.as_nanos() as u64;
        while delays.len() < sent && monotonic_ns() < end_ns {
            thread::sleep(FLOW_PAUSE);
            collect(&outer, &called, &mut delays);
        }
        Ok(EgressResult { delay: Summary::of(delays), sent: sent as u64, flow_bytes: 0 })
    });
    let flow_bytes = flowing.map_or(0, Flow::stop);
    result.map(|result| EgressResult { flow_bytes, ..result })
}

/// Takes every stamp that is there.
fn collect(outer: &UdpSocket, called: &[u64], delays: &mut Vec<u64>) {
    while let Ok(stamp) = transmit_stamp::next(outer.as_fd()) {
        if let Some(stamp) = stamp
            && let Some(&called_ns) = called.get(stamp.index as usize)
        {
            delays.push(stamp.realtime_ns.saturating_sub(called_ns));
        }
    }
}

/// A socket whose datagrams end at the first router.
fn short_socket(to: SocketAddr) -> Result<UdpSocket, Error> {
    let (any, level, name): (SocketAddr, _, _) = match to {
        SocketAddr::V4(_) => ((Ipv4Addr::UNSPECIFIED, 0).into(), libc::IPPROTO_IP, libc::IP_TTL),
        SocketAddr::V6(_) => ((Ipv6Addr::UNSPECIFIED, 0).into(), libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS),
    };
    let socket = UdpSocket::bind(any).map_err(|source| Error::Bind { address: any, source })?;
    option::set_option(socket.as_fd(), level, name, 1)
        .map_err(|source| Error::SocketOption { option: "IP_TTL", source })?;
    Ok(socket)
}

/// Somebody on this machine who sends as fast as the socket takes it.
struct Flow {
    stop: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    thread: thread::JoinHandle<()>,
}

impl Flow {
    fn start(to: SocketAddr) -> Result<Flow, Error> {
        let socket = short_socket(to)?;
        let (stop, bytes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&bytes));
        let body = move || {
            let payload = [0u8; PAYLOAD];
            while !stopped.load(Ordering::Relaxed) {
                match socket.send_to(&payload, to) {
                    Ok(length) => drop(counted.fetch_add(length as u64, Ordering::Relaxed)),
                    Err(_) => thread::sleep(FLOW_PAUSE),
                }
            }
        };
        let thread =
            thread::Builder::new().name("i405-flow".to_owned()).spawn(body).map_err(Error::system("start a thread"))?;
        Ok(Flow { stop, bytes, thread })
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        // It can't panic, and its bytes count all the same.
        let _ = self.thread.join();
        self.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_datagram_over_loopback_is_sent_and_stamped_alone_and_beside_a_flow() {
        let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = sink.local_addr().unwrap();
        let alone = EgressRequest { to, cpu: None, interval_ns: 500_000, slots: 20, flow: false };
        let result = egress(alone).unwrap();
        assert_eq!((result.sent, result.flow_bytes), (20, 0));
        assert_eq!(result.delay.count, 20, "loopback stamps");
        let beside = egress(EgressRequest { flow: true, ..alone }).unwrap();
        assert_eq!(beside.sent, 20);
        assert!(beside.flow_bytes > 0);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let to = "127.0.0.1:9".parse().unwrap();
        let bad = EgressRequest { to, cpu: None, interval_ns: 1_000_000, slots: 0, flow: false };
        assert_eq!(egress(bad).unwrap_err().code(), "ERR_I405_ARGUMENT");
    }
}
