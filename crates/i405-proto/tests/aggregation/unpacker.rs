//! The unpacker: what a hostile peer may send, by hand and against its model.

use super::model::{NaiveUnpacker, control_bytes};
use super::support::{Block, Queue, Sink, packet, packets, v4};
use i405_proto::packer::{Packer, inner_length};
use i405_proto::unpacker::Unpacker;
use proptest::prelude::*;

/// A payload: BlockOffset and what follows.
fn payload(offset: u16, parts: &[&[u8]]) -> Vec<u8> {
    [&offset.to_be_bytes()[..], &parts.concat()].concat()
}

/// Reads contiguous payloads; what came out, and how many blocks were dropped by each.
fn read(payloads: &[Vec<u8>]) -> (Vec<Block>, Vec<u32>) {
    let (mut unpacker, mut sink) = (Unpacker::new(), Sink::default());
    let dropped = payloads.iter().map(|payload| unpacker.payload(payload, true, &mut sink)).collect();
    (sink.0, dropped)
}

fn inner(bytes: &[u8]) -> Block {
    Block::Packet(bytes.to_vec())
}

#[test]
fn whole_blocks() {
    let v6 = packet(45, true, 1);
    let (blocks, dropped) = read(&[payload(0, &[&v4(20), &control_bytes(3, &[1; 6]), &v6, &[0; 9]])]);
    assert_eq!(blocks, [inner(&v4(20)), Block::Control(3, vec![1; 6]), inner(&v6)]);
    assert_eq!(dropped, [0]);
}

#[test]
fn unknown_kinds_and_lengths_of_control_blocks_are_the_sinks() {
    let (blocks, dropped) = read(&[payload(0, &[&control_bytes(15, &[]), &control_bytes(3, &[1; 5]), &v4(20)])]);
    assert_eq!(blocks, [Block::Control(15, vec![]), Block::Control(3, vec![1; 5]), inner(&v4(20))]);
    assert_eq!(dropped, [0]);
}

#[test]
fn padding_goes_to_the_end() {
    assert_eq!(read(&[payload(0, &[&[0x0F], &v4(20)])]), (vec![], vec![0]));
}

#[test]
fn unknown_nibble_ends_the_payload() {
    for nibble in [1, 2, 3, 5, 7, 8, 9, 0xA, 0xB, 0xC, 0xD, 0xE] {
        let first = payload(0, &[&v4(20), &[nibble << 4; 3], &v4(30)]);
        assert_eq!(read(&[first, payload(0, &[&v4(40)])]), (vec![inner(&v4(20)), inner(&v4(40))], vec![1, 0]));
    }
}

#[test]
fn block_shorter_than_its_header_ends_the_payload() {
    for length in [0, 1, 19] {
        let first = payload(0, &[&[0x45, 0, 0, length], &v4(30)]);
        assert_eq!(read(&[first, payload(0, &[&v4(40)])]), (vec![inner(&v4(40))], vec![1, 0]));
    }
}

#[test]
fn block_longer_than_any_ends_the_payload() {
    // 65,533 + 3 and 65,496 + 40 bytes: one too many each.
    for start in [&[0xF9, 0xFF, 0xFD][..], &[0x60, 0, 0, 0, 0xFF, 0xD8]] {
        let first = payload(0, &[start, &v4(30)]);
        assert_eq!(read(&[first, payload(0, &[&v4(40)])]), (vec![inner(&v4(40))], vec![1, 0]));
    }
}

#[test]
fn split_length_that_is_malformed_ends_the_payload() {
    let (first, second) = (payload(0, &[&[0x45, 0]]), payload(8, &[&[0, 10], &[0; 6], &v4(20)]));
    assert_eq!(read(&[first, second, payload(0, &[&v4(30)])]), (vec![inner(&v4(30))], vec![0, 1, 0]));
}

#[test]
fn every_split_of_every_header() {
    for block in [v4(24), packet(44, true, 3), control_bytes(1, &[5; 20]), control_bytes(4, &[])] {
        for cut in 1..block.len() {
            let rest = (block.len() - cut) as u16;
            let payloads = [payload(0, &[&block[..cut]]), payload(rest, &[&block[cut..], &v4(20)])];
            let (blocks, dropped) = read(&payloads);
            assert_eq!((blocks.len(), dropped), (2, vec![0, 0]), "cut at {cut}");
            assert_eq!(read(&[payload(0, &[&block])]).0, blocks[..1]);
        }
    }
}

#[test]
fn offset_that_disagrees_drops_the_block() {
    let begun = payload(0, &[&v4(60)[..30]]);
    for offset in [0, 1, 29, 31] {
        let padding = vec![0xEE; usize::from(offset)];
        let second = payload(offset, &[&padding, &v4(20)]);
        assert_eq!(read(&[begun.clone(), second]), (vec![inner(&v4(20))], vec![0, 1]), "offset {offset}");
    }
    for offset in [1000, 65_535] {
        assert_eq!(read(&[begun.clone(), payload(offset, &[&v4(60)[30..]])]), (vec![], vec![0, 1]));
    }
}

