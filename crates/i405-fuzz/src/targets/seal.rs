//! Data datagrams: what was sealed opens under its counter and under no other, and nothing that was changed opens.

use i405_proto::keys::{Aead, DIRECTION_KEY_BYTES, DirectionKeys};
use i405_proto::seal::{DATA_OVERHEAD, MIN_DATAGRAM, Opener, Sealer};

use super::handshake::change;
use crate::program::{Program, salt};

/// AEAD, keys and length, then a program of datagrams.
pub fn run(data: &[u8]) {
    let mut program = Program::new(data);
    let aead = if program.odd() { Aead::Aes256Gcm } else { Aead::ChaCha20Poly1305 };
    let keys = || DirectionKeys::from_bytes(&salt::<DIRECTION_KEY_BYTES>(data));
    let (mut sealer, opener) = (Sealer::new(aead, keys()), Opener::new(aead, keys()));
    let n = MIN_DATAGRAM + program.below(1500);
    let mut scratch = vec![0; 4096];
    let mut expected = 0;
    while program.more() {
        let how = program.byte();
        if how & 7 == 0 {
            let other = program.take(usize::from(how) * 4);
            // A stranger's bytes name any counter, and open under none.
            assert!(opener.open(opener.counter(other), other, &mut scratch).is_none());
            continue;
        }
        let mut datagram = vec![how; n];
        let counter = sealer.seal(&mut datagram).expect("few datagrams");
        assert_eq!(counter, expected);
        expected += 1;
        let sent = datagram.clone();
        if how & 7 == 1 {
            change(&mut datagram, &mut program);
        }
        let named = opener.counter(&datagram);
        if datagram == sent {
            assert_eq!(named, counter);
            let payload = opener.open(counter, &datagram, &mut scratch).expect("what was sealed opens");
            assert!(payload.len() == n - DATA_OVERHEAD && payload.iter().all(|byte| *byte == how));
            assert!(opener.open(counter ^ 1 << (how >> 3), &datagram, &mut scratch).is_none(), "another counter");
            assert!(opener.open(counter, &datagram, &mut scratch[..n - 5]).is_none(), "too little room");
        } else {
            assert!(opener.open(named, &datagram, &mut scratch).is_none(), "it was changed");
        }
    }
}
