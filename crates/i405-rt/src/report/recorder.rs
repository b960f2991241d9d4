//! Slots and arrivals, one record each, for a program that audits its tunnel (the option `record`).
//!
//! 1. a dispatcher pushes a [`SlotRecord`] for every slot, recorded or not: the timed path is the same either way
//! 2. where it is asked for, the receiver pushes an [`Arrival`] for every datagram that opens
//! 3. the reporter collects both ([`Recorder`]), and transmit timestamps beside them, and hands them over in one event of
//!    each kind
//!
//! What the program has no time for is dropped beyond a bound, and counted; what found no room in a ring is counted too.

use rtrb::Consumer;

use crate::platform::foreign_clock::Realtime;
use crate::rings::event::Event;
use crate::rings::record::{Arrival, ArrivalRecord, DepartureRecord, Recorded, SlotRecord};
use crate::rings::stats::Counters;

/// From one event to the next: rarely enough that the program's waking up is no load of its own.
const HAND_OVER_PERIOD_NS: u64 = 50_000_000;

/// The reporter's collection of what is to be told.
pub(crate) struct Recorder {
    arriving: Consumer<Arrival>,
    clock: Realtime,
    slots: Recorded<SlotRecord>,
    departures: Recorded<DepartureRecord>,
    arrivals: Recorded<ArrivalRecord>,
    /// Drops at the rings, as they were counted when last looked at: slots and arrivals.
    seen: (u64, u64),
    handed_over_ns: u64,
}

impl Recorder {
    /// Nothing recorded yet.
    pub(crate) fn new(arriving: Consumer<Arrival>) -> Self {
        Recorder {
            arriving,
            clock: Realtime::default(),
            slots: Recorded { records: Vec::new(), dropped: 0 },
            departures: Recorded { records: Vec::new(), dropped: 0 },
            arrivals: Recorded { records: Vec::new(), dropped: 0 },
            seen: (0, 0),
            handed_over_ns: 0,
        }
    }

    /// One slot more.
    pub(crate) fn slot(&mut self, record: SlotRecord) {
        self.slots.push(record);
    }

    /// One timestamp more.
    pub(crate) fn departed(&mut self, deadline_ns: u64, left_ns: u64) {
        self.departures.push(DepartureRecord { deadline_ns, left_ns });
    }

    /// Takes what arrived.
    pub(crate) fn take_arrivals(&mut self) {
        let waiting = self.arriving.slots();
        // After they came and before they are converted, as with transmit timestamps.
        let convertible = waiting > 0 && self.clock.update();
        for _ in 0..waiting {
            let Ok(Arrival { mut record, stamp_ns }) = self.arriving.pop() else { break };
            if convertible && stamp_ns != 0 {
                record.received_ns = self.clock.to_monotonic(stamp_ns).unwrap_or(record.received_ns);
            }
            self.arrivals.push(record);
        }
    }

    /// Whether it is time to tell.
    pub(crate) fn is_due(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.handed_over_ns) >= HAND_OVER_PERIOD_NS
    }

    /// Hands over what there is.
    pub(crate) fn hand_over(&mut self, now_ns: u64, counters: &Counters, tell: &mut Vec<Event>) {
        self.handed_over_ns = now_ns;
        let before = self.seen;
        self.seen = (counters.dispatched(|each| &each.records_dropped), counters.receive.arrivals_dropped.get());
        self.slots.dropped += self.seen.0 - before.0;
        self.arrivals.dropped += self.seen.1 - before.1;
        // Each of two dispatchers tells of its own.
        self.slots.records.sort_by_key(|slot| slot.deadline_ns);
        tell.extend(self.slots.take().map(Event::Slots));
        tell.extend(self.departures.take().map(Event::Departures));
        tell.extend(self.arrivals.take().map(Event::Arrivals));
    }
}

#[cfg(test)]
mod tests {
    use i405_proto::outbound::{NO_SESSION, SealedUnder};
    use rtrb::{Producer, RingBuffer};

