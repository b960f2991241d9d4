//! Which timestamp belongs to which slot.
//!
//! The kernel numbers a socket's datagrams, and this module counts along from the same beginning. The numbers can part
//! where the kernel refuses a datagram, because it may or may not have counted it by then. So a match by number is
//! believed only if the timestamp is not before the call. Otherwise the newest slot that was called before the
//! timestamp is taken.

use std::collections::VecDeque;

use crate::rings::record::{Fate, SlotRecord};

/// A timestamp may be this much before its call: two clocks were compared.
const CLOCKS_APART_NS: u64 = 2_000;
/// A slot whose timestamp has not come by then has none. Long, because the thread that reads them is an ordinary one.
const GIVE_UP_NS: u64 = 5_000_000_000;
/// Slots that wait at most: 2.6 s of the shortest, 12 MiB.
const MOST_SLOTS: usize = 1 << 18;

/// How often a timestamp may be looked at before its slot has come. The thread that sent may be off its core between
/// the call and saying so. At the reporter's period this is 40 ms or more.
const MOST_WAITS: u8 = 20;

struct Sent {
    record: SlotRecord,
    settled: bool,
}

struct Departure {
    id: u32,
    at_ns: u64,
    /// How often it has been looked at.
    waits: u8,
}

/// Slots and timestamps that wait for each other.
#[derive(Default)]
pub struct Matcher {
    slots: VecDeque<Sent>,
    /// The kernel's number of the first of them.
    first: u32,
    departures: VecDeque<Departure>,
}

impl Matcher {
    /// Takes the next slot, and puts it where its call belongs: another thread may tell of an earlier slot later.
    pub fn sent(&mut self, record: SlotRecord) {
        let before = self.slots.iter().rposition(|slot| slot.record.called_ns <= record.called_ns);
        let place = before.map_or(0, |index| index + 1);
        self.slots.insert(place, Sent { record, settled: record.fate == Fate::Refused });
    }

    /// The next timestamp, on CLOCK_MONOTONIC.
    pub fn depart(&mut self, id: u32, at_ns: u64) {
        self.departures.push_back(Departure { id, at_ns, waits: 0 });
    }

