//! A tunnel as a whole, without a peer.

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use i405_proto::inner::AllowedIps;
use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::schedule::{Shape, Timing};

use super::*;
use crate::platform::clock::{SECOND_NS, System, monotonic_ns};
use crate::platform::config::{BurnerPlace, DeviceConfig, PairingKeys, PollMode, SchedFifo, SendBy};
use crate::platform::launch::{Holder, Launch};
use crate::platform::socket::OuterSocket;
use crate::rings::event::Event;
use i405_sys::txtime::LaunchClock;

impl EventSink for Sender<Vec<Event>> {
    fn idle(&self) -> bool {
        true
    }
    fn deliver(&mut self, batch: Vec<Event>) -> bool {
        self.send(batch).is_ok()
    }
}

fn config() -> OpenConfig {
    let zeros = [0; 32];
    OpenConfig {
        role: Role::Server,
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        peer: None,
        fwmark: None,
        device: DeviceConfig::Packets,
        allowed_ips: AllowedIps::ALL,
        poll_mode: PollMode::Sleepy,
        sched_fifo: SchedFifo::Off,
        cpus: Vec::new(),
        dispatchers: 1,
        burner: BurnerPlace::Off,
        pairing: PairingKeys { send_wrap: zeros, send_mask: zeros, receive_wrap: zeros, receive_mask: zeros },
        initiation_length: 1296,
        floor_ms: 0,
        max_stamp_age_ms: None,
        queue_ns: 1,
        finalize_ns: None,
        reorder_window: 3,
        deviation_source: DeviationSource::Call,
        send_by: SendBy::Call,
        record: false,
    }
}

/// 2 ms slots to where nobody listens.
fn request() -> ScheduleRequest {
    ScheduleRequest {
        datagram_length: 472,
        timing: Timing::new(2_000_000, 500_000, Shape::Cos4).unwrap(),
        first_deadline_ns: None,
        endpoint: SocketAddr::from(([127, 0, 0, 1], 9)).into(),
    }
}

#[test]
fn launch_times_that_do_nothing_are_found_out_by_the_first_slots_and_given_up() {
    let (sender, receiver) = channel();
    let config = OpenConfig { deviation_source: DeviationSource::Software, ..config() };
    let tunnel = Tunnel::open(config, Box::new(sender)).unwrap();
    // Loopback queues nothing, so the kernel takes the launch times and sends at once.
    let launch = Launch {
        clock: LaunchClock::Monotonic,
        least_ns: 100_000,
        early_ns: 0,
        spare_ns: 500_000,
        holder: Holder::Discipline,
    };
    tunnel.with(|control, _| control.socket.launch_by(launch.clock).map_err(Error::system("try"))).unwrap();
    tunnel.start_schedule(&System, request()).unwrap();
    tunnel.with(|_, shared| shared.command(SendCommand::Launch(Some(launch)))).unwrap();
    let mut warned = 0;
    while warned == 0 {
        let events = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        let is_ours = |event: &&Event| matches!(event, Event::Warning { code: "I405_TXTIME", .. });
        warned = events.iter().filter(is_ours).count();
    }
    assert_eq!(warned, 1);
    assert!(lock(&tunnel.live).as_ref().unwrap().shared.distrusts_launches.load(Ordering::Acquire));
    // From here on the call is at the deadline: never early, as it was by the whole lead.
    let told = tunnel.counters().departure.reported.get();
    while tunnel.counters().departure.reported.get() < told + 40 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(tunnel.deviation().source, DeviationSource::Software);
    let departure = &tunnel.counters().departure;
    assert!(departure.unreported.get() < departure.reported.get(), "not all can be asked for on a busy machine");
}

/// A tunnel that may be written to: its gate is open, and a session takes what waits.
fn writable(sink: Sender<Vec<Event>>) -> Tunnel {
    let tunnel = Tunnel::open(OpenConfig { queue_ns: SECOND_NS, ..config() }, Box::new(sink)).unwrap();
    let keys = |of: u8| DirectionKeys { key: [of; 32], iv: [of; 12], mask: [of; 32] };
    let install = NewKeys {
        generation: 1,
        aead: Aead::ChaCha20Poly1305,
        send: keys(1),
        receive: keys(2),
        receive_length: 472,
        receive_interval_ns: 1_000_000,
    };
    tunnel.install(install).unwrap();
    tunnel.send_under(1, None).unwrap();
    tunnel
}

