//! Initiations at a server: stamps, floor, rate, versions.

use i405_proto::handshake_wire::{Head, KIND_INITIATION, KIND_RESPONSE, VERSION};
use i405_proto::inbound::{OtherVersion, Role};

use crate::support::{Event, FLOOR, MS, Receiver, S, address, but_sources, control, data, initiation_message};

fn receive_all(receiver: &mut Receiver, datagrams: &[Vec<u8>]) -> Vec<Event> {
    // A slot each, so that no budget is in the way.
    let mut events = Vec::new();
    for datagram in datagrams {
        receiver.now_ns += MS;
        events.extend(receiver.receive(address(1), datagram));
    }
    events
}

fn stamps(events: &[Event]) -> Vec<u64> {
    let stamp = |event: &Event| if let Event::Handshake { stamp, .. } = event { Some(*stamp) } else { None };
    events.iter().filter_map(stamp).collect()
}

#[test]
fn a_whole_initiation_is_handed_over_once() {
    for n in [52, 72, 1388, 1472] {
        let mut receiver = Receiver::server();
        let datagrams = receiver.initiation(2000, n);
        let count = datagrams.len() as u64;
        let events = receive_all(&mut receiver, &datagrams);
        let expected = Event::Handshake {
            kind: 1,
            version: 1,
            stamp: 2000,
            message: initiation_message(2000),
            source: address(1),
            length: n,
            received: receiver.now_ns - 1000,
        };
        assert!(but_sources(events) == [expected]);
        assert_eq!(receiver.inbound.floor_ms(), 2000);
        // The carousel goes on: no news, and nothing stale.
        receiver.now_ns += 5 * S;
        let again = receiver.initiation(2000, n);
        assert_eq!(receive_all(&mut receiver, &again), []);
        assert_eq!(receiver.counters().stale, 0);
        assert_eq!(receiver.counters().fragments, 2 * count);
    }
}

#[test]
fn the_floor_holds_until_the_message_is_whole() {
    let mut receiver = Receiver::server();
    let mut datagrams = receiver.initiation(2000, 500);
    let last = datagrams.pop().unwrap();
    assert_eq!(receive_all(&mut receiver, &datagrams), []);
    assert_eq!(receiver.inbound.floor_ms(), FLOOR);
    assert_eq!(stamps(&receive_all(&mut receiver, &[last])), [2000]);
    assert_eq!(receiver.inbound.floor_ms(), 2000);
}

#[test]
fn stale_ones_are_reported_once_a_minute() {
    let mut receiver = Receiver::server();
    let stale = receiver.initiation(FLOOR - 1, 500);
    assert_eq!(receive_all(&mut receiver, &stale), [Event::Stale(FLOOR - 1, FLOOR)]);
    let floor = receiver.initiation(FLOOR, 500);
    assert_eq!(receive_all(&mut receiver, &floor), []);
    receiver.now_ns += 59 * S;
    let next = receiver.initiation(FLOOR - 1, 500);
    assert_eq!(receive_all(&mut receiver, &next[..1]), []);
    receiver.now_ns += S;
    assert_eq!(receive_all(&mut receiver, &next[1..]), [Event::Stale(FLOOR - 1, FLOOR)]);
    assert_eq!(receiver.counters().stale, (stale.len() + next.len()) as u64);
    assert_eq!(receiver.inbound.floor_ms(), FLOOR);
}

#[test]
fn promise_max_stamp_age() {
    let mut receiver = Receiver::with(Role::Server, None, Some(1000));
    receiver.wall_ms = 6001;
    let held_back = receiver.initiation(5000, 1472);
    assert_eq!(receive_all(&mut receiver, &held_back), [Event::Stale(5000, FLOOR)]);
    let fresh = receiver.initiation(5001, 1472);
    assert_eq!(stamps(&receive_all(&mut receiver, &fresh)), [5001]);
}

#[test]
fn one_a_second_and_the_rest_waits_whole() {
    let mut receiver = Receiver::server();
    let first = receiver.initiation(2000, 1472);
    let second = receiver.initiation(3000, 1472);
    let copy = second.clone();
    let next = receiver.initiation(3000, 1472);
    assert_eq!(stamps(&receive_all(&mut receiver, &first)), [2000]);
    let handed_over_ns = receiver.now_ns;
    assert_eq!(receive_all(&mut receiver, &second), []);
    assert_eq!(receiver.inbound.floor_ms(), 2000);
    // A copy by somebody else is nothing to it.
    receiver.now_ns = handed_over_ns + 2 * S;
    assert_eq!(receive_all(&mut receiver, &copy), []);
    assert_eq!(stamps(&receive_all(&mut receiver, &next)), [3000]);
    assert_eq!(receiver.inbound.floor_ms(), 3000);
}

