//! Reassembly: any order, copies, two versions of one stamp, and messages of every fragment size.

use i405_proto::handshake_wire::{INITIATION_IKPSK2, RESPONSE, fragments};
use i405_proto::reassembly::Reassembly;
use proptest::prelude::*;

fn message(length: usize, salt: u8) -> Vec<u8> {
    (0..length).map(|at| (at as u8).wrapping_mul(31) ^ (at >> 8) as u8 ^ salt).collect()
}

fn piece(message: &[u8], n: usize, number: usize) -> Vec<u8> {
    (0..n - 44).map(|at| message.get(number * (n - 44) + at).copied().unwrap_or(0)).collect()
}

proptest! {
    #[test]
    fn any_order_with_copies(
        n in 52usize..1500,
        length in prop_oneof![Just(INITIATION_IKPSK2), Just(RESPONSE), Just(1296)],
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..400),
    ) {
        let message = message(length, 0);
        let count = fragments(n, length) as usize;
        let mut reassembly = Reassembly::new(length);
        let mut have = vec![false; count];
        // Random ones first, then all, so that each case ends whole.
        for number in order.iter().map(|index| index.index(count)).chain(0..count) {
            prop_assert!(reassembly.admit(5, n));
            reassembly.take(number as u8, &piece(&message, n, number));
            have[number] = true;
            prop_assert_eq!(reassembly.whole().is_some(), have.iter().all(|have| *have));
        }
        prop_assert_eq!(reassembly.whole(), Some(&message[..]));
    }
}

#[test]
fn a_newer_stamp_takes_over_and_an_older_one_is_kept_out() {
    let mut reassembly = Reassembly::new(RESPONSE);
    let (old, new) = (message(RESPONSE, 1), message(RESPONSE, 2));
    assert!(reassembly.admit(1, 1000));
    reassembly.take(0, &piece(&old, 1000, 0));
    assert!(reassembly.admit(2, 1000));
    reassembly.take(1, &piece(&new, 1000, 1));
    assert_eq!(reassembly.whole(), None);
    assert!(!reassembly.admit(1, 1000));
    assert!(reassembly.admit(2, 1000));
    reassembly.take(0, &piece(&new, 1000, 0));
    assert_eq!(reassembly.whole(), Some(&new[..]));
    reassembly.clear();
    assert_eq!((reassembly.stamp(), reassembly.whole()), (None, None));
    assert!(reassembly.admit(1, 1000));
    assert_eq!(reassembly.whole(), None);
}

#[test]
fn one_length_per_stamp() {
    let mut reassembly = Reassembly::new(RESPONSE);
    assert!(reassembly.admit(1, 800));
    assert!(!reassembly.admit(1, 801));
    assert!(reassembly.admit(2, 801));
    assert!(!reassembly.admit(3, 51));
}

#[test]
fn the_later_copy_overwrites() {
    let mut reassembly = Reassembly::new(RESPONSE);
    let (first, second) = (message(RESPONSE, 1), message(RESPONSE, 2));
    assert!(reassembly.admit(1, 1044));
    reassembly.take(0, &piece(&first, 1044, 0));
    reassembly.take(0, &piece(&second, 1044, 0));
    reassembly.take(1, &piece(&second, 1044, 1));
    assert_eq!(reassembly.whole(), Some(&second[..]));
}

#[test]
fn fragments_past_the_last_are_ignored() {
    // 628: two fragments that end exactly with the message; 1044: the last one ends beyond it.
    for n in [628, 1044] {
        let mut reassembly = Reassembly::new(RESPONSE);
        reassembly.take(0, &[1; 1000]);
        assert!(reassembly.admit(1, n));
        for number in 2..=255 {
            reassembly.take(number, &[0xff; 1000]);
        }
        assert_eq!(reassembly.whole(), None);
        let message = message(RESPONSE, 0);
        reassembly.take(1, &piece(&message, n, 1));
        assert_eq!(reassembly.whole(), None);
        reassembly.take(0, &piece(&message, n, 0));
        assert_eq!(reassembly.whole(), Some(&message[..]));
    }
}
