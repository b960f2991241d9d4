//! Fragments in any order, doubled, of several stamps: a message is whole exactly if all of its fragments came, and
//! holds what came last.

use std::collections::BTreeMap;

use i405_proto::handshake_wire::{INITIATION_NNPSK0, MAX_MESSAGE, RESPONSE, WRAP_OVERHEAD, fragments};
use i405_proto::reassembly::Reassembly;
use i405_proto::seal::MIN_DATAGRAM;

use crate::program::Program;

/// What is under way, naively.
struct UnderWay {
    stamp: u64,
    n: usize,
    /// Fill byte of each fragment that came.
    came: BTreeMap<u8, u8>,
}

/// A message length, then a program of fragments.
pub fn run(data: &[u8]) {
    let mut program = Program::new(data);
    let message_length = match program.byte() {
        0 => MAX_MESSAGE,
        1 => RESPONSE,
        2 => INITIATION_NNPSK0,
        other => usize::from(other) * 8,
    };
    let kept = message_length.min(MAX_MESSAGE);
    let mut reassembly = Reassembly::new(message_length);
    let mut model: Option<UnderWay> = None;
    while program.more() {
        let how = program.byte();
        if how == 0xff {
            reassembly.clear();
            model = None;
        }
        let under_way = model.as_ref().map_or(5, |model| model.stamp);
        let stamp =
            if how & 0xc0 == 0 { under_way } else { u64::from(how >> 6).wrapping_add(under_way).wrapping_sub(2) };
        let n = match how & 3 {
            0 => model.as_ref().map_or(MIN_DATAGRAM, |model| model.n),
            1 => MIN_DATAGRAM - 1 + usize::from(how >> 2 & 15),
            2 => usize::from(program.short()),
            _ => 200,
        };
        let admitted = match &model {
            Some(model) if stamp < model.stamp => false,
            Some(model) if stamp == model.stamp => n == model.n,
            _ => n >= MIN_DATAGRAM && fragments(n, kept) <= 256,
        };
        assert_eq!(reassembly.admit(stamp, n), admitted, "stamp {stamp} of {n} bytes");
        if admitted {
            if model.as_ref().is_none_or(|model| model.stamp != stamp) {
                model = Some(UnderWay { stamp, n, came: BTreeMap::new() });
            }
            let number = program.byte();
            let fill = program.byte();
            // Of a longer one only what the message has is read.
            reassembly.take(number, &[fill; MAX_MESSAGE][..MAX_MESSAGE.min(n - WRAP_OVERHEAD)]);
            if let Some(model) = &mut model
                && u32::from(number) < fragments(n, kept)
            {
                model.came.insert(number, fill);
            }
        }
        assert_eq!(reassembly.stamp(), model.as_ref().map(|model| model.stamp));
        check(&reassembly, model.as_ref(), kept);
    }
}

fn check(reassembly: &Reassembly, model: Option<&UnderWay>, kept: usize) {
    let whole = model.filter(|model| model.came.len() == fragments(model.n, kept) as usize);
    let expected = whole.map(|model| {
        let each = kept.min(model.n - WRAP_OVERHEAD);
        let mut message: Vec<u8> = model.came.values().flat_map(|fill| std::iter::repeat_n(*fill, each)).collect();
        message.truncate(kept);
        message
    });
    assert_eq!(reassembly.whole(), expected.as_deref());
}
