//! Handshake datagrams: what was wrapped unwraps to the same, and nothing else does; the fragments that come through
//! make up the message.

use i405_proto::handshake_wire::{Head, MAX_STAMP, Unwrapper, WRAP_OVERHEAD, Wrapper, fragments};
use i405_proto::reassembly::Reassembly;
use i405_proto::seal::MIN_DATAGRAM;

use crate::program::{Program, salt};

/// A length of datagrams and one of messages, then a program of fragments, changes to them, and other bytes.
pub fn run(data: &[u8]) {
    let mut program = Program::new(data);
    let (wrap, mask) = (salt(data), [0x22; 32]);
    let (wrapper, unwrapper) = (Wrapper::new(&wrap, &mask), Unwrapper::new(&wrap, &mask));
    let n = MIN_DATAGRAM + program.below(1500);
    let message: Vec<u8> = (0..1 + program.below(1344)).map(|at| (at * 7 % 251) as u8).collect();
    let mut reassembly = Reassembly::new(message.len());
    let mut nonce = [0; 16];
    let mut scratch = vec![0; 2048];
    while program.more() {
        let how = program.byte();
        if how & 0xc0 == 0xc0 {
            let other = program.take(usize::from(how & 0x3f) * 4);
            assert_eq!(unwrapper.unwrap(other, &mut scratch), None);
            assert!(!unwrapper.plausible(other) || other.len() >= MIN_DATAGRAM);
            continue;
        }
        let head = Head {
            version: how & 15,
            kind: program.byte() & 15,
            fragment: if how & 0x10 == 0 { program.byte() } else { program.byte() % fragments(n, message.len()) as u8 },
            stamp: program.wide() & MAX_STAMP,
        };
        nonce[15] += 1;
        let mut datagram = vec![0xaa; n];
        wrapper.wrap(&head, &message, &nonce, &mut datagram);
        if how & 0x20 != 0 {
            let sent = datagram.clone();
            change(&mut datagram, &mut program);
            // Only the four masked bytes aren't sealed; they decide whether it is tried at all.
            if datagram == sent || datagram.get(4..) == sent.get(4..) {
                assert_eq!(unwrapper.plausible(&datagram), datagram == sent);
            } else {
                assert_eq!(unwrapper.unwrap(&datagram, &mut scratch), None);
            }
            continue;
        }
        assert!(unwrapper.plausible(&datagram));
        let opened = unwrapper.unwrap(&datagram, &mut scratch).expect("what was wrapped unwraps");
        assert_eq!((opened.head, opened.nonce), (head, nonce));
        let from = message.len().min(usize::from(head.fragment) * (n - WRAP_OVERHEAD));
        let piece = &message[from..message.len().min(from + n - WRAP_OVERHEAD)];
        assert_eq!(&opened.fragment[..piece.len()], piece);
        assert!(opened.fragment[piece.len()..].iter().all(|byte| *byte == 0));
        if reassembly.admit(head.stamp, n) {
            reassembly.take(head.fragment, opened.fragment);
        }
        assert!(reassembly.whole().is_none_or(|whole| whole == message));
        if nonce[15] == u8::MAX {
            break;
        }
    }
}

/// Flips a bit, cuts off or appends.
pub fn change(datagram: &mut Vec<u8>, program: &mut Program<'_>) {
    let how = program.byte();
    let place = program.below(datagram.len().max(1));
    match how & 3 {
        0 => datagram.truncate(place),
        1 => datagram.extend_from_slice(program.take(usize::from(how >> 2))),
        _ => {
            if let Some(byte) = datagram.get_mut(place) {
                *byte ^= 1 << (how >> 5);
            }
        }
    }
}
