//! The packer by hand and against its model.

use super::model::{NaivePacker, control_bytes};
use super::support::{Controls, Queue, borrowed, packet, packets, v4};
use i405_proto::packer::{CONTROL_CLOSE, CONTROL_NEWEST_STAMP, ControlBlock, Filled, Packer, inner_length};
use proptest::prelude::*;

const STAMP: ControlBlock<'static> = ControlBlock { kind: CONTROL_NEWEST_STAMP, body: &[1, 2, 3, 4, 5, 6] };

/// One payload, from a buffer full of old bytes.
fn fill(packer: &mut Packer, length: usize, controls: &[ControlBlock<'_>], queue: &mut Queue) -> (Vec<u8>, Filled) {
    let mut payload = vec![0xEE; length];
    let filled = packer.fill(&mut payload, controls, queue);
    (payload, filled)
}

#[test]
fn valid_inner_packets() {
    for length in [20, 21, 1400, 65_535] {
        assert_eq!(inner_length(&v4(length)), Some(length));
    }
    for length in [40, 41, 1400, 65_535] {
        assert_eq!(inner_length(&packet(length, true, 9)), Some(length));
    }
}

#[test]
fn malformed_inner_packets() {
    let mut longer = v4(100);
    longer.push(0);
    let mut short_header = v4(20);
    short_header[3] = 19;
    let mut jumbo = vec![0x60; 65_536];
    jumbo[4..6].copy_from_slice(&65_496u16.to_be_bytes());
    let control = control_bytes(4, &[]);
    let cases =
        [&[][..], &[0x45], &[0x60; 39], &v4(100)[..99], &longer, &short_header[..19], &jumbo, &control, &[0; 20]];
    for case in cases {
        assert_eq!(inner_length(case), None, "{:?} of {} bytes", case.first(), case.len());
    }
}

#[test]
fn empty_queue_gives_padding() {
    let (payload, filled) = fill(&mut Packer::new(), 100, &[], &mut Queue::default());
    assert_eq!(payload, [0; 100]);
    assert_eq!(filled, Filled::default());
}

#[test]
fn packets_lie_back_to_back_and_run_over() {
    let mut packer = Packer::new();
    let mut queue = Queue::of(&[v4(30), v4(40), v4(60)]);
    let (first, filled) = fill(&mut packer, 102, &[], &mut queue);
    assert_eq!(first, [&[0, 0], &v4(30)[..], &v4(40), &v4(60)[..30]].concat());
    assert_eq!(filled, Filled { inner_packets: 3, inner_bytes: 100, controls: 0 });
    let (second, filled) = fill(&mut packer, 102, &[], &mut queue);
    assert_eq!(second, [&[0, 30], &v4(60)[30..], &[0; 70]].concat());
    assert_eq!(filled, Filled { inner_packets: 0, inner_bytes: 30, controls: 0 });
}

#[test]
fn block_offset_may_point_past_the_end() {
    let mut packer = Packer::new();
    let mut queue = Queue::of(&[v4(250)]);
    let offsets: Vec<_> = (0..4).map(|_| fill(&mut packer, 102, &[], &mut queue).0[..2].to_vec()).collect();
    assert_eq!(offsets, [[0, 0], [0, 150], [0, 50], [0, 0]]);
}

#[test]
fn saturated_payloads_hold_nothing_else() {
    for length in [60, 1400] {
        let mut packer = Packer::new();
        let mut queue = Queue::of(&vec![v4(length); 400]);
        for _ in 0..10 {
            assert_eq!(fill(&mut packer, 1452, &[], &mut queue).1.inner_bytes, 1450);
        }
    }
}

#[test]
fn control_blocks_come_after_the_continuation() {
    let mut packer = Packer::new();
    let mut queue = Queue::of(&[v4(120), v4(20)]);
    fill(&mut packer, 102, &[], &mut queue);
    let close = ControlBlock { kind: CONTROL_CLOSE, body: &[] };
    let (payload, filled) = fill(&mut packer, 102, &[STAMP, close], &mut queue);
    let stamp = [0xF3, 0, 6, 1, 2, 3, 4, 5, 6];
    assert_eq!(payload, [&[0, 20], &v4(120)[100..], &stamp, &[0xF4, 0, 0], &v4(20), &[0; 48]].concat());
    assert_eq!(filled, Filled { inner_packets: 1, inner_bytes: 40, controls: 2 });
}

#[test]
fn control_block_waits_behind_a_continuation() {
    let mut packer = Packer::new();
    let mut queue = Queue::of(&[v4(195), v4(20)]);
    fill(&mut packer, 102, &[], &mut queue);
    let (payload, filled) = fill(&mut packer, 102, &[STAMP], &mut queue);
    assert_eq!(payload[97..], [&v4(195)[195..], &[0; 5]].concat());
    assert_eq!(filled.controls, 0);
    let (payload, filled) = fill(&mut packer, 102, &[STAMP], &mut queue);
    assert_eq!(payload[..11], [0, 0, 0xF3, 0, 6, 1, 2, 3, 4, 5, 6]);
    assert_eq!(filled, Filled { inner_packets: 1, inner_bytes: 20, controls: 1 });
}

#[test]
fn nothing_runs_over_beside_control_blocks() {
    let mut packer = Packer::new();
    let mut queue = Queue::of(&[v4(50), v4(95), v4(20)]);
    for expected in [1, 0, 0] {
        let filled = fill(&mut packer, 102, &[STAMP], &mut queue).1;
        assert_eq!(filled, Filled { inner_packets: expected, inner_bytes: 50 * expected, controls: 1 });
    }
    assert_eq!(fill(&mut packer, 102, &[], &mut queue).1.inner_packets, 2);
}

#[test]
fn long_control_block_runs_over() {
    let mut packer = Packer::new();
    let body = [7; 96];
    let rekey = ControlBlock { kind: 1, body: &body };
    let mut queue = Queue::of(&[v4(20)]);
    let bytes = control_bytes(1, &body);
    let (first, filled) = fill(&mut packer, 52, &[rekey], &mut queue);
    assert_eq!((first, filled.controls), ([&[0, 0], &bytes[..50]].concat(), 1));
    let (second, filled) = fill(&mut packer, 52, &[], &mut queue);
    assert_eq!(second, [&[0, 49], &bytes[50..], &v4(20)[..1]].concat());
    assert_eq!(filled, Filled { inner_packets: 1, inner_bytes: 1, controls: 0 });
}

#[test]
fn restart_begins_the_block_again() {
    let mut packer = Packer::new();
    let mut queue = Queue::of(&[v4(150), v4(30)]);
    fill(&mut packer, 102, &[], &mut queue);
    packer.restart();
    let (first, filled) = fill(&mut packer, 102, &[], &mut queue);
    assert_eq!(first, [&[0, 0], &v4(150)[..100]].concat());
    assert_eq!(filled, Filled { inner_packets: 0, inner_bytes: 100, controls: 0 });
    let (second, _) = fill(&mut packer, 102, &[], &mut queue);
    assert_eq!(second, [&[0, 50], &v4(150)[100..], &v4(30), &[0; 20]].concat());
    packer.restart();
    assert_eq!(fill(&mut packer, 102, &[], &mut queue).0, [0; 102]);
}

#[test]
fn restarted_block_waits_while_there_are_control_blocks() {
    let mut packer = Packer::new();
    let mut queue = Queue::of(&[v4(150), v4(30)]);
    fill(&mut packer, 102, &[], &mut queue);
    packer.restart();
    let (payload, filled) = fill(&mut packer, 102, &[STAMP], &mut queue);
    assert_eq!((payload[2], filled.inner_bytes), (0xF3, 0));
    assert_eq!(fill(&mut packer, 102, &[], &mut queue).0, [&[0, 0], &v4(150)[..100]].concat());
}

#[test]
fn long_control_block_and_restarted_packet_do_not_wait_for_each_other() {
    let mut packer = Packer::new();
    let mut queue = Queue::of(&[v4(150)]);
    fill(&mut packer, 102, &[], &mut queue);
    packer.restart();
    let body = [7; 200];
    let rekey = [ControlBlock { kind: 1, body: &body }];
    let written: Vec<_> = (0..2).map(|_| fill(&mut packer, 102, &rekey, &mut queue).1.controls).collect();
    assert_eq!(written, [0, 1]);
}

#[test]
fn cover_leaves_the_block_under_way() {
    let mut packer = Packer::new();
    let mut queue = Queue::of(&[v4(150)]);
    fill(&mut packer, 102, &[], &mut queue);
    let mut cover = vec![0xEE; 102];
    packer.cover(&mut cover);
    assert_eq!(cover, [0; 102]);
    assert_eq!(fill(&mut packer, 102, &[], &mut queue).0, [&[0, 50], &v4(150)[100..], &[0; 50]].concat());
}

#[test]
fn abandoned_block_makes_room() {
    let mut packer = Packer::new();
    let mut queue = Queue::of(&[v4(60_000)]);
    fill(&mut packer, 102, &[], &mut queue);
    packer.abandon();
    let (payload, filled) = fill(&mut packer, 102, &[STAMP], &mut queue);
    assert_eq!((&payload[..3], filled.controls), (&[0, 0, 0xF3][..], 1));
}

#[test]
fn payloads_without_room_are_no_panic() {
    for length in 0..3 {
        let mut queue = Queue::of(&[v4(20)]);
        let (payload, filled) = fill(&mut Packer::new(), length, &[STAMP], &mut queue);
        assert_eq!((payload, filled), (vec![0; length], Filled::default()));
    }
}

proptest! {
    #[test]
    fn agrees_with_the_model(
        packets in packets(40),
        length in prop_oneof![3..60usize, 60..300usize, Just(1430)],
        steps in prop::collection::vec((0..10u8, 0..3usize, 0..120usize), 1..200),
    ) {
        let mut arriving = packets.into_iter();
        let (mut packer, mut naive) = (Packer::new(), NaivePacker::default());
        let (mut queue, mut naive_queue) = (Queue::default(), Queue::default());
        for (kind, arrivals, body) in steps {
            for packet in arriving.by_ref().take(arrivals) {
                queue.0.push_back(packet.clone());
                naive_queue.0.push_back(packet);
            }
            if kind == 0 {
                packer.restart();
                naive.restart();
            }
            let controls: Controls = match kind {
                0 | 1 => vec![(3, vec![9; 6])],
                2 => vec![(3, vec![9; 6]), (1, vec![8; body]), (4, Vec::new())],
                _ => Vec::new(),
            };
            let (payload, filled) = fill(&mut packer, length, &borrowed(&controls), &mut queue);
            let (expected, written) = naive.fill(length, &controls, &mut naive_queue);
            prop_assert_eq!(payload, expected);
            prop_assert_eq!(filled.controls, written);
            prop_assert_eq!(queue.0.len(), naive_queue.0.len());
        }
    }
}
