//! Datagrams to the byte.

use i405_proto::handshake_wire::{Head, Unwrapper, Wrapper, fragments};
use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::seal::{Opener, Sealer};
use proptest::prelude::*;

use crate::plain;

fn counted<const N: usize>(from: u8) -> [u8; N] {
    std::array::from_fn(|index| from.wrapping_add(index as u8))
}

fn counted_keys() -> DirectionKeys {
    DirectionKeys { key: counted(0), iv: counted(0x40), mask: counted(0x80) }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Made with Node's crypto (OpenSSL): aes-256-gcm for the payload, aes-256-ecb for the mask.
#[test]
fn aes_datagrams_of_another_implementation() {
    let payload: Vec<u8> = (0..36u8).map(|index| index.wrapping_mul(7)).collect();
    let first = hex(
        "38323c12e2bea0363a1fad32f5fb517bcf3f713209b12cd93ba69582dfe8f85853d83f0278ef1d597bc3b135dd1465e56f24a51266f482db",
    );
    let far = hex(
        "d0adcc942343c254f8e87703c4a9dc27a0d0ad846a68f0890610944bb463c08c6858b84dbfa84a99f4f210bd5bb30251c2c55d03956d30cf",
    );

    let mut datagram = vec![0xee; 56];
    datagram[4..40].copy_from_slice(&payload);
    assert_eq!(Sealer::new(Aead::Aes256Gcm, counted_keys()).seal(&mut datagram), Ok(0));
    assert_eq!(datagram, first);

    let opener = Opener::new(Aead::Aes256Gcm, counted_keys());
    let mut scratch = [0; 100];
    for (datagram, counter) in [(first, 0), (far, 0x0102_0304)] {
        assert_eq!(opener.counter(&datagram), counter);
        assert_eq!(opener.open(counter, &datagram, &mut scratch), Some(&payload[..]));
        assert_eq!(opener.open(counter + 1, &datagram, &mut scratch), None);
    }
}

#[test]
fn short_input_opens_nothing() {
    let opener = Opener::new(Aead::ChaCha20Poly1305, counted_keys());
    let unwrapper = Unwrapper::new(&[1; 32], &[2; 32]);
    let mut scratch = [0; 100];
    for length in 0..52 {
        let datagram = vec![0; length];
        assert_eq!(opener.open(0, &datagram, &mut scratch), None);
        assert!(!unwrapper.plausible(&datagram));
        assert!(unwrapper.unwrap(&datagram, &mut scratch).is_none());
    }
    assert_eq!(opener.counter(&[0; 19]), u32::MAX);
    let mut datagram = [0; 60];
    Sealer::new(Aead::ChaCha20Poly1305, counted_keys()).seal(&mut datagram).unwrap();
    assert_eq!(opener.open(0, &datagram, &mut scratch[..55]), None);
    assert!(opener.open(0, &datagram, &mut scratch[..56]).is_some());
}

#[test]
fn fragments_of_the_protocol() {
    assert_eq!(fragments(1472, 1344), 1);
    assert_eq!(fragments(1452, 1344), 1);
    // 48 + 42 slots at an IP length of 100 over IPv4; 168 at 100 over IPv6.
    assert_eq!((fragments(72, 1344), fragments(72, 1168)), (48, 42));
    assert_eq!(fragments(52, 1344), 168);
    assert_eq!(fragments(52, 2), 1);
}

proptest! {
    #[test]
    fn data_like_the_plain_computation(
        key: [u8; 32], iv: [u8; 12], mask: [u8; 32],
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 80), 1..4),
    ) {
        let keys = || DirectionKeys { key, iv, mask };
        let mut sealer = Sealer::new(Aead::ChaCha20Poly1305, keys());
        let opener = Opener::new(Aead::ChaCha20Poly1305, keys());
        for (counter, payload) in (0u32..).zip(&payloads) {
            let mut datagram = vec![0; 100];
            datagram[4..84].copy_from_slice(payload);
            prop_assert_eq!(sealer.seal(&mut datagram), Ok(counter));
            prop_assert_eq!(&datagram, &plain::data_datagram(&key, &iv, &mask, counter, payload));
            let mut scratch = [0; 100];
            prop_assert_eq!(opener.counter(&datagram), counter);
            prop_assert_eq!(opener.open(counter, &datagram, &mut scratch), Some(&payload[..]));
        }
    }

    #[test]
    fn openers_take_any_counter(key: [u8; 32], iv: [u8; 12], mask: [u8; 32], counter: u32) {
        let datagram = plain::data_datagram(&key, &iv, &mask, counter, &[5; 40]);
        let opener = Opener::new(Aead::ChaCha20Poly1305, DirectionKeys { key, iv, mask });
        let mut scratch = [0; 100];
        prop_assert_eq!(opener.counter(&datagram), counter);
        prop_assert_eq!(opener.open(counter, &datagram, &mut scratch), Some(&[5; 40][..]));
    }

    #[test]
    fn handshake_like_the_plain_computation(
        wrap: [u8; 32], mask: [u8; 32], nonce: [u8; 16],
        version in 0u8..16, kind in 0u8..16, number in 0u8..4, stamp in 0u64..1 << 48,
        message in prop::collection::vec(any::<u8>(), 0..200),
        n in 52usize..160,
    ) {
        let head = Head { version, kind, fragment: number, stamp };
        let mut datagram = vec![0xee; n];
        Wrapper::new(&wrap, &mask).wrap(&head, &message, &nonce, &mut datagram);

        let [_, _, stamp_bytes @ ..] = stamp.to_be_bytes();
        let [a, b, c, d, e, f] = stamp_bytes;
        let piece: Vec<u8> = (0..n - 44)
            .map(|at| message.get(usize::from(number) * (n - 44) + at).copied().unwrap_or(0))
            .collect();
        let head_bytes = [version * 16 + kind, number, a, b, c, d, e, f];
        prop_assert_eq!(&datagram, &plain::handshake_datagram(&wrap, &mask, &nonce, head_bytes, &piece));

        let unwrapper = Unwrapper::new(&wrap, &mask);
        let mut scratch = vec![0; n];
        prop_assert!(unwrapper.plausible(&datagram));
        let unwrapped = unwrapper.unwrap(&datagram, &mut scratch).unwrap();
        prop_assert_eq!(unwrapped.head, head);
        prop_assert_eq!(unwrapped.fragment, &piece[..]);
        prop_assert_eq!(unwrapped.nonce, nonce);
    }

    #[test]
    fn a_flipped_bit_opens_nothing(bit in 0usize..100 * 8) {
        let mut data = vec![7; 100];
        Sealer::new(Aead::Aes256Gcm, counted_keys()).seal(&mut data).unwrap();
        let mut handshake = vec![7; 100];
        let head = Head { version: 1, kind: 1, fragment: 0, stamp: 9 };
        Wrapper::new(&[1; 32], &[2; 32]).wrap(&head, &[3; 50], &[4; 16], &mut handshake);
        data[bit / 8] ^= 1 << (bit % 8);
        handshake[bit / 8] ^= 1 << (bit % 8);

        let opener = Opener::new(Aead::Aes256Gcm, counted_keys());
        let unwrapper = Unwrapper::new(&[1; 32], &[2; 32]);
        let mut scratch = [0; 100];
        prop_assert_eq!(opener.open(opener.counter(&data), &data, &mut scratch), None);
        prop_assert!(!unwrapper.plausible(&handshake) || unwrapper.unwrap(&handshake, &mut scratch).is_none());
    }
}
