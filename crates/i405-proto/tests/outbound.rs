//! Slots one by one: under which key, with which contents, and to where they leave.

use std::net::SocketAddr;

use i405_proto::challenge::{Challenge, Challenges, SLOTS_PER_CHALLENGE};
use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::{Head, KIND_RESPONSE, VERSION, Wrapper};
use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::outbound::{
    CLOSE_SLOTS, Contents, NO_SESSION, Notices, Outbound, Prepared, SealedSlot, SealedUnder, SendingSession,
};
use i405_proto::packer::InnerQueue;
use i405_proto::seal::{Opener, Sealer};

const N: usize = 100;
/// Of the payload, after BlockOffset.
const BODY: usize = N - 4 - 2 - 16;
const THROWAWAY: u8 = 0;

fn keys(fill: u8) -> DirectionKeys {
    DirectionKeys { key: [fill; 32], iv: [fill; 12], mask: [fill; 32] }
}

fn endpoint(last: u8) -> Endpoint {
    SocketAddr::from(([192, 0, 2, last], 1405)).into()
}

/// IPv4 packets of these lengths, the last first.
struct Queue(Vec<u16>);

impl InnerQueue for Queue {
    fn next_len(&mut self) -> Option<usize> {
        self.0.last().map(|length| usize::from(*length))
    }

    fn read(&mut self, into: &mut [u8]) {
        let length = self.0.pop().expect("`next_len` said that there is one");
        into.fill(length as u8);
        into[0] = 0x45;
        into[2..4].copy_from_slice(&length.to_be_bytes());
    }
}

/// An outbound half, its queue, and the key of the session that it sends under.
struct Sending {
    outbound: Outbound,
    queue: Queue,
    session: u8,
}

/// A slot as it left.
#[derive(Debug, PartialEq, Eq)]
struct Built {
    endpoint: Endpoint,
    bytes: Vec<u8>,
    contents: Contents,
    under: SealedUnder,
    notices: Notices,
}

impl Sending {
    fn new() -> Self {
        let throwaway = Sealer::new(Aead::Aes256Gcm, keys(THROWAWAY));
        Sending { outbound: Outbound::new(throwaway, N), queue: Queue(Vec::new()), session: THROWAWAY }
    }

    fn with_session(announce_stamp: Option<u64>) -> Self {
        let mut sending = Sending::new();
        sending.send_under(1, announce_stamp);
        sending
    }

    fn send_under(&mut self, generation: u8, announce_stamp: Option<u64>) -> Option<u32> {
        let sealer = Sealer::new(Aead::Aes256Gcm, keys(generation));
        let session = SendingSession { generation: generation.into(), sealer, announce_stamp };
        self.session = generation;
        self.outbound.set_session(Some(Box::new(session))).map(|old| old.generation)
    }

    fn build(&mut self, prepared: Option<&Prepared>) -> Built {
        let (slot, notices) = self.outbound.build(endpoint(1), prepared, &mut self.queue);
        let SealedSlot { endpoint, datagram, contents, under } = slot;
        Built { endpoint, bytes: datagram.to_vec(), contents, under, notices }
    }

    /// Builds a slot and opens it under the session's key; its counter must be this. Returns the payload.
    fn data(&mut self, counter: u32) -> Vec<u8> {
        let built = self.build(None);
        open(self.session, counter, &built.bytes).expect("a data datagram of the session")
    }
}

fn open(key: u8, counter: u32, datagram: &[u8]) -> Option<Vec<u8>> {
    let opener = Opener::new(Aead::Aes256Gcm, keys(key));
    let mut scratch = vec![0; datagram.len()];
    if opener.counter(datagram) != counter {
        return None;
    }
    opener.open(counter, datagram, &mut scratch).map(<[u8]>::to_vec)
}

fn prepared(length: usize) -> Prepared {
    let head = Head { version: VERSION, kind: KIND_RESPONSE, fragment: 0, stamp: 7 };
    let mut bytes = vec![0; length].into_boxed_slice();
    Wrapper::new(&[8; 32], &[9; 32]).wrap(&head, &[1; 500], &[5; 16], &mut bytes);
    Prepared { endpoint: endpoint(2), bytes }
}

