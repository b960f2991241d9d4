//! A control block that is said again and again: when, among what, and what happens to it at a new key.

use i405_proto::endpoint::Endpoint;
use std::net::SocketAddr;

use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::outbound::{CLOSE_SLOTS, HandshakeCopy, Outbound, RepeatedControl, SendingSession};
use i405_proto::packer::{CONTROL_CLOSE, CONTROL_NEWEST_STAMP, CONTROL_REKEY_INITIATION, InnerQueue};
use i405_proto::seal::{Opener, Sealer};
use i405_proto::unpacker::{BlockSink, Unpacker};

const EVERY: u32 = 5;
const REKEY: u8 = CONTROL_REKEY_INITIATION;

fn keys(fill: u8) -> DirectionKeys {
    DirectionKeys { key: [fill; 32], iv: [fill; 12], mask: [fill; 32] }
}

fn endpoint() -> Endpoint {
    SocketAddr::from(([192, 0, 2, 1], 1405)).into()
}

/// Lengths of packets that wait, the last first.
#[derive(Default)]
struct Queue(Vec<u16>);

impl InnerQueue for Queue {
    fn next_len(&mut self) -> Option<usize> {
        self.0.last().map(|length| usize::from(*length))
    }
    fn read(&mut self, into: &mut [u8]) {
        let length = self.0.pop().expect("`next_len` said that there is one");
        into.fill(0xEE);
        into[0] = 0x45;
        into[2..4].copy_from_slice(&length.to_be_bytes());
    }
}

/// What came whole out of one slot.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    packets: Vec<usize>,
    controls: Vec<(u8, usize)>,
    dropped: u32,
}

impl BlockSink for Read {
    fn packet(&mut self, inner: &[u8]) {
        self.packets.push(inner.len());
    }
    fn control(&mut self, kind: u8, body: &[u8]) {
        self.controls.push((kind, body.len()));
    }
}

/// An outbound half and a receiver of the generation that it sends under.
struct Pair {
    outbound: Outbound,
    queue: Queue,
    generation: u8,
    counter: u32,
    unpacker: Unpacker,
}

impl Pair {
    fn new(length: usize, announce_stamp: Option<u64>) -> Pair {
        let outbound = Outbound::new(Sealer::new(Aead::Aes256Gcm, keys(0)), length);
        let mut pair = Pair { outbound, queue: Queue::default(), generation: 0, counter: 0, unpacker: Unpacker::new() };
        pair.rekey(announce_stamp);
        pair
    }

    fn rekey(&mut self, announce_stamp: Option<u64>) {
        self.generation += 1;
        self.counter = 0;
        self.unpacker = Unpacker::new();
        let sealer = Sealer::new(Aead::Aes256Gcm, keys(self.generation));
        let session = SendingSession { generation: self.generation.into(), sealer, announce_stamp };
        self.outbound.set_session(Some(Box::new(session)));
    }

    fn repeat(&mut self, body: usize) -> Option<usize> {
        let control = RepeatedControl { kind: REKEY, body: vec![7; body].into(), every_slots: EVERY };
        self.outbound.repeat_control(Some(Box::new(control))).map(|old| old.body.len())
    }

    fn slot(&mut self) -> Read {
        self.outbound.build(endpoint(), || None, &mut self.queue);
        let datagram = self.outbound.leaving();
        let opener = Opener::new(Aead::Aes256Gcm, keys(self.generation));
        let mut scratch = vec![0; datagram.len()];
        let payload = opener.open(self.counter, datagram, &mut scratch).expect("under the session's key");
        self.counter += 1;
        let mut read = Read::default();
        read.dropped = self.unpacker.payload(payload, true, &mut read);
        read
    }

    /// Numbers of the slots, of `count`, in which the block was complete.
    fn said(&mut self, count: usize) -> Vec<usize> {
        (0..count).filter(|_| self.slot().controls.iter().any(|(kind, _)| *kind == REKEY)).collect()
    }
}

