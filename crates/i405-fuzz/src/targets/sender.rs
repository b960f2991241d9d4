//! The whole sending side. Whatever keys, packets, carousels and closes come, each slot is one datagram of the length,
//! and no counter is used twice. Every packet leaves once and in order. A close is said eight times, and from the first
//! one on no packet leaves.

use std::net::SocketAddr;

use i405_proto::endpoint::Endpoint;
use i405_proto::keys::{Aead, DIRECTION_KEY_BYTES, DirectionKeys};
use i405_proto::outbound::{CLOSE_SLOTS, Contents, HandshakeCopy, Outbound, SendingSession};
use i405_proto::packer::{CONTROL_CLOSE, CONTROL_NEWEST_STAMP};
use i405_proto::seal::{MIN_DATAGRAM, Opener, Sealer};
use i405_proto::unpacker::{BlockSink, Unpacker};

use super::round_trip::Waiting;
use crate::packet::number_of;
use crate::program::Program;

/// The other end of one generation.
struct Receiving {
    opener: Opener,
    unpacker: Unpacker,
    next: u32,
}

/// What came out of all generations.
#[derive(Default)]
struct Arrived {
    packets: Vec<u32>,
    closes: u32,
    stamps: Vec<u64>,
}

impl BlockSink for Arrived {
    fn packet(&mut self, inner: &[u8]) {
        self.packets.push(number_of(inner));
    }

    fn control(&mut self, kind: u8, body: &[u8]) {
        match kind {
            CONTROL_CLOSE => self.closes += 1,
            CONTROL_NEWEST_STAMP => self.stamps.push(body.iter().fold(0, |stamp, byte| stamp << 8 | u64::from(*byte))),
            other => panic!("control block {other} was never given"),
        }
    }
}

fn address(port: u16) -> Endpoint {
    SocketAddr::from(([192, 0, 2, 1], port)).into()
}

fn keys(generation: u32) -> DirectionKeys {
    DirectionKeys::from_bytes(&[generation as u8; DIRECTION_KEY_BYTES])
}

/// A length of datagrams, then a program of what can happen between slots.
pub fn run(data: &[u8]) {
    let mut program = Program::new(data);
    let n = MIN_DATAGRAM + program.below(400);
    let aead = if program.odd() { Aead::Aes256Gcm } else { Aead::ChaCha20Poly1305 };
    let throwaway = |seed: u8| Sealer::throwaway(aead, &[seed; DIRECTION_KEY_BYTES]);
    let mut outbound = Outbound::new(throwaway(255), n);
    let (mut waiting, mut arrived, mut receiving) = (Waiting::default(), Arrived::default(), None::<Receiving>);
    let (mut generation, mut packets, mut given_up) = (0, 0, 0);
    let (mut announced, mut close_left, mut slot, mut every) = (None, 0, 0, 0);
    let mut scratch = vec![0; n];
    while program.more() {
        let how = program.byte();
        match how & 7 {
            0 | 1 if packets < 10_000 => {
                waiting.push(packets, program.below(1500));
                packets += 1;
            }
            2 if how & 8 == 0 && generation < 250 => {
                generation += 1;
                announced = (how & 16 != 0).then(|| u64::from(program.word()));
                let sealer = Sealer::new(aead, keys(generation));
                outbound.set_session(Some(Box::new(SendingSession { generation, sealer, announce_stamp: announced })));
                let opener = Opener::new(aead, keys(generation));
                receiving = Some(Receiving { opener, unpacker: Unpacker::new(), next: 0 });
            }
            2 => {
                outbound.set_session(None);
                receiving = None;
            }
            3 => {
                every = u32::from(how >> 3 & 3);
                outbound.set_carousel(every);
                slot = 0;
            }
            4 if how & 0xf0 == 0 => {
                outbound.say_close();
                given_up += 1;
                close_left = CLOSE_SLOTS;
            }
            4 => {
                outbound.opened(u32::from(how >> 4));
                announced = announced.filter(|_| generation > u32::from(how >> 4));
            }
            5 if how & 8 == 0 => outbound.give_throwaway(Box::new(throwaway(how))),
            _ => {}
        }
        let copy = (how & 0x40 != 0).then(|| HandshakeCopy {
            endpoint: address(2),
            bytes: vec![how; if how & 0x20 == 0 { n } else { n + 1 }].into_boxed_slice(),
        });
        let turn = every != 0 && slot % every == 0;
        slot += 1;
        assert_eq!(outbound.generation(), receiving.is_some().then_some(generation));
        let mut asked = false;
        let take = || {
            asked = true;
            copy.as_ref()
        };
        let built = outbound.build(address(1), take, &mut waiting);
        let datagram = outbound.leaving();
        assert_eq!((asked, datagram.len()), (turn, n));
        assert!(!outbound.wants_throwaway() && outbound.exhausted().is_none(), "few datagrams");
        if let Some(copy) = copy.as_ref().filter(|copy| turn && copy.bytes.len() == n) {
            assert_eq!((datagram, built.endpoint), (&*copy.bytes, copy.endpoint));
            assert_eq!(built.contents, Contents::Handshake);
            assert!(!built.close_said || receiving.is_none());
            if built.close_said {
                close_left = 0;
            }
            continue;
        }
        assert_eq!(built.endpoint, address(1));
        let Some(receiving) = &mut receiving else {
            assert_eq!(built.contents, Contents::Cover);
            assert_eq!(built.close_said, close_left > 0);
            close_left = 0;
            continue;
        };
        assert_eq!(receiving.opener.counter(datagram), receiving.next, "counters rise by one");
        let payload = receiving.opener.open(receiving.next, datagram, &mut scratch).expect("it was sealed");
        receiving.next += 1;
        let (closes, stamps) = (arrived.closes, arrived.stamps.len());
        receiving.unpacker.payload(payload, true, &mut arrived);
        assert!(arrived.stamps[stamps..].iter().all(|stamp| Some(*stamp) == announced), "another stamp than announced");
        let said = arrived.closes - closes;
        assert!(said <= 1 && (said == 0 || close_left > 0), "a close that nobody asked for");
        close_left -= said;
        assert!(given_up == 0 || built.contents == Contents::Cover, "a packet after a close");
        assert_eq!(built.close_said, said == 1 && close_left == 0);
    }
    assert!(arrived.packets.is_sorted_by(|one, next| one < next), "out of order or twice: {:?}", arrived.packets);
    // Without gaps, but for what each close gave up.
    let gaps = arrived.packets.last().map_or(0, |last| *last as usize + 1 - arrived.packets.len());
    assert!(gaps <= given_up, "{gaps} packets are missing, {given_up} were given up");
}