#[test]
fn a_waiting_initiation_falls_to_a_floor_that_rose() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    let first = receiver.initiation(2000, 1472);
    let second = receiver.initiation(3000, 1472);
    let next = receiver.initiation(3000, 1472);
    receive_all(&mut receiver, &first);
    receive_all(&mut receiver, &second);
    receive_all(&mut receiver, &[data(&mut sealer, &control(3, &[0, 0, 0, 0, 0x0b, 0xb8]))]);
    assert_eq!(receiver.inbound.floor_ms(), 3000);
    receiver.now_ns += 2 * S;
    assert_eq!(receive_all(&mut receiver, &next), []);
}

#[test]
fn a_newer_initiation_displaces_one_under_way() {
    let mut receiver = Receiver::server();
    let older = receiver.initiation(2000, 500);
    let newer = receiver.initiation(3000, 500);
    assert_eq!(receive_all(&mut receiver, &older[..2]), []);
    assert_eq!(receive_all(&mut receiver, &newer[..1]), []);
    assert_eq!(receive_all(&mut receiver, &older), []);
    assert_eq!(stamps(&receive_all(&mut receiver, &newer[1..])), [3000]);
}

#[test]
fn another_version_raises_the_floor_and_is_told_once() {
    let mut receiver = Receiver::server();
    let head = Head { version: 9, kind: KIND_INITIATION, fragment: 3, stamp: 4000 };
    let datagrams = [receiver.wrap(head, &[1; 100], 100), receiver.wrap(head, &[1; 100], 100)];
    let events = receive_all(&mut receiver, &datagrams);
    let expected = OtherVersion {
        pairing: 0,
        version: 9,
        stamp: 4000,
        source: address(1).into(),
        datagram_length: 100,
        received_ns: receiver.now_ns - MS - 1000,
    };
    assert_eq!(but_sources(events), [Event::OtherVersion(expected)]);
    assert_eq!(receiver.inbound.floor_ms(), 4000);
    let old = Head { stamp: FLOOR - 1, ..head };
    let stale = [receiver.wrap(old, &[1; 100], 100)];
    assert_eq!(receive_all(&mut receiver, &stale), [Event::Stale(FLOOR - 1, 4000)]);
}

#[test]
fn a_server_takes_initiations_only() {
    let mut receiver = Receiver::server();
    receiver.inbound.expect_stamps([Some(2000), None]);
    for kind in [0, KIND_RESPONSE, 3, 4, 15] {
        let head = Head { version: VERSION, kind, fragment: 0, stamp: 2000 };
        let datagram = receiver.wrap(head, &[1; 1344], 1472);
        assert_eq!(receive_all(&mut receiver, &[datagram]), []);
    }
    assert_eq!(receiver.inbound.floor_ms(), FLOOR);
    assert_eq!(receiver.counters().fragments, 5);
}

#[test]
fn garbage_never_counts_as_a_fragment() {
    let mut receiver = Receiver::server();
    let mut datagrams = receiver.initiation(2000, 500);
    for datagram in &mut datagrams {
        datagram[60] ^= 1;
    }
    assert_eq!(receive_all(&mut receiver, &datagrams), []);
    assert_eq!((receiver.counters().fragments, receiver.counters().unknown), (0, datagrams.len() as u64));
}

#[test]
fn promise_served_in_a_flood_of_copies() {
    // Fifty copies in each millisecond of what somebody recorded, ten times what can be opened.
    for recorded in [2000, FLOOR - 1] {
        let mut receiver = Receiver::server();
        let copies = receiver.initiation(recorded, 500);
        receive_all(&mut receiver, &copies);
        let before = receiver.counters().replayed;
        let genuine = receiver.initiation(3000, 72);
        let mut events = Vec::new();
        receiver.now_ns += S;
        for datagram in &genuine {
            receiver.now_ns += MS;
            for copy in (0..50).map(|each| &copies[each % copies.len()]) {
                events.extend(receiver.receive(address(9), copy));
            }
            events.extend(receiver.receive(address(1), datagram));
        }
        assert_eq!(stamps(&events), [3000]);
        assert_eq!(receiver.counters().over_budget, 0);
        assert_eq!(receiver.counters().replayed - before, 50 * genuine.len() as u64);
    }
}
