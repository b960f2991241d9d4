//! Where a response goes: to the sources that keep up with the client, which somebody who copies may be among
//! (docs/protocol.md, "Sources").

use std::net::SocketAddr;

use i405_proto::endpoint::Endpoint;
use i405_proto::sources::MOST_SOURCES;

use crate::support::{Event, MS, Receiver, address, but_sources};

fn receive(receiver: &mut Receiver, source: u8, datagram: &[u8]) -> Vec<Event> {
    receiver.now_ns += MS;
    receiver.receive(address(source), datagram)
}

/// The newest sources that were told, in a fixed order.
fn told(events: &[Event]) -> Option<Vec<SocketAddr>> {
    let sources = events.iter().rev().find_map(|event| match event {
        Event::Sources(2000, sources) => Some(sources.clone()),
        _ => None,
    })?;
    assert!(sources.len() <= MOST_SOURCES);
    Some(sorted(sources))
}

fn sorted(mut sources: Vec<SocketAddr>) -> Vec<SocketAddr> {
    sources.sort();
    sources
}

fn addresses(last: impl IntoIterator<Item = u8>) -> Vec<SocketAddr> {
    last.into_iter().map(address).collect()
}

/// A server that has handed over the initiation of stamp 2000, from source 1; the fragments it was sent.
fn answering() -> (Receiver, Vec<Vec<u8>>) {
    let mut receiver = Receiver::server();
    let first = receiver.initiation(2000, 500);
    let events: Vec<_> = first.iter().flat_map(|datagram| receive(&mut receiver, 1, datagram)).collect();
    assert_eq!(told(&events), Some(addresses([1])));
    assert!(matches!(&events[..], [Event::Sources(..), Event::Handshake { .. }]), "the sources come first");
    (receiver, first)
}

#[test]
fn a_source_that_comes_later_joins() {
    let (mut receiver, _) = answering();
    let next = receiver.initiation(2000, 500);
    assert_eq!(told(&receive(&mut receiver, 2, &next[0])), Some(addresses([1, 2])));
    assert_eq!(receive(&mut receiver, 2, &next[1]), [], "nothing has changed");
}

#[test]
fn promise_not_drawn_away_the_client_is_answered_beside_whoever_copies() {
    let mut receiver = Receiver::server();
    let fragments = receiver.initiation(2000, 500);
    let mut events = Vec::new();
    for datagram in &fragments {
        // The copy is ahead.
        events.extend(receive(&mut receiver, 66, datagram));
        events.extend(receive(&mut receiver, 1, datagram));
    }
    assert!(matches!(but_sources(events)[..], [Event::Handshake { .. }]));
    let next = receiver.initiation(2000, 500);
    let events: Vec<_> = (1..=2).flat_map(|_| receive(&mut receiver, 1, &next[0])).collect();
    assert!(told(&events).is_none_or(|sources| sources == addresses([1, 66])), "{events:?}");
    assert_eq!(receiver.counters().fragments, fragments.len() as u64 + 1, "copies are not opened");
}

#[test]
fn promise_not_drawn_away_one_recorded_datagram_under_a_thousand_sources() {
    let (mut receiver, fragments) = answering();
    let mut last = None;
    for number in 0..1000u16 {
        receiver.now_ns += MS;
        let from = SocketAddr::from(([203, 0, number.to_be_bytes()[0], number.to_be_bytes()[1]], 9));
        last = told(&receiver.receive(from, &fragments[0])).or(last);
    }
    // The client goes on, and is among the four again after a few datagrams.
    for _ in 0..4 {
        for datagram in receiver.initiation(2000, 500) {
            last = told(&receive(&mut receiver, 1, &datagram)).or(last);
        }
    }
    assert!(last.is_some_and(|sources| sources.contains(&address(1))));
}

#[test]
fn copies_of_one_datagram_count_once_for_each_source() {
    let (mut receiver, fragments) = answering();
    for _ in 0..1000 {
        for from in 10..20 {
            receive(&mut receiver, from, &fragments[0]);
        }
    }
    let mut last = None;
    for _ in 0..4 {
        for datagram in receiver.initiation(2000, 500) {
            last = told(&receive(&mut receiver, 2, &datagram)).or(last);
        }
    }
    assert!(last.is_some_and(|sources| sources.contains(&address(2))), "nobody outranks who sends new ones");
}

#[test]
fn among_those_that_keep_up_chance_decides_at_each_attempt_anew() {
    let mut receiver = Receiver::server();
    let mut served = 0;
    for attempt in 0..200 {
        let stamp = 10_000 + attempt;
        let mut best = Vec::new();
        for _ in 0..3 {
            for datagram in receiver.initiation(stamp, 500) {
                for from in [61, 62, 63, 64, 65, 66, 67, 1] {
                    receiver.now_ns += MS;
                    for event in receiver.receive(address(from), &datagram) {
                        if let Event::Sources(_, sources) = event {
                            best = sources;
                        }
                    }
                }
            }
            receiver.now_ns += 2000 * MS;
        }
        served += u32::from(best.contains(&address(1)));
    }
    // Four of eight each time.
    assert!((70..130).contains(&served), "{served} of 200");
}

#[test]
fn another_stamp_names_nothing() {
    let (mut receiver, _) = answering();
    // A newer attempt that is not whole yet, and an older one.
    let newer = receiver.initiation(3000, 500);
    let older = receiver.initiation(1500, 500);
    assert_eq!(receive(&mut receiver, 2, &newer[0]), []);
    assert_eq!(receive(&mut receiver, 2, &newer[0]), [], "nor does a copy");
    assert!(matches!(receive(&mut receiver, 2, &older[0])[..], [Event::Stale(1500, 2000)]));
    // The one under way loses nothing by it.
    let next = receiver.initiation(2000, 500);
    assert_eq!(told(&receive(&mut receiver, 2, &next[0])), Some(addresses([1, 2])));
}

#[test]
fn a_source_that_cannot_be_answered_does_not_count() {
    let (mut receiver, _) = answering();
    for source in ["0.0.0.0:1405", "192.0.2.9:0", "224.0.0.1:1405", "255.255.255.255:9", "[::]:1405", "[ff02::1]:9"] {
        let next = receiver.initiation(2000, 500);
        receiver.now_ns += MS;
        assert_eq!(receiver.receive(source.parse::<SocketAddr>().unwrap(), &next[0]), [], "{source}");
    }
    for own in ["224.0.0.1", "ff02::1", "255.255.255.255", "0.0.0.0"] {
        let next = receiver.initiation(2000, 500);
        let source = Endpoint { local: Some(own.parse().unwrap()), ..address(7).into() };
        assert_eq!(receiver.receive(source, &next[0]), [], "{source}");
    }
}