const ANNOUNCED: [u8; 9] = [0xF3, 0, 6, 1, 2, 3, 4, 5, 6];
const STAMP: u64 = 0x0102_0304_0506;
const CLOSE: [u8; 3] = [0xF4, 0, 0];

#[test]
fn without_a_session_packets_wait_and_slots_are_cover() {
    let mut sending = Sending::new();
    sending.queue.0.push(40);
    for counter in 0..5 {
        let built = sending.build(None);
        assert_eq!((built.contents, built.endpoint), (Contents::Cover, endpoint(1)));
        assert_eq!(built.notices, Notices::default());
        assert_eq!(built.under.generation, NO_SESSION);
        assert_eq!(open(THROWAWAY, counter, &built.bytes), Some(vec![0; BODY + 2]));
    }
    assert_eq!(sending.queue.0, [40]);
    assert_eq!(sending.outbound.generation(), None);
}

#[test]
fn contents_say_what_a_slot_carries() {
    let mut sending = Sending::with_session(None);
    sending.queue.0.extend([100, 30, 20]);
    let built = sending.build(None);
    assert_eq!(built.contents, Contents::Carrying { packets: 3, bytes: BODY as u32 });
    let built = sending.build(None);
    assert_eq!(built.contents, Contents::Carrying { packets: 0, bytes: 150 - BODY as u32 });
    assert_eq!(sending.build(None).contents, Contents::Cover);
    assert_eq!(sending.data(3), [0; BODY + 2]);
}

#[test]
fn a_packet_under_way_starts_again_under_another_key() {
    let mut sending = Sending::with_session(None);
    sending.queue.0.push(BODY as u16 + 10);
    let first = sending.data(0);
    assert_eq!(sending.send_under(2, None), Some(1));
    assert_eq!(sending.outbound.generation(), Some(2));
    assert_eq!(sending.data(0), first);
    assert_eq!(sending.data(1)[..2], [0, 10]);

    // Also with slots without a session in between.
    sending.queue.0.push(BODY as u16 + 10);
    let first = sending.data(2);
    assert!(sending.outbound.set_session(None).is_some());
    assert_eq!(sending.build(None).contents, Contents::Cover);
    assert_eq!(sending.send_under(3, None), None);
    assert_eq!(sending.data(0), first);
}

#[test]
fn the_stamp_is_announced_until_a_datagram_opened() {
    let mut sending = Sending::with_session(Some(STAMP));
    sending.queue.0.extend([40; 10]);
    for counter in 0..4 {
        assert_eq!(sending.data(counter)[2..11], ANNOUNCED);
    }
    // One of an older session says nothing about this one.
    sending.outbound.opened(0);
    assert_eq!(sending.data(4)[2..11], ANNOUNCED);
    sending.outbound.opened(1);
    assert_eq!(sending.data(5)[2], 0x45);
}

#[test]
fn the_next_session_announces_its_own_stamp_or_none() {
    let mut sending = Sending::with_session(Some(STAMP + 1));
    sending.data(0);
    sending.send_under(2, Some(STAMP));
    assert_eq!(sending.data(0)[2..11], ANNOUNCED);
    sending.send_under(3, None);
    assert_eq!(sending.data(0)[2..], [0; BODY]);
    sending.outbound.opened(3);
    assert_eq!(sending.data(1)[2..], [0; BODY]);
}

#[test]
fn while_a_stamp_is_announced_no_packet_runs_over() {
    let mut sending = Sending::with_session(Some(STAMP));
    sending.queue.0.extend([70, 69]);
    for counter in 0..2 {
        let payload = sending.data(counter);
        assert_eq!((&payload[..2], &payload[2..11]), (&[0, 0][..], &ANNOUNCED[..]));
    }
    assert_eq!(sending.queue.0, [70], "69 bytes fit beside the announcement, 70 don't");
    sending.outbound.opened(1);
    assert_eq!(sending.data(2)[2], 0x45);
    assert_eq!(sending.queue.0, [0; 0]);
}

