//! The replay window beside a naive model: a set of everything accepted.

use std::collections::BTreeSet;

use i405_proto::replay::{REPLAY_WINDOW, ReplayWindow};
use proptest::prelude::*;

#[derive(Default)]
struct Model {
    accepted: BTreeSet<u32>,
}

impl Model {
    fn in_window(&self, counter: u32) -> bool {
        self.accepted.last().is_none_or(|highest| i64::from(*highest) - i64::from(counter) <= 8191)
    }

    fn check(&self, counter: u32) -> bool {
        self.in_window(counter) && !self.accepted.contains(&counter)
    }

    fn highest(&self) -> i64 {
        self.accepted.last().map_or(-1, |highest| i64::from(*highest))
    }
}

/// Steps relative to the highest counter: mostly near, sometimes about a window or a ring away.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => -40i64..40,
        2 => -8300i64..8300,
        1 => prop_oneof![Just(-8192), Just(-8191), Just(8191), Just(8192), Just(8256), Just(64), Just(-64)],
        1 => 8000i64..100_000,
    ]
}

proptest! {
    #[test]
    fn like_the_model(start in 0u32..20_000, steps in prop::collection::vec(step(), 1..300)) {
        let mut window = ReplayWindow::new();
        let mut model = Model::default();
        let mut probe = i64::from(start);
        for step in steps {
            let counter = u32::try_from(probe.max(0)).unwrap();
            prop_assert_eq!(window.check(counter), model.check(counter), "counter {}", counter);
            prop_assert_eq!(
                window.seen(counter),
                model.in_window(counter) && model.accepted.contains(&counter)
            );
            if window.check(counter) {
                window.commit(counter);
                model.accepted.insert(counter);
                prop_assert!(!window.check(counter));
            }
            prop_assert_eq!(window.highest(), model.highest());
            probe = model.highest() + step;
        }
    }
}

#[test]
fn the_edges() {
    let mut window = ReplayWindow::new();
    assert_eq!(window.highest(), -1);
    assert!(window.check(0) && window.check(u32::MAX));
    window.commit(10_000);
    assert!(!window.check(10_000));
    assert!(window.check(10_000 - (REPLAY_WINDOW - 1)));
    assert!(!window.check(10_000 - REPLAY_WINDOW));
    window.commit(10_000 - REPLAY_WINDOW);
    assert_eq!(window.highest(), 10_000);
    assert!(!window.seen(10_000 - REPLAY_WINDOW));
}

#[test]
fn every_counter_once_in_a_shuffled_stretch() {
    let mut window = ReplayWindow::new();
    // 3 has no divisor in common with 8192, so this visits each counter of every stretch of 8192 once.
    for stretch in 0..4u32 {
        for k in 0..8192u32 {
            let counter = stretch * 8192 + (k * 3) % 8192;
            let lag = window.highest() - i64::from(counter);
            assert_eq!(window.check(counter), lag < 8192);
            window.commit(counter);
        }
    }
}
