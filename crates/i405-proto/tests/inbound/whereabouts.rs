//! Where a server believes its client to be, clause by clause of docs/protocol.md, "Sources".

use std::net::SocketAddr;

use i405_proto::block::CONTROL_ECHO;
use i405_proto::challenge::{Challenges, SLOTS_PER_CHALLENGE};
use i405_proto::endpoint::Endpoint;
use i405_proto::inbound::Believed;
use i405_proto::seal::Sealer;

use crate::support::{Event, MS, Receiver, address, control, data};

pub const OLD: u8 = 1;
pub const NEW: u8 = 2;
pub const OTHER: u8 = 3;

/// A server with a client, whoever sends in its name, and what the sender was told last.
pub struct Bench {
    pub receiver: Receiver,
    sealer: Sealer,
    challenges: Challenges,
}

impl Bench {
    /// Session 1 is confirmed by a datagram from there.
    fn confirmed(from: u8) -> Self {
        let mut receiver = Receiver::server();
        let sealer = receiver.install(1);
        let mut bench = Bench { receiver, sealer, challenges: Challenges::NONE };
        bench.fresh(from);
        bench.receiver.inbound.set_current(1);
        bench.receiver.inbound.ask(1, address(from).into(), bench.receiver.now_ns);
        bench.look();
        bench
    }

    /// And believed to be there.
    pub fn settled() -> Self {
        let mut bench = Self::confirmed(OLD);
        assert_eq!(bench.echo(OLD), Some(believed(Some(1), OLD)));
        assert_eq!(bench.challenged(), []);
        // Heard from there: the echo came from somewhere else.
        bench.fresh(OLD);
        bench
    }

    fn look(&mut self) {
        if let Some(newest) = self.receiver.inbound.take_challenges() {
            self.challenges = newest;
        }
    }

    fn receive(&mut self, from: impl Into<Endpoint>, datagram: &[u8]) {
        self.receiver.now_ns += MS;
        self.receiver.receive(from, datagram);
        self.look();
    }

    /// A datagram of the client's that wasn't sent before.
    pub fn fresh(&mut self, from: u8) -> Vec<u8> {
        let datagram = data(&mut self.sealer, &[]);
        self.receive(address(from), &datagram);
        datagram
    }

    pub fn many(&mut self, from: u8, count: usize) {
        (0..count).for_each(|_| drop(self.fresh(from)));
    }

    /// Who is challenged, and how many datagrams each may get.
    pub fn challenged(&self) -> Vec<(SocketAddr, u32)> {
        let mut all: Vec<_> =
            self.challenges.sources.iter().flatten().map(|each| (each.source.address, each.datagrams)).collect();
        all.sort();
        all
    }

    pub fn is_challenged(&self, who: u8) -> bool {
        self.challenged().iter().any(|(source, _)| *source == address(who))
    }

    pub fn token(&self, of: u8) -> u64 {
        let is = |challenge: &&i405_proto::challenge::Challenge| challenge.source.address == address(of);
        self.challenges.sources.iter().flatten().find(is).expect("it is challenged").token
    }

    /// The client answers the challenge that went there, from somewhere else even.
    pub fn echo(&mut self, of: u8) -> Option<Believed> {
        let token = self.token(of);
        self.echo_of(token)
    }

    pub fn echo_of(&mut self, token: u64) -> Option<Believed> {
        let datagram = data(&mut self.sealer, &control(CONTROL_ECHO, &token.to_be_bytes()));
        self.receive(address(99), &datagram);
        self.receiver.inbound.take_believed()
    }
}

pub fn believed(confirmed: Option<u32>, source: u8) -> Believed {
    Believed { confirmed, source: address(source).into() }
}

#[test]
fn promise_source_believed_nothing_but_an_echo_moves_a_server() {
    let mut bench = Bench::confirmed(OLD);
    assert_eq!(bench.challenged(), [(address(OLD), u32::MAX)]);
    assert_eq!(bench.challenges.every_slots, 1, "each slot asks");
    bench.many(OLD, 1000);
    assert_eq!(bench.receiver.inbound.take_believed(), None);
    assert_eq!(bench.echo_of(7), None, "of a challenge that nobody made");
    assert_eq!(bench.echo(OLD), Some(believed(Some(1), OLD)));
    bench.many(NEW, 1000);
    assert_eq!(bench.receiver.inbound.take_believed(), None);
    assert_eq!(bench.echo(NEW), Some(believed(None, NEW)));
    bench.many(NEW, 1000);
    assert_eq!(bench.challenged(), []);
}