#[test]
fn a_close_is_said_in_eight_slots_and_told_with_the_last() {
    let mut sending = Sending::with_session(None);
    sending.data(0);
    sending.outbound.say_close();
    for slot in 1..=CLOSE_SLOTS {
        let built = sending.build(None);
        assert_eq!(open(1, slot, &built.bytes).unwrap()[2..5], CLOSE);
        assert_eq!(built.notices.close_said, slot == CLOSE_SLOTS);
    }
    let after = sending.build(None);
    assert!(!after.notices.close_said);
    assert_eq!(open(1, CLOSE_SLOTS + 1, &after.bytes), Some(vec![0; BODY + 2]));
}

#[test]
fn a_close_waits_for_no_packet() {
    let mut sending = Sending::with_session(None);
    sending.queue.0.extend([20, 9000]);
    sending.data(0);
    sending.outbound.say_close();
    let payload = sending.data(1);
    // BlockOffset 0: the receiver drops what it has of the packet.
    assert_eq!((&payload[..2], &payload[2..5], payload[5]), (&[0, 0][..], &CLOSE[..], 0x45));
}

#[test]
fn a_close_stands_behind_the_stamp() {
    let mut sending = Sending::with_session(Some(STAMP));
    sending.outbound.say_close();
    assert_eq!(sending.data(0)[2..14], [&ANNOUNCED[..], &CLOSE[..]].concat());
}

#[test]
fn handshake_slots_count_for_no_close() {
    let mut sending = Sending::with_session(None);
    let copy = prepared(N);
    sending.outbound.set_carousel(2);
    sending.outbound.say_close();
    for slot in 0..2 * CLOSE_SLOTS {
        let built = sending.build(Some(&copy));
        assert_eq!(built.contents == Contents::Handshake, slot % 2 == 0);
        assert_eq!(built.notices.close_said, slot == 2 * CLOSE_SLOTS - 1);
    }
}

#[test]
fn without_a_session_a_close_is_said_at_once() {
    let mut sending = Sending::new();
    sending.outbound.say_close();
    assert!(sending.build(None).notices.close_said);
    assert!(!sending.build(None).notices.close_said);
    // A session that comes later has nothing left to say.
    sending.send_under(1, None);
    assert_eq!(sending.data(0)[2..], [0; BODY]);
}

#[test]
fn every_eighth_slot_is_the_carousels() {
    let mut sending = Sending::with_session(None);
    let copy = prepared(N);
    sending.queue.0.extend([BODY as u16; 100]);
    sending.outbound.set_carousel(8);
    let mut counter = 0;
    for slot in 0..40 {
        assert_eq!(sending.outbound.wants_handshake(), slot % 8 == 0);
        let built = sending.build(Some(&copy));
        if slot % 8 == 0 {
            assert_eq!((built.contents, built.endpoint), (Contents::Handshake, endpoint(2)));
            assert_eq!(built.bytes[..], copy.bytes[..]);
            assert_eq!(built.under.generation, NO_SESSION);
        } else {
            assert_eq!(built.under, SealedUnder { generation: 1, counter });
            assert_eq!(built.contents, Contents::Carrying { packets: 1, bytes: BODY as u32 });
            assert_eq!(built.endpoint, endpoint(1));
            assert!(open(1, counter, &built.bytes).is_some(), "handshake slots take no counter of the session");
            counter += 1;
        }
    }
    sending.outbound.set_carousel(0);
    assert!(!sending.outbound.wants_handshake());
    assert!(sending.build(Some(&copy)).contents != Contents::Handshake);
}

#[test]
fn a_new_carousel_begins_at_once() {
    let mut sending = Sending::with_session(None);
    sending.outbound.set_carousel(8);
    sending.build(None);
    assert!(!sending.outbound.wants_handshake());
    sending.outbound.set_carousel(8);
    assert!(sending.outbound.wants_handshake());
}