fn schedule(interval_ns: u64, first_deadline_ns: Option<u64>) -> ScheduleRequest {
    ScheduleRequest {
        datagram_length: 472,
        timing: Timing::new(interval_ns, 0, Shape::Cos4).unwrap(),
        first_deadline_ns,
        endpoint: SocketAddr::from(([127, 0, 0, 1], 9)).into(),
    }
}

/// Inner packets of 400 bytes, one to a slot, until the tunnel takes no more or so many are taken.
fn write(tunnel: &Tunnel, most: u64) -> u64 {
    let mut packet = [0; 400];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&400u16.to_be_bytes());
    (0..most).take_while(|_| tunnel.write(&packet).unwrap()).count() as u64
}

fn wait_for_sent(tunnel: &Tunnel, packets: u64) {
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while tunnel.counters().send.inner_packets.get() < packets && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(tunnel.counters().send.inner_packets.get(), packets, "what was taken is sent");
}

#[test]
fn what_is_written_after_a_start_that_is_replaced_before_it_begins_is_sent() {
    let (sink, _events) = channel();
    let tunnel = writable(sink);
    tunnel.start_schedule(&System, schedule(5_000_000, None)).unwrap();
    while tunnel.counters().send.sent.get() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let capacity =
        |tunnel: &Tunnel| lock(&lock(&tunnel.live).as_ref().unwrap().shared.packets_in).as_ref().unwrap().capacity();
    let smaller = capacity(&tunnel);
    // It waits for its first deadline, an hour away, with a queue that carries more; the next one takes its place.
    tunnel.start_schedule(&System, schedule(500_000, Some(monotonic_ns() + 3_600 * SECOND_NS))).unwrap();
    assert!(capacity(&tunnel) > smaller);
    let first = write(&tunnel, 3);
    tunnel.start_schedule(&System, schedule(500_000, None)).unwrap();
    let second = write(&tunnel, 7);
    assert_eq!((first, second), (3, 7));
    wait_for_sent(&tunnel, 10);
}

#[test]
fn what_waits_when_a_larger_queue_takes_over_is_sent_first() {
    let (sink, _events) = channel();
    let tunnel = writable(sink);
    tunnel.start_schedule(&System, schedule(SECOND_NS, None)).unwrap();
    let smaller = write(&tunnel, 5);
    assert!(smaller > 0);
    // Longer datagrams of the same schedule, and then shorter slots: each carries more in the bounded time.
    tunnel.redirect(&System, SocketAddr::from(([127, 0, 0, 1], 9)).into(), 1_000).unwrap();
    tunnel.start_schedule(&System, schedule(1_000_000, None)).unwrap();
    tunnel.start_schedule(&System, schedule(500_000, None)).unwrap();
    let larger = write(&tunnel, 100);
    assert_eq!(larger, 100);
    wait_for_sent(&tunnel, smaller + larger);
}

#[test]
fn launch_times_are_refused_at_opening_where_the_way_has_no_discipline_for_them() {
    for (peer, named) in [(Some(SocketAddr::from(([127, 0, 0, 1], 9))), "interface lo"), (None, "")] {
        let config = OpenConfig { peer, send_by: SendBy::Txtime, ..config() };
        let Some(error) = Tunnel::open(config, Box::new(channel().0)).err() else {
            assert!(peer.is_none(), "an interface of this machine has etf or fq");
            continue;
        };
        assert_eq!(error.code(), "ERR_I405_TXTIME");
        assert!(error.to_string().contains(named) && error.to_string().contains("etf"), "{error}");
    }
}

#[test]
fn a_panic_in_a_thread_ends_the_tunnel_with_an_event_and_nothing_else() {
    let (sender, receiver) = channel();
    let tunnel = Tunnel::open(config(), Box::new(sender)).unwrap();
    tunnel.with(|_, shared| shared.command(SendCommand::Panic)).unwrap();
    let mut events = Vec::new();
    while !matches!(events.last(), Some(Event::Closed)) {
        events.extend(receiver.recv_timeout(Duration::from_secs(20)).unwrap());
    }
    let failed = events.iter().find_map(|event| match event {
        Event::Failed { code, detail } => Some((*code, detail.clone())),
        _ => None,
    });
    let (code, detail) = failed.unwrap();
    assert_eq!(code, "ERR_I405_THREAD");
    assert!(detail.contains("i405-dispatch") && detail.contains("asked to panic"), "{detail}");
    assert!(matches!(tunnel.stop_offer(), Err(Error::Closed)));
}