    use super::*;
    use crate::platform::clock::{monotonic_ns, realtime_ns};
    use crate::rings::record::{Fate, MOST_RECORDS};

    fn slot(deadline_ns: u64) -> SlotRecord {
        let under = SealedUnder { generation: NO_SESSION, counter: 0 };
        SlotRecord { deadline_ns, called_ns: deadline_ns, under, missed: 0, least_ns: 0, fate: Fate::Called }
    }

    fn recorder() -> (Producer<Arrival>, Recorder) {
        let (arrivals, arriving) = RingBuffer::new(8);
        (arrivals, Recorder::new(arriving))
    }

    fn hand_over(recorder: &mut Recorder, counters: &Counters) -> Vec<Event> {
        let mut told = Vec::new();
        recorder.hand_over(1, counters, &mut told);
        told
    }

    #[test]
    fn lateness_is_what_the_call_decides() {
        let called = |called_ns, least_ns| SlotRecord { called_ns, least_ns, ..slot(1_000) }.late_ns();
        assert_eq!([called(900, 0), called(1_030, 0), called(900, 100), called(950, 100)], [0, 30, 0, 50]);
    }

    #[test]
    fn a_busy_program_finds_a_bounded_number_and_how_many_are_missing() {
        let (_, mut recorder) = recorder();
        let counters = Counters::default();
        for deadline_ns in 0..MOST_RECORDS as u64 + 5 {
            recorder.slot(slot(deadline_ns));
        }
        // And some found no room on their way.
        counters.send.records_dropped.add(2);
        counters.hedge.records_dropped.add(1);
        counters.receive.arrivals_dropped.add(4);
        let told = hand_over(&mut recorder, &counters);
        let [Event::Slots(slots), Event::Arrivals(arrivals)] = &told[..] else { panic!("{} events", told.len()) };
        assert_eq!((slots.records.len(), slots.dropped), (MOST_RECORDS, 8));
        assert_eq!((arrivals.records.len(), arrivals.dropped), (0, 4));
        assert!(hand_over(&mut recorder, &counters).is_empty(), "each is told once");
    }

    #[test]
    fn the_slots_of_two_dispatchers_are_told_by_deadline() {
        let (_, mut recorder) = recorder();
        [3, 5, 1, 4].into_iter().for_each(|deadline_ns| recorder.slot(slot(deadline_ns)));
        let told = hand_over(&mut recorder, &Counters::default());
        let [Event::Slots(slots)] = &told[..] else { panic!("{} events", told.len()) };
        assert_eq!(slots.records, [1, 3, 4, 5].map(slot));
    }

    #[test]
    fn receive_times_are_on_the_clock_of_the_schedules() {
        let (mut arrivals, mut recorder) = recorder();
        let (before_ns, stamp_ns) = (monotonic_ns(), realtime_ns());
        let record = ArrivalRecord { received_ns: 7, generation: 2, counter: 3 };
        arrivals.push(Arrival { record, stamp_ns }).unwrap();
        arrivals.push(Arrival { record, stamp_ns: 0 }).unwrap();
        recorder.take_arrivals();
        let told = hand_over(&mut recorder, &Counters::default());
        let [Event::Arrivals(arrivals)] = &told[..] else { panic!("{} events", told.len()) };
        let [converted, without_stamp] = arrivals.records[..] else { panic!("two") };
        assert!(converted.received_ns.abs_diff(before_ns) < 20_000_000_000, "{converted:?}");
        assert_eq!((converted.generation, converted.counter), (2, 3));
        assert_eq!(without_stamp, record);
    }

    #[test]
    fn it_is_told_every_so_often() {
        let (_, mut recorder) = recorder();
        recorder.hand_over(9_000_000_000, &Counters::default(), &mut Vec::new());
        assert!(!recorder.is_due(9_000_000_000 + HAND_OVER_PERIOD_NS - 1));
        assert!(recorder.is_due(9_000_000_000 + HAND_OVER_PERIOD_NS));
    }
}
