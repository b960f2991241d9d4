//! Packer and unpacker together: everything arrives, and a lost payload costs only what it touched.

use super::support::{Controls, Queue, Sink, borrowed, packets};
use i405_proto::packer::Packer;
use i405_proto::unpacker::Unpacker;
use proptest::prelude::*;
use std::ops::Range;

fn lengths() -> impl Strategy<Value = usize> {
    // 52 is the payload at 100 bytes of IPv4; below it, every field is split everywhere.
    prop_oneof![3..10usize, 10..52usize, Just(52), 52..300usize, Just(1430), Just(1452)]
}

proptest! {
    #[test]
    fn everything_arrives_in_order(
        packets in packets(30),
        length in lengths(),
        controls in prop::collection::vec(prop::option::weighted(0.2, (1..6u8, 0..130usize)), 1..50),
    ) {
        let (mut packer, mut unpacker) = (Packer::new(), Unpacker::new());
        let (mut queue, mut sink) = (Queue::of(&packets), Sink::default());
        let (mut waiting, mut sent) = (Controls::new(), Controls::new());
        let mut controls = controls.into_iter();
        let (mut taken, mut bytes) = (0, 0);
        let mut payload = vec![0xEE; length];
        loop {
            if let Some(Some((kind, body))) = controls.next() {
                waiting.push((kind, vec![kind; body]));
            }
            let filled = packer.fill(&mut payload, &borrowed(&waiting), &mut queue);
            sent.extend(waiting.drain(..filled.controls));
            taken += filled.inner_packets as usize;
            bytes += filled.inner_bytes as usize;
            prop_assert_eq!(unpacker.payload(&payload, true, &mut sink), 0);
            let idle = filled.inner_bytes == 0 && filled.controls == 0 && payload[..2] == [0, 0];
            if idle && controls.len() == 0 {
                break;
            }
        }
        prop_assert_eq!(sink.packets(), &packets[..]);
        prop_assert_eq!(sink.controls(), sent);
        prop_assert!(waiting.is_empty());
        prop_assert_eq!((taken, bytes), (packets.len(), packets.iter().map(Vec::len).sum()));
    }

    #[test]
    fn lost_payload_costs_only_what_it_touched(
        packets in packets(40),
        length in prop_oneof![60..300usize, Just(1430)],
        lost in prop::collection::vec(prop::bool::weighted(0.1), 1..200),
    ) {
        let (mut packer, mut unpacker) = (Packer::new(), Unpacker::new());
        let (mut queue, mut sink) = (Queue::of(&packets), Sink::default());
        // Which of all inner bytes each lost payload held.
        let mut holes: Vec<Range<usize>> = Vec::new();
        let (mut at, mut contiguous) = (0, true);
        for slot in 0.. {
            let mut payload = vec![0; length];
            let bytes = packer.fill(&mut payload, &[], &mut queue).inner_bytes as usize;
            if bytes == 0 {
                break;
            }
            if lost.get(slot).is_some_and(|&lost| lost) {
                holes.push(at..at + bytes);
                contiguous = false;
            } else {
                unpacker.payload(&payload, contiguous, &mut sink);
                contiguous = true;
            }
            at += bytes;
        }
        let mut start = 0;
        let untouched = packets.into_iter().filter(|packet| {
            let place = start..start + packet.len();
            start = place.end;
            !holes.iter().any(|hole| hole.start < place.end && place.start < hole.end)
        });
        prop_assert_eq!(sink.packets(), untouched.collect::<Vec<_>>());
    }

    /// A new key in mid-stream: each side of it has its own unpacker, and no packet is missing from both.
    #[test]
    fn restart_loses_nothing(packets in packets(30), length in lengths(), before in 0..20usize) {
        let mut packer = Packer::new();
        let mut queue = Queue::of(&packets);
        let mut arrived = Vec::new();
        let mut payload = vec![0; length];
        let (mut old, mut new, mut sink) = (Unpacker::new(), Unpacker::new(), Sink::default());
        for _ in 0..before {
            packer.fill(&mut payload, &[], &mut queue);
            old.payload(&payload, true, &mut sink);
        }
        packer.restart();
        arrived.append(&mut sink.0);
        loop {
            let filled = packer.fill(&mut payload, &[], &mut queue);
            prop_assert_eq!(new.payload(&payload, true, &mut sink), 0);
            if filled.inner_bytes == 0 {
                break;
            }
        }
        arrived.append(&mut sink.0);
        prop_assert_eq!(Sink(arrived).packets(), packets);
    }
}
