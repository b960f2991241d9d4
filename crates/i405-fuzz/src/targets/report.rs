//! Whatever reports say: a body reads back, and losses and round trips are what a naive count makes of the reports that
//! can be true, never more than was sent, never negative.

use std::collections::BTreeMap;

use i405_proto::path::{PeerReports, Totals, Window};
use i405_proto::report::{REPORT_BYTES, Report};

use crate::program::Program;

/// What was sent and reported, written out.
#[derive(Default)]
struct Naive {
    /// When each left.
    sent: BTreeMap<(u32, u32), u64>,
    /// Newest and opened by the newest report of each key.
    told: BTreeMap<u32, (u32, u32)>,
}

impl Naive {
    fn highest(&self, generation: u32) -> Option<u32> {
        self.sent.range((generation, 0)..=(generation, u32::MAX)).next_back().map(|((_, counter), _)| *counter)
    }

    fn takes(&mut self, generation: u32, report: Report) -> bool {
        // The two newest keys.
        let newest = self.sent.keys().next_back().map(|(generation, _)| *generation);
        let before = newest.and_then(|newest| self.sent.range(..(newest, 0)).next_back()).map(|((of, _), _)| *of);
        let known = newest == Some(generation) || before == Some(generation);
        let sent = known && self.highest(generation).is_some_and(|highest| report.newest <= highest);
        let possible = report.opened > 0 && report.opened.checked_sub(1).is_some_and(|less| less <= report.newest);
        let after = self.told.last_key_value().is_none_or(|(of, _)| *of <= generation);
        let rises = self.told.get(&generation).is_none_or(|told| report.newest >= told.0 && report.opened >= told.1);
        let taken = sent && possible && after && rises;
        if taken {
            self.told.insert(generation, (report.newest, report.opened));
        }
        taken
    }

    fn totals(&self) -> Totals {
        let expected = self.told.values().map(|(newest, _)| u64::from(*newest) + 1).sum();
        let opened: u64 = self.told.values().map(|(_, opened)| u64::from(*opened)).sum();
        Totals { expected, lost: expected - opened }
    }
}

/// A program of datagrams that leave and reports that come.
pub fn run(data: &[u8]) {
    let mut program = Program::new(data);
    let (mut reports, mut naive, mut window) = (PeerReports::default(), Naive::default(), Window::default());
    let (mut generation, mut counter, mut now_ns) = (0u32, 0u32, 0u64);
    while program.more() {
        let how = program.byte();
        match how & 3 {
            0 => {
                // Of either dispatcher; a counter may be missing, because nobody told of it.
                for _ in 0..=how >> 3 {
                    now_ns += 1_000;
                    reports.sent(usize::from(how >> 2 & 1), generation, counter, now_ns);
                    naive.sent.insert((generation, counter), now_ns);
                    counter += 1;
                }
                counter += u32::from(how >> 7);
            }
            1 if how & 0x1c == 0 => {
                generation += 1 + u32::from(how >> 5);
                counter = 0;
            }
            1 => now_ns = now_ns.saturating_add(program.wide() >> 8),
            _ => {
                let body = if how & 4 == 0 {
                    let newest = counter.saturating_sub(u32::from(program.byte()));
                    let opened = newest.wrapping_add(1).wrapping_sub(u32::from(program.byte() & 7));
                    Report { newest, opened, held_us: (how & 8 == 0).then(|| program.short().into()) }
                        .to_bytes()
                        .to_vec()
                } else {
                    program.take(usize::from(how >> 3)).to_vec()
                };
                let Some(report) = Report::parse(&body) else {
                    assert!(body.len() < REPORT_BYTES);
                    continue;
                };
                assert_eq!(report.to_bytes()[..], body[..REPORT_BYTES], "it reads back");
                let of = generation.saturating_sub(u32::from(how >> 6));
                let received_ns = (how & 32 == 0).then_some(now_ns);
                let trip = reports.round_trip();
                let taken = reports.report(of, report, received_ns);
                assert_eq!(taken, naive.takes(of, report), "{report:?} under {of}");
                if reports.round_trip() != trip {
                    let left_ns = naive.sent[&(of, report.newest)];
                    let held_ns = u64::from(report.held_us.expect("else it tells nothing")) * 1_000;
                    let away_ns = received_ns.expect("else it tells nothing").saturating_sub(left_ns);
                    let newest = reports.round_trip().expect("it changed");
                    assert_eq!(newest.newest_ns, away_ns.saturating_sub(held_ns));
                    assert!(
                        newest.least_ns <= newest.newest_ns && newest.least_ns <= newest.smoothed_ns.saturating_add(8)
                    );
                }
            }
        }
        let totals = reports.totals();
        assert_eq!(totals, naive.totals());
        assert!(totals.lost <= totals.expected && totals.expected <= naive.sent.len() as u64 + 1_000_000);
        window.note(now_ns, totals);
        let recent = window.recent(now_ns, totals);
        assert!(recent.lost <= recent.expected && recent.expected <= totals.expected);
    }
}
