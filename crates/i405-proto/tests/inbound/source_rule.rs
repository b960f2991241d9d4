//! Where a response goes: to the source of the newest fragment, which a copy can't be.

use crate::support::{Event, MS, Receiver, address};

fn receive(receiver: &mut Receiver, source: u8, datagram: &[u8]) -> Vec<Event> {
    receiver.now_ns += MS;
    receiver.receive(address(source), datagram)
}

/// A server that has handed over the initiation of stamp 2000; the fragments it was sent, and those of the next round.
fn answering() -> (Receiver, Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut receiver = Receiver::server();
    let first = receiver.initiation(2000, 500);
    let next = receiver.initiation(2000, 500);
    let events: Vec<_> = first.iter().flat_map(|datagram| receive(&mut receiver, 1, datagram)).collect();
    assert_eq!(events.len(), 1);
    (receiver, first, next)
}

#[test]
fn fragments_name_the_source_while_the_response_is_out() {
    let (mut receiver, _, next) = answering();
    assert_eq!(receive(&mut receiver, 2, &next[0]), []);
    receiver.inbound.track_source(Some(2000));
    assert_eq!(receive(&mut receiver, 2, &next[1]), [Event::Source(address(2))]);
    assert_eq!(receive(&mut receiver, 3, &next[2]), [Event::Source(address(3))]);
    receiver.inbound.track_source(None);
    let later = receiver.initiation(2000, 500);
    assert_eq!(receive(&mut receiver, 4, &later[0]), []);
}

#[test]
fn promise_not_drawn_away() {
    let (mut receiver, first, next) = answering();
    assert_eq!(receive(&mut receiver, 2, &next[0]), []);
    receiver.inbound.track_source(Some(2000));
    // Of before the message was whole, of before the tracking began, and of now.
    for copy in first.iter().chain([&next[0]]) {
        assert_eq!(receive(&mut receiver, 66, copy), []);
    }
    assert_eq!(receive(&mut receiver, 2, &next[1]), [Event::Source(address(2))]);
    assert_eq!(receive(&mut receiver, 66, &next[1]), []);
}

#[test]
fn promise_not_drawn_away_nor_does_a_copy_complete_anything() {
    let mut receiver = Receiver::server();
    let datagrams = receiver.initiation(2000, 1000);
    assert_eq!(datagrams.len(), 2);
    assert_eq!(receive(&mut receiver, 1, &datagrams[0]), []);
    assert_eq!(receive(&mut receiver, 66, &datagrams[0]), []);
    let events = receive(&mut receiver, 1, &datagrams[1]);
    assert!(matches!(&events[..], [Event::Handshake { source, .. }] if *source == address(1)));
}

#[test]
fn another_stamp_names_nothing() {
    let (mut receiver, _, next) = answering();
    receiver.inbound.track_source(Some(2000));
    // A newer attempt that is not whole yet, and an older one.
    let newer = receiver.initiation(3000, 500);
    let older = receiver.initiation(1500, 500);
    assert_eq!(receive(&mut receiver, 2, &newer[0]), []);
    assert!(matches!(receive(&mut receiver, 2, &older[0])[..], [Event::Stale(1500, 2000)]));
    // The one under way loses nothing by it.
    assert_eq!(receive(&mut receiver, 2, &next[0]), [Event::Source(address(2))]);
    assert_eq!(receive(&mut receiver, 66, &next[0]), []);
}
