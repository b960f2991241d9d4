//! Responses at a client: only to its attempts, whole, and again if the server restarts.

use i405_proto::handshake_wire::{Head, KIND_RESPONSE, KIND_WRONG_VERSION, RESPONSE, VERSION};

use crate::support::{Event, MS, Receiver, S, address};

const SERVER: u8 = 1;

fn response(receiver: &mut Receiver, stamp: u64, fill: u8) -> Vec<Vec<u8>> {
    let head = |fragment| Head { version: VERSION, kind: KIND_RESPONSE, fragment, stamp };
    (0..3).map(|fragment| receiver.wrap(head(fragment), &[fill; RESPONSE], 500)).collect()
}

fn receive_all(receiver: &mut Receiver, datagrams: &[Vec<u8>]) -> Vec<Event> {
    let mut events = Vec::new();
    for datagram in datagrams {
        receiver.now_ns += MS;
        events.extend(receiver.receive(address(SERVER), datagram));
    }
    events
}

/// Stamp and first byte of each response handed over.
fn handed_over(events: &[Event]) -> Vec<(u64, u8)> {
    let each = |event: &Event| match event {
        Event::Handshake { stamp, message, .. } => {
            assert_eq!(message[..], vec![message[0]; RESPONSE]);
            Some((*stamp, message[0]))
        }
        _ => None,
    };
    events.iter().filter_map(each).collect()
}

#[test]
fn only_expected_stamps() {
    let mut receiver = Receiver::client(address(SERVER));
    // A carousel goes round under nonces of its own each time.
    let round = |receiver: &mut Receiver, stamp: u64| {
        let datagrams = response(receiver, stamp, stamp as u8);
        handed_over(&receive_all(receiver, &datagrams))
    };
    for stamp in [10, 20, 30] {
        assert_eq!(round(&mut receiver, stamp), []);
    }
    receiver.inbound.expect_stamps([Some(10), Some(20)]);
    assert_eq!(round(&mut receiver, 20), [(20, 20)]);
    receiver.now_ns += S;
    assert_eq!(round(&mut receiver, 30), []);
    assert_eq!(round(&mut receiver, 10), [(10, 10)]);
}

#[test]
fn a_stamp_no_longer_expected_keeps_nothing_out() {
    let mut receiver = Receiver::client(address(SERVER));
    let (old, new) = (response(&mut receiver, 10, 1), response(&mut receiver, 20, 2));
    receiver.inbound.expect_stamps([Some(10), Some(20)]);
    receive_all(&mut receiver, &new[..1]);
    assert_eq!(receive_all(&mut receiver, &old), []);
    receiver.inbound.expect_stamps([Some(10), None]);
    let again = response(&mut receiver, 10, 1);
    assert_eq!(handed_over(&receive_all(&mut receiver, &again)), [(10, 1)]);
}

#[test]
fn a_restarted_server_may_answer_again() {
    let mut receiver = Receiver::client(address(SERVER));
    receiver.inbound.expect_stamps([Some(10), None]);
    let first = response(&mut receiver, 10, 1);
    let second = response(&mut receiver, 10, 2);
    let third = response(&mut receiver, 10, 2);
    assert_eq!(handed_over(&receive_all(&mut receiver, &first)), [(10, 1)]);
    // Over the rate: it stays whole until its next fragment.
    assert_eq!(receive_all(&mut receiver, &second), []);
    receiver.now_ns += S;
    assert_eq!(handed_over(&receive_all(&mut receiver, &third)), [(10, 2)]);
}

#[test]
fn a_wrong_version_is_told() {
    let mut receiver = Receiver::client(address(SERVER));
    receiver.inbound.expect_stamps([None, Some(10)]);
    let head = Head { version: 7, kind: KIND_WRONG_VERSION, fragment: 0, stamp: 10 };
    let wrong = receiver.wrap(head, &[5, 7], 100);
    let other_stamp = receiver.wrap(Head { stamp: 11, ..head }, &[5, 7], 100);
    let past_the_end = receiver.wrap(Head { fragment: 1, ..head }, &[5, 7], 100);
    assert_eq!(receive_all(&mut receiver, &[other_stamp, past_the_end]), []);
    let events = receive_all(&mut receiver, &[wrong.clone(), wrong]);
    let expected = Event::Handshake {
        kind: 3,
        version: 7,
        stamp: 10,
        message: vec![5, 7],
        source: address(SERVER),
        length: 100,
        received: receiver.now_ns - MS - 1000,
    };
    assert_eq!(events, [expected]);
}

#[test]
fn a_client_takes_no_initiation_and_no_response_of_another_version() {
    let mut receiver = Receiver::client(address(SERVER));
    receiver.inbound.expect_stamps([Some(2000), None]);
    let initiation = receiver.initiation(2000, 1472);
    assert_eq!(receive_all(&mut receiver, &initiation), []);
    let head = Head { version: 2, kind: KIND_RESPONSE, fragment: 0, stamp: 2000 };
    let other = receiver.wrap(head, &[1; RESPONSE], 1472);
    assert_eq!(receive_all(&mut receiver, &[other]), []);
    assert_eq!(receiver.counters().fragments, 2);
}
