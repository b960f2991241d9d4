//! A server's client that moves, clause by clause of docs/protocol.md, "Roaming".

use std::net::SocketAddr;

use i405_proto::seal::Sealer;

use crate::support::{Event, MS, Receiver, address, data};

const OLD: u8 = 1;
const NEW: u8 = 2;
const OTHER: u8 = 3;

/// A server whose session 1 is confirmed from the old endpoint, and past the datagrams right after that.
fn settled() -> (Receiver, Sealer) {
    let (mut receiver, mut sealer) = confirmed();
    assert_eq!(moves(&mut receiver, &mut sealer, OLD, 8), []);
    (receiver, sealer)
}

fn confirmed() -> (Receiver, Sealer) {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    assert_eq!(moves(&mut receiver, &mut sealer, OLD, 1), []);
    receiver.inbound.set_endpoint(address(OLD));
    receiver.inbound.set_current(1);
    (receiver, sealer)
}

/// The moves that a datagram is reported to be.
fn receive(receiver: &mut Receiver, source: SocketAddr, datagram: &[u8]) -> Vec<(u32, SocketAddr)> {
    receiver.now_ns += MS;
    let roamed = |event| match event {
        Event::Roamed(generation, source) => Some((generation, source)),
        _ => None,
    };
    receiver.receive(source, datagram).into_iter().filter_map(roamed).collect()
}

/// As many fresh datagrams from there: which of them, from 1, are reported as moves.
fn moves(receiver: &mut Receiver, sealer: &mut Sealer, from: u8, count: usize) -> Vec<usize> {
    let at = |number| {
        let datagram = data(sealer, &[]);
        (!receive(receiver, address(from), &datagram).is_empty()).then_some(number)
    };
    (1..=count).filter_map(at).collect()
}

#[test]
fn promise_roaming_eight_in_a_row_from_one_new_source() {
    let (mut receiver, mut sealer) = settled();
    assert_eq!(moves(&mut receiver, &mut sealer, NEW, 7), []);
    let eighth = data(&mut sealer, &[]);
    assert_eq!(receive(&mut receiver, address(NEW), &eighth), [(1, address(NEW))]);
    // Said again, in case that nobody heard it.
    assert_eq!(moves(&mut receiver, &mut sealer, NEW, 100), [8, 24, 56]);
    receiver.inbound.set_endpoint(address(NEW));
    assert_eq!(moves(&mut receiver, &mut sealer, NEW, 100), []);
    assert_eq!(moves(&mut receiver, &mut sealer, OLD, 8), [8], "and back");
}

#[test]
fn over_ipv6_as_well() {
    let (mut receiver, mut sealer) = settled();
    let new: SocketAddr = "[2001:db8::2]:1405".parse().unwrap();
    let reported: Vec<_> = (0..8)
        .flat_map(|_| {
            let datagram = data(&mut sealer, &[]);
            receive(&mut receiver, new, &datagram)
        })
        .collect();
    assert_eq!(reported, [(1, new)]);
}

#[test]
fn a_port_is_another_source() {
    let (mut receiver, mut sealer) = settled();
    let mut new = address(OLD);
    new.set_port(9);
    for number in 1..=8 {
        let datagram = data(&mut sealer, &[]);
        assert_eq!(receive(&mut receiver, new, &datagram).len(), usize::from(number == 8));
    }
}

#[test]
fn two_new_sources_in_turn_are_no_row() {
    let (mut receiver, mut sealer) = settled();
    for _ in 0..6 {
        assert_eq!(moves(&mut receiver, &mut sealer, NEW, 7), []);
        assert_eq!(moves(&mut receiver, &mut sealer, OTHER, 1), []);
    }
    assert_eq!(moves(&mut receiver, &mut sealer, NEW, 8), [8]);
}

#[test]
fn one_that_is_not_above_every_one_before_starts_the_run_again() {
    let (mut receiver, mut sealer) = settled();
    let late = data(&mut sealer, &[]);
    assert_eq!(moves(&mut receiver, &mut sealer, NEW, 7), []);
    assert_eq!(receive(&mut receiver, address(NEW), &late), [], "it opens, and is not the newest");
    assert_eq!(moves(&mut receiver, &mut sealer, NEW, 8), [8]);
}

#[test]
fn one_under_another_key_starts_the_run_again() {
    let (mut receiver, mut sealer) = settled();
    let mut next = receiver.install(2);
    receiver.inbound.set_current(2);
    assert_eq!(moves(&mut receiver, &mut next, NEW, 7), []);
    assert_eq!(moves(&mut receiver, &mut sealer, NEW, 1), [], "under the previous key");
    assert_eq!(moves(&mut receiver, &mut next, NEW, 8), [8]);
    // Nor is there a row under a key that is not the current one.
    assert_eq!(moves(&mut receiver, &mut sealer, OTHER, 20), []);
}

