//! A close is in the next eight data slots, whatever else is going on, and nothing is carried any more.

use i405_proto::outbound::{CLOSE_SLOTS, Contents};
use proptest::prelude::*;

use crate::way::{Fault, Way, datagram_lengths, lengths};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::way::CASES))]

    /// In the middle of a packet, beside the newest stamp, in between a handshake's slots, over a change of keys.
    #[test]
    fn a_close_comes_in_the_next_eight_data_slots(
        lengths in lengths(),
        datagram_length in datagram_lengths(),
        before in 0..60usize,
        every in prop_oneof![Just(0), 2..9u32],
        stamp in any::<bool>(),
        keys_after in prop::option::of(0..12u32),
    ) {
        let stamp = stamp.then_some(7);
        let mut way = Way::new(datagram_length, &lengths);
        way.change_keys(stamp);
        for _ in 0..before {
            way.slot(Fault::default());
        }
        way.set_carousel(every);
        way.say_close();
        let mut said = 0;
        for slot in 0..20 {
            if keys_after == Some(slot) {
                way.change_keys(stamp);
            }
            let built = way.slot(Fault::default());
            let carries = matches!(built.contents, Contents::Carrying { .. });
            prop_assert!(!carries, "a packet after the close");
            said += u32::from(built.contents != Contents::Handshake);
            prop_assert_eq!(built.close_said, said == CLOSE_SLOTS && built.contents != Contents::Handshake);
            prop_assert_eq!(way.closes(), said.min(CLOSE_SLOTS));
        }
        way.set_carousel(0);
        prop_assert_eq!(way.closes(), CLOSE_SLOTS);
        prop_assert!(way.came().is_sorted_by(|one, next| one < next));
    }
}