#[test]
fn a_handshake_slot_seals_cover_all_the_same() {
    let mut sending = Sending::with_session(None);
    let copy = prepared(N);
    sending.outbound.set_carousel(1);
    for _ in 0..3 {
        assert_eq!(sending.build(Some(&copy)).bytes[..], copy.bytes[..]);
    }
    // What it sealed is still in the buffer that it was built in: the third under the throwaway key.
    let mut buffers = [vec![0; N].into_boxed_slice(), vec![0; N].into_boxed_slice()];
    sending.outbound.swap_buffers(&mut buffers);
    assert!(open(THROWAWAY, 2, &buffers[0]).is_some());
    assert_eq!(buffers[1], copy.bytes);
    assert!(sending.outbound.set_session(None).is_some());
    assert!(open(THROWAWAY, 3, &sending.build(None).bytes).is_some());
}

#[test]
fn a_copy_that_is_missing_or_of_another_length_is_no_handshake_slot() {
    let mut sending = Sending::with_session(None);
    sending.outbound.set_carousel(1);
    for (counter, copy) in [None, Some(prepared(N - 1)), Some(prepared(N + 1))].iter().enumerate() {
        let built = sending.build(copy.as_ref());
        assert_eq!((built.contents, built.endpoint), (Contents::Cover, endpoint(1)));
        assert!(open(1, counter as u32, &built.bytes).is_some());
    }
}

#[test]
fn another_schedules_buffer_has_its_length() {
    let mut sending = Sending::with_session(None);
    sending.queue.0.push(120);
    sending.data(0);
    let mut buffers = [vec![1; 52].into_boxed_slice(), vec![2; 52].into_boxed_slice()];
    sending.outbound.swap_buffers(&mut buffers);
    assert_eq!(buffers.map(|old| old.len()), [N, N]);
    assert_eq!(sending.outbound.datagram_length(), 52);
    let payload = sending.data(1);
    assert_eq!((payload.len(), &payload[..2]), (32, &[0, 120 - BODY as u8][..]));
}

#[test]
fn every_slot_leaves_from_one_buffer_whatever_is_in_it() {
    let mut sending = Sending::with_session(None);
    sending.outbound.set_carousel(2);
    sending.queue.0.extend([BODY as u16; 2]);
    let copy = prepared(N);
    let buffer = sending.outbound.leaving().as_ptr();
    let mut seen = Vec::new();
    for slot in 0..6 {
        let (sealed, _) = sending.outbound.build(endpoint(1), (slot != 4).then_some(&copy), &mut sending.queue);
        assert_eq!(sealed.datagram.as_ptr(), buffer);
        seen.push(std::mem::discriminant(&sealed.contents));
        let leaves = sealed.datagram.to_vec();
        assert_eq!(sending.outbound.leaving(), leaves);
        assert_eq!(leaves == *copy.bytes, slot % 2 == 0 && slot != 4);
    }
    seen.sort_by_key(|kind| format!("{kind:?}"));
    seen.dedup();
    assert_eq!(seen.len(), 3, "handshake, full and cover slots");
    // A dispatcher that sends on another core takes the slot with its buffer.
    let taken = sending.outbound.replace_leaving(vec![0; N].into_boxed_slice());
    assert_eq!(taken.as_ptr(), buffer);
    assert_eq!(sending.outbound.replace_leaving(vec![7; N - 1].into_boxed_slice()), vec![7; N - 1].into());
}

#[test]
fn a_spare_throwaway_key_waits_its_turn() {
    let mut sending = Sending::new();
    sending.outbound.give_throwaway(Box::new(Sealer::new(Aead::Aes256Gcm, keys(9))));
    for counter in 0..3 {
        let built = sending.build(None);
        assert!(!built.notices.wants_throwaway);
        assert!(open(THROWAWAY, counter, &built.bytes).is_some());
    }
}

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
    assert_eq!(sending.build(Some(&prepared(N))).contents, Contents::Handshake);
    sending.outbound.set_carousel(0);
    assert_eq!(sending.data(5)[2..13], numbered(ECHO, 6));
}
