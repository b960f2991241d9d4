//! The reporter's part in what is known of the path: it feeds what `i405_proto::path` needs, and has reports said.
//!
//! 1. Send times come from the slots' records, which the reporter takes anyway.
//! 2. The peer's reports come from the receiver through a ring of their own, so that a peer that sends many loses
//!    nothing but these.
//! 3. Once a second the dispatcher gets what was heard, for a slot of the same session.

use std::sync::{Arc, OnceLock};

use i405_proto::outbound::NO_SESSION;
use i405_proto::path::{PeerReports, RoundTrip, Totals, Window};
use i405_proto::report::Heard;
use rtrb::Consumer;

use crate::platform::clock::SECOND_NS;
use crate::rings::record::SlotRecord;
use crate::rings::report_in::ReportIn;
use crate::rings::stats::ReceiveCounters;

/// The protocol's: from one report to the next at least, besides eight slots.
const REPORT_NS: u64 = SECOND_NS;

/// One direction's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossFigures {
    /// Since the tunnel was opened.
    pub totals: Totals,
    /// In the last ten seconds.
    pub recent: Totals,
}

/// What is known of the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathFigures {
    /// The peer's datagrams.
    pub inbound: LossFigures,
    /// Ours, by the peer's reports.
    pub outbound: LossFigures,
    /// There and back.
    pub round_trip: Option<RoundTrip>,
    /// When the newest report came, CLOCK_MONOTONIC; 0: none yet.
    pub reported_ns: u64,
}

/// What was known at the end, for after it.
pub type FinalPath = Arc<OnceLock<PathFigures>>;

/// The reporter's state.
#[derive(Debug, Default)]
pub struct Path {
    reports: PeerReports,
    inbound: Window,
    outbound: Window,
    reported_ns: u64,
    /// The newest that was given to be said, and when.
    given: Option<(Heard, u64)>,
}

impl Path {
    /// A slot that a dispatcher sent.
    pub(crate) fn slot(&mut self, dispatcher: usize, record: &SlotRecord) {
        if record.under.generation != NO_SESSION {
            // With launch times a slot leaves after its call, at its deadline at the earliest.
            let left_ns = record.called_ns.max(record.deadline_ns);
            self.reports.sent(dispatcher, record.under.generation, record.under.counter, left_ns);
        }
    }

    /// Takes the peer's reports; the slots that they are about were told before.
    pub(crate) fn take(&mut self, waiting: &[ReportIn], now_ns: u64) {
        for ReportIn { generation, report, received_ns } in waiting {
            if self.reports.report(*generation, *report, *received_ns) {
                self.reported_ns = now_ns;
            }
        }
    }

    /// Looks at the counters once in a period. What was heard, if it is to be said now.
    pub(crate) fn look(&mut self, counters: &ReceiveCounters, heard: Option<Heard>, now_ns: u64) -> Option<Heard> {
        self.inbound.note(now_ns, arrived(counters));
        self.outbound.note(now_ns, self.reports.totals());
        let heard = heard?;
        let due =
            self.given.is_none_or(|(before, given_ns)| before != heard && now_ns.saturating_sub(given_ns) >= REPORT_NS);
        if !due {
            return None;
        }
        self.given = Some((heard, now_ns));
        Some(heard)
    }

    /// The figures of now.
    pub(crate) fn figures(&self, counters: &ReceiveCounters, now_ns: u64) -> PathFigures {
        let (came, went) = (arrived(counters), self.reports.totals());
        PathFigures {
            inbound: LossFigures { totals: came, recent: self.inbound.recent(now_ns, came) },
            outbound: LossFigures { totals: went, recent: self.outbound.recent(now_ns, went) },
            round_trip: self.reports.round_trip(),
            reported_ns: self.reported_ns,
        }
    }
}

fn arrived(counters: &ReceiveCounters) -> Totals {
    // In this order: what opens in between is not lost.
    let expected = counters.expected.get();
    Totals::new(expected, counters.opened.get())
}

/// Takes what waits in the ring.
pub(crate) fn waiting(ring: &mut Consumer<ReportIn>) -> Vec<ReportIn> {
    (0..ring.slots()).filter_map(|_| ring.pop().ok()).collect()
}

#[cfg(test)]
mod tests {
    use i405_proto::outbound::SealedUnder;
    use i405_proto::report::Report;

    use super::*;
    use crate::rings::record::Fate;

    fn record(generation: u32, counter: u32, deadline_ns: u64, called_ns: u64) -> SlotRecord {
        let under = SealedUnder { generation, counter };
        SlotRecord { deadline_ns, called_ns, under, missed: 0, least_ns: 0, fate: Fate::Called }
    }

    fn heard(newest: u32) -> Option<Heard> {
        Some(Heard { generation: 1, newest, opened: newest + 1, received_ns: 0 })
    }

    #[test]
    fn what_was_heard_is_said_once_a_second() {
        let mut path = Path::default();
        let counters = ReceiveCounters::default();
        assert_eq!(path.look(&counters, None, 0), None);
        assert_eq!(path.look(&counters, heard(0), 10), heard(0));
        assert_eq!(path.look(&counters, heard(9), 10 + REPORT_NS - 1), None);
        assert_eq!(path.look(&counters, heard(9), 10 + REPORT_NS), heard(9));
        assert_eq!(path.look(&counters, heard(9), 10 + 5 * REPORT_NS), None, "nothing has opened since");
        let rekeyed = Some(Heard { generation: 2, newest: 0, opened: 1, received_ns: 0 });
        assert_eq!(path.look(&counters, rekeyed, 11 + 5 * REPORT_NS), rekeyed, "the same number of another key");
    }

    #[test]
    fn slots_without_a_session_and_skipped_ones_are_no_losses() {
        let mut path = Path::default();
        path.slot(0, &record(NO_SESSION, 0, 5, 5));
        path.slot(0, &record(1, 0, 10, 10));
        // Nine slots were skipped here: no counter was used.
        path.slot(0, &record(1, 1, 110, 120));
        let report = Report { newest: 1, opened: 2, held_us: Some(0) };
        path.take(&[ReportIn { generation: 1, report, received_ns: Some(200) }], 250);
        let figures = path.figures(&ReceiveCounters::default(), 300);
        assert_eq!(figures.outbound.totals, Totals { expected: 2, lost: 0 });
        assert_eq!((figures.round_trip.map(|trip| trip.newest_ns), figures.reported_ns), (Some(80), 250));
    }

    #[test]
    fn a_launched_slot_left_at_its_deadline() {
        let mut path = Path::default();
        path.slot(0, &record(1, 0, 1_000, 400));
        let report = Report { newest: 0, opened: 1, held_us: Some(0) };
        path.take(&[ReportIn { generation: 1, report, received_ns: Some(1_500) }], 1_600);
        let figures = path.figures(&ReceiveCounters::default(), 1_700);
        assert_eq!(figures.round_trip.map(|trip| trip.newest_ns), Some(500));
    }
}