#[test]
fn promise_roaming_copies_ahead_of_the_originals_move_nothing() {
    let (mut receiver, mut sealer) = settled();
    for _ in 0..50 {
        let datagram = data(&mut sealer, &[]);
        assert_eq!(receive(&mut receiver, address(OTHER), &datagram), []);
        assert_eq!(receive(&mut receiver, address(OLD), &datagram), []);
    }
    // Nor if only the seventh original follows.
    for _ in 0..10 {
        let datagrams: Vec<_> = (0..7).map(|_| data(&mut sealer, &[])).collect();
        for datagram in &datagrams {
            assert_eq!(receive(&mut receiver, address(OTHER), datagram), []);
        }
        assert_eq!(receive(&mut receiver, address(OLD), &datagrams[2]), []);
    }
}

#[test]
fn originals_that_were_overtaken_end_the_run() {
    let (mut receiver, mut sealer) = settled();
    let mut datagrams: Vec<_> = (0..8).map(|_| data(&mut sealer, &[])).collect();
    let original = datagrams.remove(3);
    for datagram in &datagrams {
        assert_eq!(receive(&mut receiver, address(OTHER), datagram), []);
    }
    assert_eq!(receive(&mut receiver, address(OLD), &original), [], "never copied, from within the run");
    assert_eq!(moves(&mut receiver, &mut sealer, OTHER, 7), []);
}

#[test]
fn what_was_sent_before_the_run_does_not_end_it() {
    let (mut receiver, mut sealer) = settled();
    let (late, copy) = (data(&mut sealer, &[]), data(&mut sealer, &[]));
    assert_eq!(receive(&mut receiver, address(OLD), &copy), []);
    assert_eq!(moves(&mut receiver, &mut sealer, NEW, 7), []);
    assert_eq!(receive(&mut receiver, address(OLD), &late), []);
    assert_eq!(receive(&mut receiver, address(OLD), &copy), []);
    assert_eq!(moves(&mut receiver, &mut sealer, NEW, 1), [1]);
}

#[test]
fn what_only_looks_like_a_copy_does_not_end_it() {
    let (mut receiver, mut sealer) = settled();
    assert_eq!(moves(&mut receiver, &mut sealer, NEW, 6), []);
    let mut forged = data(&mut sealer, &[]);
    assert_eq!(receive(&mut receiver, address(NEW), &forged), []);
    // Beyond what the mask is made from.
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(receive(&mut receiver, address(OLD), &forged), []);
    assert_eq!(moves(&mut receiver, &mut sealer, NEW, 1), [1]);
}

#[test]
fn right_after_confirmation_the_old_endpoint_ends_nothing() {
    // Whoever copied the datagram that confirmed is the endpoint; the client's own row takes it back.
    let (mut receiver, mut sealer) = confirmed();
    let mut reported = Vec::new();
    for _ in 0..8 {
        let datagram = data(&mut sealer, &[]);
        reported.extend(receive(&mut receiver, address(NEW), &datagram));
        assert_eq!(receive(&mut receiver, address(OLD), &datagram), []);
    }
    assert_eq!(reported, [(1, address(NEW))]);
    // Once it has moved for that, it is as settled as any.
    receiver.inbound.set_endpoint(address(NEW));
    for _ in 0..20 {
        let datagram = data(&mut sealer, &[]);
        assert_eq!(receive(&mut receiver, address(OTHER), &datagram), []);
        assert_eq!(receive(&mut receiver, address(NEW), &datagram), []);
    }
}

#[test]
fn a_rekey_moves_nothing_and_begins_every_run_anew() {
    let (mut receiver, mut sealer) = settled();
    assert_eq!(moves(&mut receiver, &mut sealer, NEW, 7), []);
    let mut next = receiver.install(2);
    assert_eq!(moves(&mut receiver, &mut next, NEW, 9), [], "not the current key yet");
    receiver.inbound.set_current(2);
    assert_eq!(moves(&mut receiver, &mut next, NEW, 8), [8]);
}

#[test]
fn a_client_never_roams_its_server() {
    let mut receiver = Receiver::client(address(OLD));
    let mut sealer = receiver.install(1);
    receiver.inbound.set_current(1);
    assert_eq!(moves(&mut receiver, &mut sealer, OLD, 10), []);
    assert_eq!(moves(&mut receiver, &mut sealer, NEW, 100), []);
    assert_eq!(receiver.counters().unknown, 100, "from another source nothing is even tried");
}
