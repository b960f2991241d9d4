//! What the tests of whole tunnels over loopback share.
#![allow(dead_code, reason = "each of the tests is a crate of its own, and none needs all of it")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::{Head, KIND_INITIATION, VERSION};
use i405_proto::inner::AllowedIps;
use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::schedule::{Shape, Timing};
use i405_rt::clock::System;
use i405_rt::config::{
    BurnerPlace, DeviationSource, DeviceConfig, OpenConfig, PairingKeys, PollMode, Role, SchedFifo, SendBy,
};
use i405_rt::tunnel::NewKeys;
use i405_rt::tunnel::ScheduleRequest;
use i405_rt::{Event, EventSink, Offer, Tunnel};

/// How long anything may take on a machine that others use too. Nothing is timed closer than this.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const LENGTH: usize = 472;
pub const INTERVAL_NS: u64 = 1_000_000;

/// Everything that a tunnel told.
#[derive(Clone, Default)]
pub struct Collected(Arc<Mutex<Vec<Event>>>);

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
    pub fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    pub fn find<T>(&self, find: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        self.0.lock().unwrap().iter().find_map(find)
    }

    pub fn wait<T>(&self, what: &str, find: impl Fn(&[Event]) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            let events = self.all();
            if let Some(found) = find(&events) {
                return found;
            }
            assert!(Instant::now() < until, "no {what}; events: {events:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn wait_for_end(&self) {
        self.wait("end", |events| events.iter().find(|event| matches!(event, Event::ScheduleEnded)).map(|_| ()));
    }

    pub fn wait_for_closed(&self) {
        self.wait("closed", |events| matches!(events.last(), Some(Event::Closed)).then_some(()));
    }
}

pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "no {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn sent(tunnel: &Tunnel) -> u64 {
    tunnel.counters().dispatched(|dispatcher| &dispatcher.sent)
}

pub fn has_two_cores() -> bool {
    let has = std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2);
    if !has {
        println!("skipped: two dispatchers need two cores");
    }
    has
}

pub fn config(role: Role, mode: PollMode, dispatchers: usize, peer: Option<SocketAddr>) -> OpenConfig {
    let (up, down) = ([1; 32], [2; 32]);
    let (send, receive) = if role == Role::Client { (up, down) } else { (down, up) };
    OpenConfig {
        role,
        bind: "127.0.0.1:0".parse().unwrap(),
        peer,
        fwmark: None,
        device: DeviceConfig::Packets,
        allowed_ips: AllowedIps::ALL,
        poll_mode: mode,
        // Two spinning SCHED_FIFO threads in an unoptimized build would leave a small machine nothing for the test.
        sched_fifo: if mode == PollMode::Spinny { SchedFifo::Off } else { SchedFifo::On },
        cpus: Vec::new(),
        dispatchers,
        burner: BurnerPlace::Off,
        pairing: PairingKeys { send_wrap: send, send_mask: send, receive_wrap: receive, receive_mask: receive },
        initiation_length: 1296,
        floor_ms: 0,
        max_stamp_age_ms: None,
        queue_ns: 50_000_000,
        finalize_ns: None,
        reorder_window: 3,
        deviation_source: DeviationSource::Call,
        send_by: SendBy::Call,
        record: false,
    }
}

pub fn keys(generation: u32, role: Role) -> NewKeys {
    let direction = |byte: u8| DirectionKeys { key: [byte; 32], iv: [byte; 12], mask: [byte; 32] };
    let (send, receive) = if role == Role::Client { (3, 4) } else { (4, 3) };
    NewKeys {
        generation,
        aead: Aead::ChaCha20Poly1305,
        send: direction(send),
        receive: direction(receive),
        receive_length: LENGTH,
        receive_interval_ns: INTERVAL_NS,
    }
}

/// An initiation in every slot.
pub fn initiation(stamp: u64, message: Vec<u8>, endpoint: SocketAddr) -> Offer {
    let head = Head { version: VERSION, kind: KIND_INITIATION, fragment: 0, stamp };
    Offer { head, message, every: 1, endpoint: endpoint.into() }
}

/// Begins a schedule of cover. A client's begins as it has something to carry, which is taken back at once.
#[allow(dead_code, reason = "not every test that has this module begins one")]
pub fn start_cover(tunnel: &Tunnel, endpoint: SocketAddr) {
    tunnel.start_schedule(&System, request(endpoint)).unwrap();
    tunnel.offer(initiation(1, vec![0; 1296], endpoint)).unwrap();
    tunnel.stop_offer().unwrap();
}

pub fn request(endpoint: impl Into<Endpoint>) -> ScheduleRequest {
    ScheduleRequest {
        datagram_length: LENGTH,
        timing: Timing::new(INTERVAL_NS, INTERVAL_NS / 4, Shape::Cos4).unwrap(),
        first_deadline_ns: None,
        endpoint: endpoint.into(),
    }
}