    /// Tells of every slot that is settled: when it left, or None if that will never be known.
    pub fn settle(&mut self, now_ns: u64, mut found: impl FnMut(SlotRecord, Option<u64>)) {
        for _ in 0..self.departures.len() {
            let Some(mut departure) = self.departures.pop_front() else { break };
            if let Some(index) = self.by_number(&departure).or_else(|| self.by_time(&departure)) {
                self.slots[index].settled = true;
                self.first = departure.id.wrapping_sub(index as u32);
                found(self.slots[index].record, Some(departure.at_ns));
            } else if departure.waits < MOST_WAITS {
                // A timestamp can be here before the thread that sent has come back from its call.
                departure.waits += 1;
                self.departures.push_back(departure);
            }
        }
        while let Some(slot) = self.slots.front() {
            let overdue = slot.record.called_ns + GIVE_UP_NS < now_ns;
            if !slot.settled && !overdue && self.slots.len() <= MOST_SLOTS {
                break;
            }
            if !slot.settled {
                found(slot.record, None);
            }
            self.slots.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    fn index(&self, id: u32) -> usize {
        id.wrapping_sub(self.first) as usize
    }

    fn is_ahead(&self, id: u32) -> bool {
        (self.slots.len()..=i32::MAX as usize).contains(&self.index(id))
    }

    fn fits(slot: &Sent, at_ns: u64) -> bool {
        !slot.settled && slot.record.called_ns <= at_ns + CLOCKS_APART_NS
    }

    fn by_number(&self, departure: &Departure) -> Option<usize> {
        let index = self.index(departure.id);
        self.slots.get(index).filter(|slot| Self::fits(slot, departure.at_ns)).map(|_| index)
    }

    fn by_time(&self, departure: &Departure) -> Option<usize> {
        if departure.waits < MOST_WAITS && self.is_ahead(departure.id) {
            return None;
        }
        self.slots.iter().rposition(|slot| Self::fits(slot, departure.at_ns))
    }
}

#[cfg(test)]
mod tests {
    use i405_proto::outbound::{NO_SESSION, SealedUnder};

    use super::*;

    const INTERVAL_NS: u64 = 1_000;

    fn called(slot: u64, fate: Fate) -> SlotRecord {
        let deadline_ns = 10_000_000 + slot * 10 * INTERVAL_NS;
        let under = SealedUnder { generation: NO_SESSION, counter: 0 };
        SlotRecord { called_ns: deadline_ns + 20, deadline_ns, under, missed: 0, least_ns: 0, fate }
    }

    fn settle(matcher: &mut Matcher, now_ns: u64) -> Vec<(u64, Option<u64>)> {
        let mut all = Vec::new();
        matcher.settle(now_ns, |slot, at_ns| {
            all.push((slot.deadline_ns, at_ns.map(|at_ns| at_ns - slot.deadline_ns)));
        });
        all
    }

    #[test]
    fn numbers_decide_also_where_a_queue_holds_slots_beyond_the_next_and_numbers_wrap() {
        let mut matcher = Matcher { first: u32::MAX - 2, ..Matcher::default() };
        for slot in 0..6 {
            matcher.sent(called(slot, Fate::Called));
        }
        for slot in 0..6 {
            matcher.depart((u32::MAX - 2).wrapping_add(slot), called(slot.into(), Fate::Called).deadline_ns + 45_000);
        }
        let all = settle(&mut matcher, 10_100_000);
        assert_eq!(all.len(), 6);
        assert!(all.iter().all(|(_, late_ns)| *late_ns == Some(45_000)), "{all:?}");
        assert_eq!((matcher.slots.len(), matcher.first), (0, 3));
    }

    #[test]
    fn a_timestamp_may_come_before_its_slot() {
        let mut matcher = Matcher::default();
        matcher.depart(0, called(0, Fate::Called).called_ns + 100);
        assert_eq!(settle(&mut matcher, 10_000_000), []);
        matcher.sent(called(0, Fate::Called));
        assert_eq!(settle(&mut matcher, 10_000_100), [(10_000_000, Some(120))]);
    }

    #[test]
    fn a_lost_timestamp_is_given_up_and_disturbs_no_other() {
        let mut matcher = Matcher::default();
        for slot in 0..4 {
            matcher.sent(called(slot, Fate::Called));
        }
        for slot in [0, 2, 3] {
            matcher.depart(slot, called(slot.into(), Fate::Called).called_ns + 100);
        }
        assert_eq!(settle(&mut matcher, 10_040_000).len(), 3);
        assert_eq!(matcher.slots.len(), 3, "the second still waits");
        assert_eq!(settle(&mut matcher, 10_040_000 + GIVE_UP_NS), [(10_010_000, None)]);
        assert_eq!((matcher.slots.len(), matcher.first), (0, 4));
    }

    #[test]
    fn refused_slots_are_skipped_whether_the_kernel_counted_them_or_not() {
        for counted in [[false, false], [true, true], [true, false], [false, true]] {
            let mut matcher = Matcher::default();
            let fates = [Fate::Called, Fate::Refused, Fate::Refused, Fate::Called, Fate::Called, Fate::Called];
            let mut id = 0;
            for (slot, fate) in fates.into_iter().enumerate() {
                matcher.sent(called(slot as u64, fate));
                if fate == Fate::Called {
                    matcher.depart(id, called(slot as u64, fate).called_ns + 100);
                }
                id += u32::from(fate == Fate::Called || counted[slot - 1]);
                // In turn, as they come.
                let all = settle(&mut matcher, 10_000_000 + slot as u64 * 10 * INTERVAL_NS);
                let expected = if fate == Fate::Called { vec![Some(120)] } else { Vec::new() };
                assert_eq!(all.iter().map(|each| each.1).collect::<Vec<_>>(), expected, "{counted:?}, slot {slot}");
            }
            assert_eq!(matcher.slots.len(), 0);
        }
    }

    #[test]
    fn slots_of_two_threads_are_put_in_order_also_where_one_is_told_of_late() {
        let mut matcher = Matcher::default();
        let depart =
            |matcher: &mut Matcher, slot: u64| matcher.depart(slot as u32, called(slot, Fate::Called).called_ns + 100);
        for slot in [1, 3, 0, 2] {
            matcher.sent(called(slot, Fate::Called));
        }
        (0..4).for_each(|slot| depart(&mut matcher, slot));
        assert!(settle(&mut matcher, 10_040_000).iter().all(|each| each.1 == Some(120)));
        for slot in [4, 6] {
            matcher.sent(called(slot, Fate::Called));
        }
        (4..7).for_each(|slot| depart(&mut matcher, slot));
        assert_eq!(settle(&mut matcher, 10_070_000), [(10_040_000, Some(120))]);
        for slot in [5, 7, 8] {
            matcher.sent(called(slot, Fate::Called));
        }
        (7..9).for_each(|slot| depart(&mut matcher, slot));
        let mut all = settle(&mut matcher, 10_090_000);
        all.sort_unstable();
        assert_eq!(all, [5, 6, 7, 8].map(|slot| (10_000_000 + slot * 10_000, Some(120))));
    }

    #[test]
    fn nonsense_is_dropped() {
        let mut matcher = Matcher::default();
        matcher.depart(7, 1);
        matcher.depart(u32::MAX, 1);
        for _ in 0..=MOST_WAITS {
            assert_eq!(settle(&mut matcher, 10_000_000), []);
        }
        assert!(matcher.departures.is_empty());
    }

    #[test]
    fn numbers_that_are_ahead_for_good_come_right_by_time() {
        let mut matcher = Matcher::default();
        // Three slots found no room in the ring.
        for slot in 3..9 {
            matcher.sent(called(slot, Fate::Called));
            matcher.depart(slot as u32, called(slot, Fate::Called).called_ns + 100);
        }
        let all: Vec<_> = (0..=MOST_WAITS).flat_map(|_| settle(&mut matcher, 10_100_000)).collect();
        let late = |late_ns: u64| all.iter().filter(|(_, late)| *late == Some(late_ns)).count();
        assert!(late(120) >= 3, "{all:?}");
        matcher.sent(called(9, Fate::Called));
        matcher.depart(9, called(9, Fate::Called).called_ns + 100);
        assert_eq!(settle(&mut matcher, 10_100_000 + GIVE_UP_NS).last(), Some(&(10_090_000, Some(120))));
    }
}
