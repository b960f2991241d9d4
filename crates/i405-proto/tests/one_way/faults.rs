//! What faults cost: none of them brings a packet twice, altered or out of order.

use proptest::prelude::*;

use crate::way::{Fault, Way, datagram_lengths, lengths, lossy, mild};

/// Runs through the faults, one for each slot, and then until everything is out.
fn run(datagram_length: usize, lengths: &[usize], faults: Vec<Fault>) -> Way {
    let mut way = Way::new(datagram_length, lengths);
    for fault in faults {
        way.slot(fault);
    }
    way.drain();
    way
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::way::CASES))]

    /// Also with 64 KiB in the shortest datagrams there are, and beside a handshake.
    #[test]
    fn without_faults_everything_comes_in_order(
        lengths in lengths(),
        datagram_length in datagram_lengths(),
        every in prop_oneof![Just(0), 2..9u32],
    ) {
        let mut way = Way::new(datagram_length, &lengths);
        way.set_carousel(every);
        way.drain();
        prop_assert_eq!(way.came(), (0..lengths.len()).collect::<Vec<_>>());
        let counters = way.counters();
        prop_assert_eq!(counters.opened, way.data as u64);
        prop_assert_eq!((counters.payloads_lost, counters.blocks_dropped, counters.malformed_inner), (0, 0, 0));
        prop_assert_eq!((counters.replayed, counters.unknown, counters.over_budget), (0, 0, 0));
    }

    #[test]
    fn reordering_within_the_window_and_copies_cost_nothing(
        lengths in lengths(),
        datagram_length in datagram_lengths(),
        faults in prop::collection::vec(mild(), 1..400),
    ) {
        let way = run(datagram_length, &lengths, faults);
        prop_assert_eq!(way.came(), (0..lengths.len()).collect::<Vec<_>>());
        let counters = way.counters();
        prop_assert_eq!((counters.payloads_lost, counters.blocks_dropped, counters.malformed_inner), (0, 0, 0));
        prop_assert_eq!((counters.replayed, counters.unknown), (way.copies, 0));
    }

    #[test]
    fn a_lost_datagram_costs_only_the_packets_that_it_touched(
        lengths in lengths(),
        datagram_length in datagram_lengths(),
        faults in prop::collection::vec(lossy(), 1..400),
    ) {
        let way = run(datagram_length, &lengths, faults);
        prop_assert_eq!(way.came(), way.untouched());
    }

    #[test]
    fn long_delays_bring_nothing_twice_or_out_of_order(
        lengths in lengths(),
        datagram_length in datagram_lengths(),
        faults in prop::collection::vec((lossy(), prop::option::weighted(0.05, 0..300u64)), 1..400),
    ) {
        let late = |(fault, late): (Fault, Option<u64>)| Fault { late: late.unwrap_or(fault.late), ..fault };
        let way = run(datagram_length, &lengths, faults.into_iter().map(late).collect());
        let came = way.came();
        prop_assert!(came.is_sorted_by(|one, next| one < next), "{:?}", came);
        let untouched = way.untouched();
        prop_assert!(came.iter().all(|number| untouched.binary_search(number).is_ok()), "{:?}", came);
    }
}