#[test]
fn an_echo_counts_while_its_challenge_stands_and_once() {
    let mut bench = Bench::confirmed(OLD);
    let token = bench.token(OLD);
    bench.echo(OLD).unwrap();
    assert_eq!(bench.echo_of(token), None);
    bench.many(NEW, 8);
    let token = bench.token(NEW);
    bench.fresh(OLD);
    assert_eq!(bench.challenged(), [], "heard from the endpoint");
    assert_eq!(bench.echo_of(token), None);
    for length in [0, 7, 9] {
        let datagram = data(&mut bench.sealer, &control(CONTROL_ECHO, &token.to_be_bytes().repeat(2)[..length]));
        bench.receive(address(OLD), &datagram);
    }
    assert_eq!(bench.receiver.inbound.take_believed(), None);
}

#[test]
fn candidates_are_where_the_response_went_and_where_the_session_is_heard_from() {
    let mut receiver = Receiver::server();
    for datagram in receiver.initiation(2000, 500) {
        for from in [OLD, 66] {
            receiver.now_ns += MS;
            receiver.receive(address(from), &datagram);
        }
    }
    let sealer = receiver.install(1);
    let mut bench = Bench { receiver, sealer, challenges: Challenges::NONE };
    bench.fresh(NEW);
    bench.receiver.inbound.set_current(1);
    bench.receiver.inbound.ask(1, address(NEW).into(), bench.receiver.now_ns);
    bench.look();
    assert_eq!(bench.challenged().len(), 3);
    // Copies join, up to four beside those two; who sends least makes way.
    let datagram = bench.fresh(NEW);
    for from in 70..90 {
        bench.receive(address(from), &datagram);
    }
    assert_eq!(bench.challenged().len(), 6);
    assert!([OLD, 66, NEW].into_iter().all(|who| bench.is_challenged(who)));
    for _ in 0..8 {
        let datagram = bench.fresh(70);
        bench.receive(address(OTHER), &datagram);
    }
    assert!(bench.is_challenged(OTHER), "the client's originals, behind the copies");
    assert_eq!(bench.echo(OTHER), Some(believed(Some(1), OTHER)));
}

#[test]
fn promise_roaming_a_run_of_eight_is_challenged() {
    let mut bench = Bench::settled();
    bench.many(NEW, 7);
    assert_eq!(bench.challenged(), []);
    bench.fresh(NEW);
    assert_eq!(bench.challenged(), [(address(NEW), 8)], "one for each that came");
    assert_eq!(bench.challenges.every_slots, SLOTS_PER_CHALLENGE);
    bench.fresh(NEW);
    assert_eq!(bench.challenged(), [(address(NEW), 9)]);
    bench.many(NEW, 1000);
    assert_eq!(bench.challenged(), [(address(NEW), 16)], "and sixteen at most");
    assert_eq!(bench.echo(NEW), Some(believed(None, NEW)));
}

#[test]
fn promise_roaming_copies_ahead_of_the_originals_get_the_challenge_share() {
    for lead in [1, 8, 20, 100] {
        let mut bench = Bench::settled();
        let mut sent: Vec<Vec<u8>> = Vec::new();
        let mut most = 0;
        // 9 s of slots of 1 ms: what is challenged is challenged once.
        for _ in 0..4500 {
            sent.push(bench.fresh(66));
            most = most.max(bench.challenged().iter().map(|(_, datagrams)| *datagrams).sum::<u32>());
            if sent.len() > lead {
                let original = sent.remove(0);
                bench.receive(address(OLD), &original);
            }
        }
        assert!(most <= 16, "lead {lead}: {most}");
        assert_eq!(bench.receiver.inbound.take_believed(), None);
        assert!(bench.challenged().is_empty() || lead >= 8, "the endpoint is heard");
    }
}

#[test]
fn the_endpoint_is_asked_too_and_its_answer_ends_it() {
    let mut bench = Bench::settled();
    bench.many(66, 20);
    let endpoint = bench.challenges.endpoint_token.expect("the endpoint is asked");
    let relayed = bench.token(66);
    assert_eq!(bench.echo_of(endpoint), None, "it stays where it is");
    assert_eq!((bench.challenged(), bench.challenges.endpoint_token), (vec![], None));
    assert_eq!(bench.echo_of(relayed), None);
}

#[test]
fn no_more_than_four_are_challenged_and_those_that_send_most() {
    let mut bench = Bench::settled();
    // One copy each of four, ahead of the client's, doesn't keep it out.
    for from in 60..70 {
        bench.fresh(from);
    }
    bench.many(NEW, 20);
    assert!(bench.is_challenged(NEW));
    assert!(bench.challenged().len() <= 4);
    assert_eq!(bench.echo(NEW), Some(believed(None, NEW)));
}

