//! The deviation statistics of one reporting interval, and from what they are.

use std::sync::{Arc, OnceLock};

use i405_proto::lateness::{Deviation, Lateness};

use crate::platform::config::DeviationSource;
use crate::report::distribution::Distribution;
use crate::rings::stats::Counters;

/// The statistics of an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DeviationReport {
    /// The figures.
    pub figures: Deviation,
    /// From what these figures are, whatever was asked for.
    pub source: DeviationSource,
    /// Slots of which the driver told no timestamp; they are not in the figures unless those are the call's.
    pub unreported: u64,
}

/// Each slot's lateness at the end, for after it.
pub type FinalLateness = Arc<OnceLock<Vec<(DeviationSource, Distribution)>>>;

/// Latenesses since they were last asked for, and since the tunnel was opened.
pub struct LatenessWindow {
    /// At the call.
    lateness: Lateness,
    missed_before: u64,
    departed: Option<(DeviationSource, Lateness)>,
    /// The same, never begun anew: by the call and by timestamps.
    all: (Distribution, Distribution),
    unreported: u64,
    /// Timestamps came in the last interval in which anything was known of them.
    comes: bool,
}

impl LatenessWindow {
    /// An empty one.
    pub fn new(source: DeviationSource) -> Self {
        let departed = (source != DeviationSource::Call).then(|| (source, Lateness::new()));
        let all = Default::default();
        LatenessWindow { lateness: Lateness::new(), missed_before: 0, departed, all, unreported: 0, comes: false }
    }

    /// A slot left this long after its deadline, by the clock at the call.
    pub fn called(&mut self, late_ns: u64) {
        self.lateness.record(late_ns);
        self.all.0.record(late_ns);
    }

    /// A slot left this long after its deadline, by its timestamp.
    pub fn departed(&mut self, late_ns: u64) {
        if let Some((_, lateness)) = &mut self.departed {
            lateness.record(late_ns);
            self.all.1.record(late_ns);
        }
    }

    /// All slots since the tunnel was opened: by the call, and where timestamps were asked for, by those.
    pub fn distributions(&self) -> Vec<(DeviationSource, Distribution)> {
        let departed = self.departed.as_ref().map(|(source, _)| (*source, self.all.1));
        [(DeviationSource::Call, self.all.0)].into_iter().chain(departed).collect()
    }

    /// A slot's timestamp never came.
    pub fn unreported(&mut self) {
        self.unreported += 1;
    }

    /// The statistics since the last call.
    pub fn take(&mut self, counters: &Counters) -> DeviationReport {
        let missed = counters.missed();
        let since = missed - self.missed_before;
        self.missed_before = missed;
        self.lateness.missed(since);
        let unreported = std::mem::take(&mut self.unreported);
        let mut report =
            DeviationReport { figures: self.lateness.snapshot(), source: DeviationSource::Call, unreported };
        self.lateness.reset();
        if let Some((source, lateness)) = &mut self.departed {
            lateness.missed(since);
            let figures = lateness.snapshot();
            // Where most slots have no timestamp, figures of the few that have would be figures of something else.
            // Where nothing is known yet, because the threads that bring timestamps are late, the next interval has
            // them.
            if figures.count + unreported > 0 {
                self.comes = figures.count > unreported;
            }
            if self.comes {
                (report.figures, report.source) = (figures, *source);
            }
            lateness.reset();
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_what_the_figures_are_from() {
        let counters = Counters::default();
        let mut window = LatenessWindow::new(DeviationSource::Software);
        let mut slots = |called: u64, departed: u64, unreported: u64| {
            counters.send.missed.add(2);
            (0..called).for_each(|_| window.called(1_000));
            (0..departed).for_each(|_| window.departed(3_000));
            (0..unreported).for_each(|_| window.unreported());
            let DeviationReport { figures, source, unreported } = window.take(&counters);
            (figures.count, figures.max_ns, figures.missed, source, unreported)
        };
        assert_eq!(slots(10, 0, 0), (10, 1_000, 2, DeviationSource::Call, 0), "none has come yet");
        assert_eq!(slots(10, 9, 1), (9, 3_000, 2, DeviationSource::Software, 1));
        assert_eq!(slots(10, 0, 10), (10, 1_000, 2, DeviationSource::Call, 10), "the driver stopped");
        assert_eq!(slots(10, 10, 0), (10, 3_000, 2, DeviationSource::Software, 0), "nothing is left of the last");
        assert_eq!(slots(10, 0, 0), (0, 0, 2, DeviationSource::Software, 0), "late, and in the next interval");
        let [(DeviationSource::Call, called), (DeviationSource::Software, departed)] = window.distributions()[..]
        else {
            panic!("one of each");
        };
        assert_eq!((called.counts[1], called.sum_ns), (50, 50_000), "taking the figures leaves these as they are");
        assert_eq!((departed.counts[3], departed.sum_ns), (19, 57_000));
        let mut call = LatenessWindow::new(DeviationSource::Call);
        call.departed(1);
        assert_eq!(call.take(&Counters::default()).figures.count, 0);
        assert_eq!(call.distributions(), [(DeviationSource::Call, Distribution::default())]);
    }
}
