//! Two tunnels over loopback with packet devices: every thread, no TypeScript.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::schedule::{Shape, Timing};
use i405_rt::config::{
    BurnerPlace, DeviationSource, DeviceConfig, OpenConfig, PairingKeys, PollMode, Role, SchedFifo, SendBy,
};
use i405_rt::control::NewKeys;
use i405_rt::tunnel::ScheduleRequest;
use i405_rt::{Event, EventSink, Offer, Tunnel};

/// How long anything may take on a machine that others use too. Nothing here is timed closer than this.
const PATIENCE: Duration = Duration::from_secs(20);
const LENGTH: usize = 472;
const INTERVAL_NS: u64 = 1_000_000;

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
    fn wait<T>(&self, what: &str, find: impl Fn(&[Event]) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            let events = self.0.lock().unwrap().clone();
            if let Some(found) = find(&events) {
                return found;
            }
            assert!(Instant::now() < until, "no {what}; events: {events:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn packets(events: &[Event]) -> Vec<Vec<u8>> {
    let batches = events.iter().filter_map(|event| match event {
        Event::Packets(packets) => Some(packets.clone()),
        _ => None,
    });
    batches.flatten().collect()
}

fn config(role: Role, mode: PollMode, dispatchers: usize, peer: Option<SocketAddr>) -> OpenConfig {
    let (up, down) = ([1; 32], [2; 32]);
    let (send, receive) = if role == Role::Client { (up, down) } else { (down, up) };
    OpenConfig {
        role,
        bind: "127.0.0.1:0".parse().unwrap(),
        peer,
        fwmark: None,
        device: DeviceConfig::Packets,
        poll_mode: mode,
        // Two spinning SCHED_FIFO threads in an unoptimized build would leave a small machine nothing for the test.
        sched_fifo: if mode == PollMode::Spinny { SchedFifo::Off } else { SchedFifo::On },
        cpus: Vec::new(),
        dispatchers,
        burner: BurnerPlace::Cpu,
        pairing: PairingKeys { send_wrap: send, send_mask: send, receive_wrap: receive, receive_mask: receive },
        initiation_length: 1296,
        floor_ms: 0,
        max_stamp_age_ms: None,
        queue_ns: 50_000_000,
        finalize_ns: None,
        reorder_window: 3,
        deviation_source: DeviationSource::Call,
        send_by: SendBy::Call,
    }
}

fn keys(generation: u32, role: Role) -> NewKeys {
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

fn request(endpoint: SocketAddr) -> ScheduleRequest {
    ScheduleRequest {
        datagram_length: LENGTH,
        timing: Timing::new(INTERVAL_NS, INTERVAL_NS / 4, Shape::Cos4).unwrap(),
        first_deadline_ns: None,
        endpoint,
    }
}

fn ipv4(length: usize, mark: u8) -> Vec<u8> {
    let mut packet = vec![mark; length];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    packet
}

fn a_tunnel_carries_a_handshake_and_packets(mode: PollMode, dispatchers: usize) {
    let (at_server, at_client) = (Collected::default(), Collected::default());
    let server = Tunnel::open(config(Role::Server, mode, dispatchers, None), Box::new(at_server.clone())).unwrap();
    let there = server.local_address();
    let client =
        Tunnel::open(config(Role::Client, mode, dispatchers, Some(there)), Box::new(at_client.clone())).unwrap();

    client.start_schedule(request(there)).unwrap();
    let message: Vec<u8> = (0..1296u32).map(|i| i as u8).collect();
    let stamp = 1_700_000_000_000;
    let offer = Offer { kind: 1, version: 1, stamp, message: message.clone(), every: 1, endpoint: there };
    client.offer(offer).unwrap();
    let source = at_server.wait("initiation", |events| {
        events.iter().find_map(|event| match event {
            Event::Handshake { kind: 1, message: got, source, stamp: got_stamp, .. } => {
                assert_eq!((got, *got_stamp), (&message, stamp));
                Some(*source)
            }
            _ => None,
        })
    });

    for (tunnel, role) in [(&server, Role::Server), (&client, Role::Client)] {
        tunnel.install(keys(7, role)).unwrap();
        assert!(tunnel.install(keys(7, role)).is_err(), "a generation is installed once");
    }
    server.start_schedule(request(source)).unwrap();
    server.move_endpoint(source).unwrap();
    client.stop_offer().unwrap();
    client.send_under(7, Some(stamp)).unwrap();
    server.send_under(7, None).unwrap();
    for events in [&at_server, &at_client] {
        events.wait("opened", |events| {
            events.iter().find(|event| matches!(event, Event::Opened { generation: 7, .. })).map(|_| ())
        });
    }

    let sent: Vec<Vec<u8>> = [20, 60, 451, 1400, 9000].iter().zip(1..).map(|(l, mark)| ipv4(*l, mark)).collect();
    for packet in &sent {
        let until = Instant::now() + PATIENCE;
        while !client.write(packet).unwrap() {
            assert!(Instant::now() < until);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let received = at_server.wait("packets", |events| {
        let received = packets(events);
        (received.len() >= sent.len()).then_some(received)
    });
    assert_eq!(received, sent, "whole, unchanged, in order");
    assert!(client.write(&[0x45; 3]).is_err());

    client.send_close().unwrap();
    at_server.wait("close", |events| {
        events.iter().find(|event| matches!(event, Event::Control { kind: 4, .. })).map(|_| ())
    });
    client.end_at(Some(0)).unwrap();
    at_client.wait("end", |events| events.iter().find(|event| matches!(event, Event::ScheduleEnded)).map(|_| ()));
    for (tunnel, events) in [(&client, &at_client), (&server, &at_server)] {
        tunnel.close();
        tunnel.close();
        events.wait("closed", |events| matches!(events.last(), Some(Event::Closed)).then_some(()));
        assert!(tunnel.stop_offer().is_err());
    }
    let counters = client.counters();
    let kinds = counters.dispatched(|send| &send.carrying)
        + counters.dispatched(|send| &send.cover)
        + counters.dispatched(|send| &send.handshake);
    assert_eq!(counters.dispatched(|send| &send.sent), kinds, "every slot is of one kind");
    assert!(counters.dispatched(|send| &send.handshake) >= 4, "the initiation has four fragments here");
    for tunnel in [&client, &server] {
        assert_eq!(tunnel.counters().receive.replayed.get(), 0, "nothing left twice");
    }
}

fn hedged(mode: PollMode) {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        println!("skipped: two dispatchers need two cores");
        return;
    }
    a_tunnel_carries_a_handshake_and_packets(mode, 2);
}

#[test]
fn sleepy_hedged() {
    hedged(PollMode::Sleepy);
}

#[test]
fn dozy_hedged() {
    hedged(PollMode::Dozy);
}

#[test]
fn spinny_hedged() {
    hedged(PollMode::Spinny);
}

#[test]
fn the_second_of_two_dispatchers_has_to_have_a_core() {
    let mut asked = config(Role::Server, PollMode::Sleepy, 2, None);
    asked.cpus = vec![0, 100_000];
    let error = Tunnel::open(asked, Box::new(Collected::default())).err().unwrap();
    assert_eq!(error.code(), "ERR_I405_CPU");
    assert!(error.to_string().contains("100000"));
}

#[test]
fn sleepy() {
    a_tunnel_carries_a_handshake_and_packets(PollMode::Sleepy, 1);
}

#[test]
fn dozy() {
    a_tunnel_carries_a_handshake_and_packets(PollMode::Dozy, 1);
}

#[test]
fn spinny() {
    a_tunnel_carries_a_handshake_and_packets(PollMode::Spinny, 1);
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let first = Tunnel::open(config(Role::Server, PollMode::Sleepy, 1, None), Box::new(Collected::default())).unwrap();
    let mut second = config(Role::Server, PollMode::Sleepy, 1, None);
    second.bind = first.local_address();
    let error = Tunnel::open(second, Box::new(Collected::default())).err().unwrap();
    assert_eq!(error.code(), "ERR_I405_ADDRESS_IN_USE");
    assert!(error.to_string().contains(&first.local_address().to_string()));
}
