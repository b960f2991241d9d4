//! Transmit timestamps over loopback, whose driver gives the kernel's: each slot has one, and the card's have a reason.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use i405_proto::schedule::{Shape, Timing};
use i405_rt::config::{
    BurnerPlace, DeviationSource, DeviceConfig, OpenConfig, PairingKeys, PollMode, Role, SchedFifo, SendBy,
};
use i405_rt::tunnel::ScheduleRequest;
use i405_rt::{Event, EventSink, Tunnel, clock};

/// How long anything may take on a machine that others use too. Nothing here is timed closer than this.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<Event>>>);

impl EventSink for Collected {
    fn idle(&self) -> bool {
        true
    }
    fn deliver(&mut self, batch: Vec<Event>) -> bool {
        self.0.lock().unwrap().extend(batch);
        true
    }
}

impl Collected {
    fn find<T>(&self, find: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        self.0.lock().unwrap().iter().find_map(find)
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "no {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn sent(tunnel: &Tunnel) -> u64 {
    tunnel.counters().dispatched(|dispatcher| &dispatcher.sent)
}

/// A client that nobody answers, on a schedule of 1 ms until it has sent `slots` or more.
fn run(poll_mode: PollMode, dispatchers: usize, deviation_source: DeviationSource, slots: u64) -> (Tunnel, Collected) {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let endpoint = peer.local_addr().unwrap();
    let zeros = [0; 32];
    let config = OpenConfig {
        role: Role::Client,
        bind: "127.0.0.1:0".parse().unwrap(),
        peer: Some(endpoint),
        fwmark: None,
        device: DeviceConfig::Packets,
        poll_mode,
        sched_fifo: if poll_mode == PollMode::Spinny { SchedFifo::Off } else { SchedFifo::On },
        cpus: if dispatchers == 2 { vec![0, 1] } else { Vec::new() },
        dispatchers,
        burner: BurnerPlace::Off,
        pairing: PairingKeys { send_wrap: zeros, send_mask: zeros, receive_wrap: zeros, receive_mask: zeros },
        initiation_length: 1296,
        floor_ms: 0,
        max_stamp_age_ms: None,
        queue_ns: 50_000_000,
        finalize_ns: None,
        reorder_window: 3,
        deviation_source,
        send_by: SendBy::Call,
    };
    let events = Collected::default();
    let tunnel = Tunnel::open(config, Box::new(events.clone())).unwrap();
    let timing = Timing::new(1_000_000, 250_000, Shape::Cos4).unwrap();
    tunnel.start_schedule(ScheduleRequest { datagram_length: 472, timing, first_deadline_ns: None, endpoint }).unwrap();
    until("slots", || sent(&tunnel) >= slots);
    tunnel.end_at(Some(clock::monotonic_ns())).unwrap();
    until("end", || events.find(|event| matches!(event, Event::ScheduleEnded).then_some(())).is_some());
    (tunnel, events)
}

fn every_slot_has_a_timestamp_that_is_not_before_its_call(mode: PollMode, dispatchers: usize) {
    let (tunnel, _) = run(mode, dispatchers, DeviationSource::Software, 300);
    let departure = &tunnel.counters().departure;
    until("timestamps", || departure.reported.get() + departure.unreported.get() >= sent(&tunnel));
    // A timestamp before its call would match no slot, which then counted as unreported.
    assert_eq!((departure.reported.get(), departure.unreported.get()), (sent(&tunnel), 0));
    let report = tunnel.deviation();
    assert_eq!((report.source, report.unreported), (DeviationSource::Software, 0));
    assert_eq!((report.figures.count, report.figures.missed), (sent(&tunnel), tunnel.counters().missed()));
    assert!(report.figures.p50_ns > 0);
    assert_eq!((tunnel.deviation().source, tunnel.deviation().figures.count), (DeviationSource::Software, 0));
}

#[test]
fn sleepy() {
    every_slot_has_a_timestamp_that_is_not_before_its_call(PollMode::Sleepy, 1);
}

#[test]
fn dozy() {
    every_slot_has_a_timestamp_that_is_not_before_its_call(PollMode::Dozy, 1);
}

#[test]
fn spinny() {
    every_slot_has_a_timestamp_that_is_not_before_its_call(PollMode::Spinny, 1);
}

#[test]
fn hedged() {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        println!("skipped: one core");
        return;
    }
    every_slot_has_a_timestamp_that_is_not_before_its_call(PollMode::Dozy, 2);
}

#[test]
fn where_the_card_has_none_the_figures_are_the_calls_and_a_warning_says_why() {
    let (tunnel, events) = run(PollMode::Sleepy, 1, DeviationSource::Hardware, 50);
    let report = tunnel.deviation();
    assert_eq!((report.source, report.figures.count), (DeviationSource::Call, sent(&tunnel)));
    let detail = events.find(|event| match event {
        Event::Warning { code: "I405_NO_TIMESTAMPS", detail } => Some(detail.clone()),
        _ => None,
    });
    assert!(detail.unwrap().contains("ethtool -T lo"));
}

#[test]
fn without_asking_there_are_none() {
    let (tunnel, _) = run(PollMode::Sleepy, 1, DeviationSource::Call, 50);
    let departure = &tunnel.counters().departure;
    assert_eq!((departure.reported.get(), departure.unreported.get()), (0, 0));
    assert_eq!(tunnel.deviation().source, DeviationSource::Call);
}
