//! New keys in the middle of packets, and slots without any.

use proptest::prelude::*;

use crate::way::{Fault, Way, datagram_lengths, lengths, lossy, mild};

/// At least so many slots under a key, so that nothing is under way any more of the last but one.
const APART: usize = 10;

/// After the faults of each stretch, so many slots without a key, and then the next key.
type Stretches = Vec<(Vec<Fault>, usize)>;

fn stretches(fault: impl Strategy<Value = Fault>) -> impl Strategy<Value = Stretches> {
    let without = prop_oneof![3 => Just(0), 1 => 1..20usize];
    prop::collection::vec((prop::collection::vec(fault, APART..40), without), 1..8)
}

fn run(datagram_length: usize, lengths: &[usize], stretches: Stretches) -> Way {
    let mut way = Way::new(datagram_length, lengths);
    for (faults, without) in stretches {
        for fault in faults {
            way.slot(fault);
        }
        if without > 0 {
            way.expire();
            let waiting = way.waiting();
            for _ in 0..without {
                way.slot(Fault::default());
            }
            assert_eq!(way.waiting(), waiting, "nothing is taken for slots that nobody can open");
        }
        way.change_keys(None);
    }
    way.drain();
    way
}

/// Datagrams of two keys may overtake each other; nothing else of the order is lost.
fn sorted(came: &[usize]) -> Vec<usize> {
    let mut sorted = came.to_vec();
    sorted.sort_unstable();
    sorted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::way::CASES))]

    #[test]
    fn a_packet_under_way_starts_again_and_nothing_is_lost(
        lengths in lengths(),
        datagram_length in datagram_lengths(),
        stretches in stretches(Just(Fault::default())),
    ) {
        let way = run(datagram_length, &lengths, stretches);
        prop_assert_eq!(way.came(), (0..lengths.len()).collect::<Vec<_>>());
        prop_assert_eq!((way.counters().payloads_lost, way.counters().blocks_dropped), (0, 0));
    }

    #[test]
    fn what_is_under_way_under_the_old_key_still_comes(
        lengths in lengths(),
        datagram_length in datagram_lengths(),
        stretches in stretches(mild()),
    ) {
        let way = run(datagram_length, &lengths, stretches);
        prop_assert_eq!(sorted(way.came()), (0..lengths.len()).collect::<Vec<_>>());
        prop_assert_eq!((way.counters().payloads_lost, way.counters().blocks_dropped), (0, 0));
    }

    #[test]
    fn losses_around_a_new_key_cost_only_what_they_touched(
        lengths in lengths(),
        datagram_length in datagram_lengths(),
        stretches in stretches(lossy()),
    ) {
        let way = run(datagram_length, &lengths, stretches);
        prop_assert_eq!(sorted(way.came()), way.untouched());
    }
}