#[test]
fn offset_before_the_length_field_drops_the_block() {
    let begun = payload(0, &[&packet(50, true, 0)[..2]]);
    assert_eq!(read(&[begun, payload(3, &[&[0; 3], &v4(20)])]), (vec![inner(&v4(20))], vec![0, 1]));
    // The same where BlockOffset is the payload's end.
    assert_eq!(read(&[payload(0, &[&[0x45]]), payload(1, &[&[0]])]), (vec![], vec![0, 1]));
}

/// Packets of one length in payloads of one length: what a lost payload ends and what it begins may be as long.
#[test]
fn lost_payload_drops_the_block_even_where_the_offset_fits() {
    let (mut unpacker, mut sink) = (Unpacker::new(), Sink::default());
    let (one, two) = (packet(150, false, 1), packet(100, false, 2));
    assert_eq!(unpacker.payload(&payload(0, &[&one[..100]]), true, &mut sink), 0);
    // The one in between has the rest of the first packet, and the first half of the second.
    assert_eq!(unpacker.payload(&payload(50, &[&two[50..], &v4(25)]), false, &mut sink), 1);
    assert_eq!(sink.0, [inner(&v4(25))]);
}

#[test]
fn lost_payload_drops_the_block_and_skips_its_rest() {
    let (mut unpacker, mut sink) = (Unpacker::new(), Sink::default());
    assert_eq!(unpacker.payload(&payload(0, &[&v4(20), &v4(90)[..30]]), true, &mut sink), 0);
    // The one in between, with bytes 30 to 60, is missing.
    assert_eq!(unpacker.payload(&payload(30, &[&v4(90)[60..], &v4(25)]), false, &mut sink), 1);
    // Nothing was under way here, and the rest of a block fills more than one payload.
    assert_eq!(unpacker.payload(&payload(500, &[&[0x45; 40]]), false, &mut sink), 0);
    assert_eq!(unpacker.payload(&payload(460, &[&[0x45; 40]]), true, &mut sink), 0);
    assert_eq!(sink.0, [inner(&v4(20)), inner(&v4(25))]);
}

#[test]
fn payloads_without_an_offset_are_ignored() {
    assert_eq!(read(&[vec![], vec![0], vec![0, 0]]), (vec![], vec![0, 0, 0]));
    assert_eq!(read(&[payload(0, &[&v4(60)[..30]]), vec![0], vec![0, 30]]), (vec![], vec![0, 1, 0]));
}

#[test]
fn longest_blocks() {
    for block in [packet(65_535, false, 1), packet(65_535, true, 2), control_bytes(9, &vec![3; 65_532])] {
        let payloads = [payload(0, &[&block[..1]]), payload(65_534, &[&block[1..40_000]])];
        let last = payload(25_535, &[&block[40_000..]]);
        let (blocks, dropped) = read(&[&payloads[..], &[last]].concat());
        assert_eq!((blocks.len(), dropped), (1, vec![0, 0, 0]));
    }
}

/// Bytes that often look like the beginning of a block, or like a short length.
fn suspicious() -> impl Strategy<Value = u8> {
    prop_oneof![
        3 => Just(0u8),
        3 => 0..60u8,
        1 => Just(0x45),
        1 => Just(0x60),
        1 => 0xF0..=0xFFu8,
        1 => any::<u8>(),
    ]
}

/// Both read the payloads; everything that comes out must agree, and be what `inner_length` accepts.
fn compare(payloads: &[(Vec<u8>, bool)]) -> Result<(), TestCaseError> {
    let (mut unpacker, mut naive) = (Unpacker::new(), NaiveUnpacker::default());
    let (mut sink, mut expected) = (Sink::default(), Vec::new());
    for (payload, contiguous) in payloads {
        let dropped = unpacker.payload(payload, *contiguous, &mut sink);
        prop_assert_eq!(dropped, naive.payload(payload, *contiguous, &mut expected));
        prop_assert_eq!(&sink.0, &expected);
    }
    for inner in sink.packets() {
        prop_assert_eq!(inner_length(&inner), Some(inner.len()));
    }
    Ok(())
}

proptest! {
    #[test]
    fn hostile_bytes(payloads in prop::collection::vec(
        (prop::collection::vec(suspicious(), 0..90), prop::bool::weighted(0.9)), 0..40)
    ) {
        compare(&payloads)?;
    }

    #[test]
    fn random_bytes(payloads in prop::collection::vec(
        (prop::collection::vec(any::<u8>(), 0..2000), any::<bool>()), 0..20)
    ) {
        compare(&payloads)?;
    }

    /// Honest payloads with some bytes changed, and some payloads missing, noticed or not.
    #[test]
    fn damaged_streams(
        packets in packets(30),
        length in prop_oneof![3..60usize, 60..300usize],
        damage in prop::collection::vec((0..12u8, any::<prop::sample::Index>(), suspicious()), 1..150),
    ) {
        let mut packer = Packer::new();
        let mut queue = Queue::of(&packets);
        let mut payloads = Vec::new();
        let mut contiguous = true;
        for (kind, at, byte) in damage {
            let mut payload = vec![0; length];
            packer.fill(&mut payload, &[], &mut queue);
            match kind {
                0 => payload[at.index(length)] = byte,
                1 => payload[1] = byte,
                2 => contiguous = false,
                _ => {}
            }
            if kind != 2 && kind != 3 {
                payloads.push((payload, contiguous));
                contiguous = true;
            }
        }
        compare(&payloads)?;
    }
}
