//! The reorder window against a naive one.

use i405_proto::reorder::ReorderWindow;
use proptest::prelude::*;
use std::collections::BTreeMap;

const PATIENCE_NS: u64 = 1_000;

/// What came out: the counter that the payload carries, and whether it was said to be contiguous.
type Out = Vec<(u32, bool)>;

/// Payloads of varying length that begin with their counter.
fn payload(counter: u32) -> Vec<u8> {
    let mut payload = counter.to_be_bytes().to_vec();
    payload.resize(4 + counter as usize % 5, counter as u8);
    payload
}

fn collect(out: &mut Out) -> impl FnMut(&[u8], bool) + '_ {
    |bytes, contiguous| {
        let counter = u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"));
        assert_eq!(bytes, payload(counter), "a payload changed");
        out.push((counter, contiguous));
    }
}

struct Rig {
    window: ReorderWindow,
    out: Out,
}

impl Rig {
    fn new(window: usize) -> Rig {
        Rig { window: ReorderWindow::new(window, 8, PATIENCE_NS), out: Vec::new() }
    }

    fn insert(&mut self, counter: u32, now_ns: u64) -> Out {
        self.window.insert(counter, &payload(counter), now_ns, &mut collect(&mut self.out));
        std::mem::take(&mut self.out)
    }

    fn expire(&mut self, now_ns: u64) -> Out {
        self.window.expire(now_ns, &mut collect(&mut self.out));
        std::mem::take(&mut self.out)
    }
}

#[test]
fn in_order_passes_through() {
    let mut rig = Rig::new(3);
    for counter in 0..100 {
        assert_eq!(rig.insert(counter, 0), [(counter, true)]);
        assert_eq!(rig.window.deadline_ns(), None);
    }
    assert_eq!(rig.window.lost(), 0);
}

#[test]
fn swapped_pair_is_put_back() {
    let mut rig = Rig::new(3);
    assert_eq!(rig.insert(1, 5), []);
    assert_eq!(rig.window.deadline_ns(), Some(5 + PATIENCE_NS));
    assert_eq!(rig.insert(0, 6), [(0, true), (1, true)]);
    assert_eq!(rig.window.deadline_ns(), None);
}

#[test]
fn third_later_one_gives_up_the_missing() {
    let mut rig = Rig::new(3);
    assert_eq!(rig.insert(1, 0), []);
    assert_eq!(rig.insert(3, 0), []);
    assert_eq!(rig.insert(2, 0), [(1, false), (2, true), (3, true)]);
    assert_eq!(rig.window.lost(), 1);
    assert_eq!(rig.insert(0, 0), [], "late");
    assert_eq!(rig.insert(4, 0), [(4, true)]);
}

#[test]
fn windows_of_none_and_one_wait_for_nothing() {
    for window in [0, 1] {
        let mut rig = Rig::new(window);
        assert_eq!(rig.insert(7, 0), [(7, false)]);
        assert_eq!(rig.window.lost(), 7);
        assert_eq!(rig.insert(6, 0), []);
        assert_eq!(rig.insert(8, 0), [(8, true)]);
    }
}

#[test]
fn each_gap_has_its_own_patience() {
    let mut rig = Rig::new(8);
    rig.insert(1, 0);
    rig.insert(4, 600);
    assert_eq!(rig.expire(PATIENCE_NS - 1), []);
    assert_eq!(rig.expire(PATIENCE_NS), [(1, false)]);
    assert_eq!(rig.window.deadline_ns(), Some(600 + PATIENCE_NS));
    assert_eq!(rig.insert(2, 1_200), [(2, true)]);
    assert_eq!(rig.expire(600 + PATIENCE_NS), [(4, false)]);
    assert_eq!(rig.window.lost(), 2);
}

#[test]
fn duplicates_and_overlong_payloads_are_ignored() {
    let mut rig = Rig::new(3);
    for _ in 0..5 {
        assert_eq!(rig.insert(2, 0), []);
    }
    rig.window.insert(0, &[0; 9], 0, &mut |_, _| panic!("longer than the capacity"));
    assert_eq!(rig.insert(0, 0), [(0, true)]);
    assert_eq!(rig.insert(0, 0), []);
    assert_eq!(rig.insert(1, 0), [(1, true), (2, true)]);
}

#[test]
fn last_counter_has_a_successor() {
    let mut rig = Rig::new(0);
    assert_eq!(rig.insert(u32::MAX, 0), [(u32::MAX, false)]);
    assert_eq!(rig.insert(u32::MAX, 0), []);
    assert_eq!(rig.window.lost(), u64::from(u32::MAX));
}

/// Everything that waits in one map, looked through anew after each step.
struct Naive {
    window: usize,
    next: u32,
    waiting: BTreeMap<u32, u64>,
    lost: u64,
}

impl Naive {
    fn settle(&mut self, now_ns: u64) -> Out {
        let mut out = Vec::new();
        loop {
            let Some((&first, _)) = self.waiting.first_key_value() else { return out };
            let waited = self.waiting.values().any(|arrived| now_ns - arrived >= PATIENCE_NS);
            if first > self.next && self.waiting.len() < self.window.max(1) && !waited {
                return out;
            }
            out.push((first, first == self.next));
            self.lost += u64::from(first - self.next);
            self.next = first + 1;
            self.waiting.remove(&first);
        }
    }

    fn insert(&mut self, counter: u32, now_ns: u64) -> Out {
        if counter >= self.next {
            self.waiting.entry(counter).or_insert(now_ns);
        }
        self.settle(now_ns)
    }
}

proptest! {
    /// Counters that stray from their place by up to `disorder`, some twice, some never; time passes in between.
    #[test]
    fn agrees_with_the_naive_window(
        window in 0..=64usize,
        disorder in 1..40u32,
        steps in prop::collection::vec((0..200u32, 0..40u32, 0..400u64), 0..300),
    ) {
        let mut rig = Rig::new(window);
        let mut naive = Naive { window, next: 0, waiting: BTreeMap::new(), lost: 0 };
        let (mut base, mut now_ns, mut highest) = (0, 0, None);
        for (kind, stray, pause_ns) in steps {
            now_ns += pause_ns / 4;
            let mut out = rig.expire(now_ns);
            prop_assert_eq!(&out, &naive.settle(now_ns));
            let counter = base + stray % disorder;
            base += if kind == 0 { 100 } else { u32::from(kind > 20) };
            let inserted = rig.insert(counter, now_ns);
            prop_assert_eq!(&inserted, &naive.insert(counter, now_ns));
            out.extend(inserted);
            prop_assert_eq!(rig.window.lost(), naive.lost);
            let first_arrival = naive.waiting.values().min();
            prop_assert_eq!(rig.window.deadline_ns(), first_arrival.map(|arrived| arrived + PATIENCE_NS));
            for (counter, contiguous) in out {
                prop_assert_eq!(contiguous, highest.map_or(0, |highest: u32| highest + 1) == counter);
                highest = Some(counter);
            }
        }
    }
}