#[test]
fn what_was_sent_before_the_run_does_not_end_it_and_what_was_sent_in_it_does() {
    let mut bench = Bench::settled();
    let (late, copy) = (data(&mut bench.sealer, &[]), data(&mut bench.sealer, &[]));
    bench.receive(address(OLD), &copy);
    bench.many(NEW, 7);
    bench.receive(address(OLD), &late);
    bench.receive(address(OLD), &copy);
    let eighth = bench.fresh(NEW);
    assert!(bench.is_challenged(NEW));
    // Beyond what the mask is made from.
    let mut forged = eighth.clone();
    *forged.last_mut().unwrap() ^= 1;
    bench.receive(address(OLD), &forged);
    assert!(bench.is_challenged(NEW), "what only looks like a copy");
    bench.receive(address(OLD), &eighth);
    assert!(!bench.is_challenged(NEW));
}

#[test]
fn another_family_is_another_session() {
    let mut bench = Bench::settled();
    let new: SocketAddr = "[2001:db8::2]:1405".parse().unwrap();
    for _ in 0..100 {
        let datagram = data(&mut bench.sealer, &[]);
        bench.receive(new, &datagram);
    }
    assert_eq!(bench.challenged(), []);
}

#[test]
fn a_port_and_an_own_address_make_another_source() {
    let mut bench = Bench::settled();
    let mut new = address(OLD);
    new.set_port(9);
    for _ in 0..8 {
        let datagram = data(&mut bench.sealer, &[]);
        bench.receive(new, &datagram);
    }
    assert_eq!(bench.challenged(), [(new, 8)]);
    let own = |own: &str| Endpoint { address: address(OLD), local: Some(own.parse().unwrap()) };
    let (one, other) = (own("198.51.100.7"), own("198.51.100.8"));
    bench.receiver.inbound.set_endpoint(one);
    for _ in 0..8 {
        let datagram = data(&mut bench.sealer, &[]);
        bench.receive(other, &datagram);
    }
    let challenge = bench.challenges.sources.iter().flatten().next().copied().unwrap();
    assert_eq!(challenge.source, other);
    assert_eq!(bench.echo_of(challenge.token).unwrap().source, other);
}

#[test]
fn a_rekey_moves_nothing_and_begins_every_run_anew() {
    let mut bench = Bench::settled();
    bench.many(NEW, 7);
    let old = std::mem::replace(&mut bench.sealer, bench.receiver.install(2));
    bench.receiver.inbound.set_current(2);
    bench.many(NEW, 7);
    assert_eq!(bench.challenged(), []);
    let new = std::mem::replace(&mut bench.sealer, old);
    bench.many(OTHER, 20);
    assert_eq!(bench.challenged(), [], "under the previous key");
    bench.sealer = new;
    bench.fresh(NEW);
    assert!(bench.is_challenged(NEW));
    // And what is out stays out.
    bench.sealer = bench.receiver.install(3);
    bench.receiver.inbound.set_current(3);
    bench.look();
    assert_eq!(bench.echo(NEW), Some(believed(None, NEW)));
}

#[test]
fn a_session_that_ends_takes_its_challenges_along() {
    let mut bench = Bench::confirmed(OLD);
    let token = bench.token(OLD);
    bench.receiver.inbound.forget(1);
    bench.look();
    assert_eq!(bench.challenged(), []);
    bench.sealer = bench.receiver.install(2);
    bench.receiver.inbound.set_current(2);
    assert_eq!(bench.echo_of(token), None);
}

#[test]
fn a_client_is_asked_and_asks_nobody() {
    let mut receiver = Receiver::client(address(OLD));
    let mut sealer = receiver.install(1);
    receiver.inbound.set_current(1);
    let challenge = data(&mut sealer, &control(5, &7u64.to_be_bytes()));
    let events = receiver.receive(address(OLD), &challenge);
    assert!(events.contains(&Event::Challenged(7)), "{events:?}");
    for _ in 0..100 {
        let datagram = data(&mut sealer, &control(CONTROL_ECHO, &7u64.to_be_bytes()));
        receiver.receive(address(NEW), &datagram);
    }
    assert_eq!(receiver.counters().unknown, 100, "from another source nothing is even tried");
    assert_eq!((receiver.inbound.take_challenges(), receiver.inbound.take_believed()), (None, None));
}
