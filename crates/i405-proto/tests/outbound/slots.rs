//! Under which key, with which contents, and to where.

use crate::support::*;
use i405_proto::keys::Aead;
use i405_proto::outbound::{CLOSE_SLOTS, Contents, NO_SESSION, SealedUnder};
use i405_proto::seal::Sealer;

#[test]
fn without_a_session_packets_wait_and_slots_are_cover() {
    let mut sending = Sending::new();
    sending.queue.0.push(40);
    for counter in 0..5 {
        let built = sending.build(None);
        assert_eq!((built.contents, built.endpoint), (Contents::Cover, endpoint(1)));
        assert!(!built.close_said);
        assert_eq!((sending.outbound.exhausted(), sending.outbound.wants_throwaway()), (None, false));
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
        assert_eq!(built.close_said, slot == CLOSE_SLOTS);
    }
    let after = sending.build(None);
    assert!(!after.close_said);
    assert_eq!(open(1, CLOSE_SLOTS + 1, &after.bytes), Some(vec![0; BODY + 2]));
}

#[test]
fn a_close_waits_for_no_packet_and_none_leaves_after_it() {
    let mut sending = Sending::with_session(None);
    sending.queue.0.extend([20, 9000]);
    sending.data(0);
    sending.outbound.say_close();
    let payload = sending.data(1);
    // BlockOffset 0: the receiver drops what it has of the packet.
    assert_eq!((&payload[..2], &payload[2..5], payload[5]), (&[0, 0][..], &CLOSE[..], 0));
    for slot in 2..20 {
        let built = sending.build(None);
        assert_eq!(built.contents, Contents::Cover);
        let close = if slot <= CLOSE_SLOTS { &CLOSE[..] } else { &[0; 3] };
        assert_eq!(open(1, slot, &built.bytes).unwrap()[2..5], *close);
    }
    assert_eq!(sending.queue.0, [20], "what waits goes with the tunnel");
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
    let copy = copy(N);
    sending.outbound.set_carousel(2);
    sending.outbound.say_close();
    for slot in 0..2 * CLOSE_SLOTS {
        let built = sending.build(Some(&copy));
        assert_eq!(built.contents == Contents::Handshake, slot % 2 == 0);
        assert_eq!(built.close_said, slot == 2 * CLOSE_SLOTS - 1);
    }
}

#[test]
fn without_a_session_a_close_is_said_at_once() {
    let mut sending = Sending::new();
    sending.outbound.say_close();
    assert!(sending.build(None).close_said);
    assert!(!sending.build(None).close_said);
    // A session that comes later has nothing left to say.
    sending.send_under(1, None);
    assert_eq!(sending.data(0)[2..], [0; BODY]);
}

#[test]
fn every_eighth_slot_is_the_carousels() {
    let mut sending = Sending::with_session(None);
    let copy = copy(N);
    sending.queue.0.extend([BODY as u16; 100]);
    sending.outbound.set_carousel(8);
    let mut counter = 0;
    for slot in 0..40 {
        let built = sending.build(Some(&copy));
        assert_eq!(built.asked, slot % 8 == 0);
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
    let built = sending.build(Some(&copy));
    assert!(!built.asked && built.contents != Contents::Handshake);
}

#[test]
fn a_new_carousel_begins_at_once() {
    let mut sending = Sending::with_session(None);
    sending.outbound.set_carousel(8);
    assert!(sending.build(None).asked);
    assert!(!sending.build(None).asked);
    sending.outbound.set_carousel(8);
    assert!(sending.build(None).asked);
}

#[test]
fn a_handshake_slot_seals_cover_all_the_same() {
    let mut sending = Sending::with_session(None);
    let copy = copy(N);
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
    for (counter, copy) in [None, Some(copy(N - 1)), Some(copy(N + 1))].iter().enumerate() {
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
    let copy = copy(N);
    let buffer = sending.outbound.leaving().as_ptr();
    let mut seen = Vec::new();
    for slot in 0..6 {
        let built = sending.build((slot != 4).then_some(&copy));
        assert_eq!(sending.outbound.leaving().as_ptr(), buffer);
        seen.push(std::mem::discriminant(&built.contents));
        assert_eq!(built.bytes[..] == copy.bytes[..], slot % 2 == 0 && slot != 4);
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
        assert!(!sending.outbound.wants_throwaway());
        assert!(open(THROWAWAY, counter, &built.bytes).is_some());
    }
}