#[test]
fn it_is_said_at_once_and_then_every_so_many_slots() {
    let mut pair = Pair::new(200, None);
    assert_eq!(pair.said(3), [] as [usize; 0]);
    assert_eq!(pair.repeat(96), None);
    assert_eq!(pair.said(12), [0, 5, 10]);
    assert_eq!(pair.repeat(48), Some(96), "the new one at once, and the old one is given back");
    assert_eq!(pair.slot().controls, [(REKEY, 48)]);
    assert!(pair.outbound.repeat_control(None).is_some());
    assert_eq!(pair.said(12), [] as [usize; 0]);
}

#[test]
fn packets_go_on_beside_it_and_none_is_lost() {
    for length in [72, 100, 200, 1472] {
        let mut pair = Pair::new(length, None);
        pair.queue.0 = (0..60).map(|each| 40 + 23 * each).collect();
        let expected: Vec<usize> = pair.queue.0.iter().rev().map(|length| usize::from(*length)).collect();
        pair.repeat(96);
        let (mut packets, mut controls) = (Vec::new(), 0);
        for _ in 0..3_000 {
            let read = pair.slot();
            assert_eq!(read.dropped, 0);
            packets.extend(read.packets);
            controls += read.controls.len();
        }
        assert_eq!(packets, expected, "{length} bytes");
        assert!(controls > 100, "{controls} copies in datagrams of {length} bytes");
    }
}

#[test]
fn one_that_is_longer_than_a_slot_runs_over_and_begins_once() {
    let mut pair = Pair::new(72, None);
    pair.repeat(96);
    // 99 bytes in payloads of 50 behind the BlockOffset.
    assert_eq!(pair.said(12), [1, 6, 11]);
}

#[test]
fn a_new_key_gives_up_what_is_under_way_of_it_but_not_a_packet() {
    let mut pair = Pair::new(72, None);
    pair.repeat(96);
    assert_eq!(pair.slot(), Read::default(), "half of it is out");
    assert!(pair.outbound.repeat_control(None).is_some());
    pair.rekey(None);
    pair.queue.0.push(30);
    assert_eq!(pair.slot(), Read { packets: vec![30], ..Read::default() });

    pair.queue.0.push(90);
    assert_eq!(pair.slot(), Read::default());
    pair.rekey(None);
    assert_eq!(pair.slot(), Read::default(), "from its first byte");
    assert_eq!(pair.slot(), Read { packets: vec![90], ..Read::default() });
}

#[test]
fn a_close_is_said_its_eight_times_beside_it() {
    let mut pair = Pair::new(72, Some(9));
    pair.outbound.say_close();
    pair.repeat(96);
    let (mut others, mut own) = (Vec::new(), 0);
    for _ in 0..30 {
        let read = pair.slot();
        assert_eq!(read.dropped, 0);
        own += read.controls.iter().filter(|(kind, _)| *kind == REKEY).count();
        let kinds = read.controls.iter().map(|(kind, _)| *kind).filter(|kind| *kind != REKEY);
        others.push(kinds.collect::<Vec<u8>>());
    }
    assert_eq!(others.iter().flatten().filter(|kind| **kind == CONTROL_CLOSE).count(), CLOSE_SLOTS as usize);
    // Where the long block fills a slot the others wait for the next; nowhere else.
    let empty = others.iter().filter(|kinds| kinds.is_empty()).count();
    assert!(empty <= own && others.iter().filter(|kinds| kinds.contains(&CONTROL_NEWEST_STAMP)).count() == 30 - empty);
    assert!(own >= 5, "{own} copies");
}

#[test]
fn without_a_session_and_in_handshake_slots_it_waits() {
    let mut pair = Pair::new(200, None);
    pair.repeat(96);
    pair.outbound.set_session(None);
    let copy = HandshakeCopy { endpoint: endpoint(), bytes: vec![3; 200].into() };
    for _ in 0..4 {
        pair.outbound.build(endpoint(), || None, &mut pair.queue);
    }
    pair.rekey(None);
    pair.outbound.set_carousel(1);
    for _ in 0..4 {
        pair.outbound.build(endpoint(), || Some(&copy), &mut pair.queue);
    }
    pair.outbound.set_carousel(0);
    assert_eq!(pair.said(6), [0, 5]);
}
