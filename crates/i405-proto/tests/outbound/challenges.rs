//! Challenges and echoes: to whom, in which slots, and beside what.

use crate::support::*;
use i405_proto::challenge::{Challenge, Challenges, SLOTS_PER_CHALLENGE};
use i405_proto::outbound::Contents;

const ECHO: u8 = 0xF6;
const CHALLENGE: u8 = 0xF5;

fn challenges(every_slots: u32, sources: &[(u8, u32)]) -> Box<Challenges> {
    let mut challenges = Challenges { every_slots, ..Challenges::NONE };
    for (place, (last, datagrams)) in challenges.sources.iter_mut().zip(sources) {
        *place = Some(Challenge { source: endpoint(*last), token: u64::from(*last), datagrams: *datagrams });
    }
    Box::new(challenges)
}

/// A control block with this number.
fn numbered(kind: u8, number: u8) -> [u8; 11] {
    [kind, 0, 8, 0, 0, 0, 0, 0, 0, 0, number]
}

impl Sending {
    /// The sources that so many slots are challenges for; 0: none.
    fn asked(&mut self, from: u32, count: u32) -> Vec<u8> {
        let slot = |counter| {
            let built = self.build(None);
            let payload = open(self.session, counter, &built.bytes).expect("a data datagram of the session");
            if payload[2] != CHALLENGE {
                assert_eq!(built.endpoint, endpoint(1));
                return 0;
            }
            assert_eq!(built.endpoint, endpoint(payload[12]));
            payload[12]
        };
        (from..from + count).map(slot).collect()
    }
}

#[test]
fn candidates_take_turns_and_one_alone_gets_packets_too() {
    let mut sending = Sending::with_session(None);
    sending.outbound.challenge(challenges(1, &[(7, u32::MAX), (8, u32::MAX), (9, u32::MAX)]));
    sending.queue.0.push(30);
    assert_eq!(sending.asked(0, 7), [7, 8, 9, 7, 8, 9, 7]);
    assert_eq!(sending.queue.0, [30], "which of them is the peer is not known");
    sending.outbound.challenge(challenges(1, &[(9, u32::MAX)]));
    let built = sending.build(None);
    assert_eq!((built.endpoint, built.contents), (endpoint(9), Contents::Carrying { packets: 1, bytes: 30 }));
    let payload = open(1, 7, &built.bytes).unwrap();
    assert_eq!((&payload[2..13], payload[13]), (&numbered(CHALLENGE, 9)[..], 0x45));
    sending.outbound.challenge(Box::new(Challenges::NONE));
    assert_eq!(sending.asked(8, 3), [0, 0, 0]);
}

#[test]
fn later_an_eighth_of_the_slots_and_so_many_for_each() {
    let mut sending = Sending::with_session(None);
    sending.outbound.challenge(challenges(SLOTS_PER_CHALLENGE, &[(7, 2), (8, 1)]));
    let asked = sending.asked(0, 64);
    let at: Vec<_> = asked.iter().enumerate().filter(|(_, who)| **who != 0).map(|(slot, who)| (slot, *who)).collect();
    assert_eq!(at, [(0, 7), (8, 8), (16, 7)]);
    // More for one that stays, nothing anew.
    sending.outbound.challenge(challenges(SLOTS_PER_CHALLENGE, &[(8, 2), (7, 2)]));
    assert_eq!(sending.asked(64, 64).iter().filter(|who| **who != 0).collect::<Vec<_>>(), [&8]);
}

#[test]
fn a_packet_under_way_starts_again_behind_a_challenge_for_somebody_else() {
    let mut sending = Sending::with_session(None);
    sending.queue.0.push(200);
    let first = sending.data(0);
    sending.outbound.challenge(challenges(SLOTS_PER_CHALLENGE, &[(7, 1)]));
    let apart = sending.build(None);
    assert_eq!((apart.endpoint, apart.contents), (endpoint(7), Contents::Cover));
    let payload = open(1, 1, &apart.bytes).unwrap();
    assert_eq!((&payload[..2], &payload[2..13]), (&[0, 0][..], &numbered(CHALLENGE, 7)[..]));
    assert!(payload[13..].iter().all(|byte| *byte == 0), "nothing of what is tunnelled");
    assert_eq!(sending.data(2), first, "from its first byte, behind no continuation");
}

#[test]
fn the_endpoint_is_asked_in_its_own_slots() {
    let mut sending = Sending::with_session(None);
    let mut asking = challenges(SLOTS_PER_CHALLENGE, &[(7, 1)]);
    asking.endpoint_token = Some(5);
    sending.outbound.challenge(asking);
    assert_eq!(sending.build(None).endpoint, endpoint(7));
    for counter in 1..20 {
        assert_eq!(sending.data(counter)[2..13], numbered(CHALLENGE, 5));
    }
}

#[test]
fn an_echo_is_said_once_and_does_not_wait_for_the_packet_under_way() {
    let mut sending = Sending::with_session(Some(STAMP));
    sending.outbound.echo(3);
    sending.outbound.echo(4);
    let payload = sending.data(0);
    assert_eq!(payload[2..13], numbered(ECHO, 4), "the newest");
    assert_eq!(payload[13..22], ANNOUNCED);
    assert_eq!(sending.data(1)[2..11], ANNOUNCED);
    sending.outbound.opened(1);
    sending.queue.0.push(1000);
    let first = sending.data(2);
    sending.outbound.echo(5);
    let payload = sending.data(3);
    assert_eq!((&payload[..2], &payload[2..13]), (&[0, 0][..], &numbered(ECHO, 5)[..]));
    assert_eq!(sending.data(4), first, "the packet starts again");
    // A handshake slot can't say it, and a slot without a session neither: it waits.
    sending.outbound.echo(6);
    sending.outbound.set_carousel(1);
    assert_eq!(sending.build(Some(&copy(N))).contents, Contents::Handshake);
    sending.outbound.set_carousel(0);
    assert_eq!(sending.data(5)[2..13], numbered(ECHO, 6));
}
