//! A nonce is new once per stamp, whatever places its halves fall on.

use std::cell::RefCell;
use std::collections::HashSet;

use i405_proto::nonces::{Seen, SeenNonces};

use crate::program::Program;

thread_local! {
    // A table of 1.5 MiB: made once.
    static NONCES: RefCell<(SeenNonces, u64)> = RefCell::new((SeenNonces::new(), 0));
}

/// A program of nonces and stamps.
pub fn run(data: &[u8]) {
    let mut program = Program::new(data);
    NONCES.with_borrow_mut(|(nonces, stamp)| {
        let mut expected = HashSet::new();
        *stamp += 1;
        nonces.begin(*stamp);
        while program.more() {
            let how = program.byte();
            if how == 0xff {
                *stamp += 1;
                nonces.begin(*stamp);
                expected.clear();
            } else if how == 0xfe {
                nonces.begin(*stamp);
            }
            assert_eq!(nonces.stamp(), Some(*stamp));
            // Neighbours in the table: the same low bits, others high.
            let half = u64::from(how & 7) | u64::from(how >> 3 & 7) << 17 | u64::from(how >> 6) << 60;
            let half = if how & 1 == 1 { half.wrapping_sub(u64::from(program.byte())) } else { half };
            assert_eq!(nonces.contains(half), expected.contains(&half));
            let new = expected.insert(half);
            assert_eq!(nonces.insert(half), if new { Seen::New } else { Seen::Before });
        }
    });
}