/// Panics at its first look, as a reporter may.
struct Panicking(Sender<Vec<Event>>, AtomicBool);

impl EventSink for Panicking {
    fn idle(&self) -> bool {
        assert!(self.1.swap(true, Ordering::AcqRel), "asked to panic");
        true
    }
    fn deliver(&mut self, batch: Vec<Event>) -> bool {
        self.0.deliver(batch)
    }
}

#[test]
fn a_reporter_that_panics_ends_the_tunnel_and_says_so() {
    for poll_mode in [PollMode::Sleepy, PollMode::Dozy, PollMode::Spinny] {
        let (sender, receiver) = channel();
        let sink = Panicking(sender, AtomicBool::new(false));
        let tunnel = Tunnel::open(OpenConfig { poll_mode, ..config() }, Box::new(sink)).unwrap();
        let socket = {
            let live = lock(&tunnel.live);
            Arc::downgrade(&live.as_ref().unwrap().control.socket)
        };
        let events = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        let [.., Event::Failed { code, detail }, Event::Closed] = &events[..] else { panic!("{events:?}") };
        assert_eq!(*code, "ERR_I405_THREAD");
        assert!(detail.contains("i405-report") && detail.contains("asked to panic"), "{detail}");
        assert!(matches!(tunnel.stop_offer(), Err(Error::Closed)));
        tunnel.close();
        assert_eq!(socket.strong_count(), 0, "no thread is left that holds the socket");
    }
}

/// Says how many hold the tunnel's shared part and its socket as it is told the end.
struct AtTheEnd {
    watched: Arc<OnceLock<(Weak<Shared>, Weak<OuterSocket>)>>,
    holders: Sender<[usize; 2]>,
}

impl EventSink for AtTheEnd {
    fn idle(&self) -> bool {
        true
    }
    fn deliver(&mut self, batch: Vec<Event>) -> bool {
        let Some((shared, socket)) = self.watched.get() else { return true };
        let ended = matches!(batch.last(), Some(Event::Closed));
        !ended || self.holders.send([shared.strong_count(), socket.strong_count()]).is_ok()
    }
}

#[test]
fn descriptors_and_memory_are_gone_when_the_end_is_told_however_long_the_handle_is_kept() {
    for (poll_mode, dispatchers) in [(PollMode::Sleepy, 1), (PollMode::Dozy, 2), (PollMode::Spinny, 1)] {
        let (holders, ended) = channel();
        let watched = Arc::new(OnceLock::new());
        let config = OpenConfig { poll_mode, dispatchers, deviation_source: DeviationSource::Software, ..config() };
        let sink = AtTheEnd { watched: Arc::clone(&watched), holders };
        let tunnel = Tunnel::open(config, Box::new(sink)).unwrap();
        {
            let live = lock(&tunnel.live);
            let Live { shared, control, .. } = live.as_ref().unwrap();
            watched.set((Arc::downgrade(shared), Arc::downgrade(&control.socket))).unwrap();
        }
        tunnel.start_schedule(&System, request()).unwrap();
        while tunnel.counters().dispatched(|each| &each.sent) < 5 {
            std::thread::sleep(Duration::from_millis(5));
        }
        tunnel.close();
        assert_eq!(ended.recv_timeout(Duration::from_secs(20)), Ok([0, 0]), "{poll_mode:?}");
        assert!(tunnel.counters().dispatched(|each| &each.sent) >= 5, "what was counted stays");
        let lateness = tunnel.lateness();
        assert!(lateness[0].1.counts.iter().sum::<u64>() >= 5, "and how late slots were");
        assert_eq!(tunnel.deviation(), DeviationReport::default());
        assert!(matches!(tunnel.write(&[0x45; 20]), Err(Error::Closed)));
    }
}
