//! What is known of the way to the peer and back: losses and round trip, from the peer's reports and our own records
//! (docs/protocol.md, "Report").
//!
//! [`SentTimes`] knows when our newest datagrams left; [`PeerReports`] reads reports against it; [`Window`] makes recent
//! figures of totals. A report is the peer's word: whatever it says, the figures stay within what was sent.

use std::collections::VecDeque;

use crate::report::Report;

// Ours.

/// How long a send time is kept: longer than any round trip that is worth knowing.
const SENT_NS: u64 = 10_000_000_000;
/// Send times that are kept of each dispatcher at most: 0.65 s of the shortest slots, 1 MiB.
const MOST_SENT: usize = 1 << 16;
/// Recent figures are of this time.
pub const RECENT_NS: u64 = 10_000_000_000;
/// From one sample of the totals to the next.
const SAMPLE_NS: u64 = 1_000_000_000;
const MICROSECOND_NS: u64 = 1_000;
/// A smoothed round trip takes this part of each new one (RFC 6298 section 2.3: 1/8).
const SMOOTHING: u64 = 8;

/// Datagrams of one direction, since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Those that can have come, by their counters.
    pub expected: u64,
    /// Those that have not.
    pub lost: u64,
}

impl Totals {
    /// `arrived` is at most `expected`, but for figures that were read one after the other.
    pub fn new(expected: u64, arrived: u64) -> Self {
        Totals { expected, lost: expected.saturating_sub(arrived) }
    }

    fn plus(self, other: Totals) -> Self {
        Totals { expected: self.expected.saturating_add(other.expected), lost: self.lost.saturating_add(other.lost) }
    }

    /// What came about since. Late ones make up for lost ones, down to none.
    fn since(self, before: Totals) -> Self {
        let expected = self.expected.saturating_sub(before.expected);
        Totals { expected, lost: self.lost.saturating_sub(before.lost).min(expected) }
    }
}

/// The totals of the last ten seconds, and of one sample more.
#[derive(Debug, Default)]
pub struct Window {
    /// Oldest first.
    samples: VecDeque<(u64, Totals)>,
}

impl Window {
    /// Takes note of the totals of now. A second one within a sample's time is left out.
    pub fn note(&mut self, now_ns: u64, totals: Totals) {
        if self.samples.back().is_some_and(|(at_ns, _)| now_ns.saturating_sub(*at_ns) < SAMPLE_NS) {
            return;
        }
        while self.samples.get(1).is_some_and(|(at_ns, _)| now_ns.saturating_sub(*at_ns) >= RECENT_NS) {
            self.samples.pop_front();
        }
        self.samples.push_back((now_ns, totals));
    }

    /// What came about since the newest sample that is ten seconds old, or since the first.
    pub fn recent(&self, now_ns: u64, totals: Totals) -> Totals {
        let old = |(at_ns, _): &&(u64, Totals)| now_ns.saturating_sub(*at_ns) >= RECENT_NS;
        let before = self.samples.iter().rev().find(old).or(self.samples.front());
        before.map_or(totals, |(_, before)| totals.since(*before))
    }
}

/// A datagram that was sent: the key's generation and the counter, and when.
#[derive(Clone, Copy, Debug)]
struct SentAt {
    number: (u32, u32),
    at_ns: u64,
}

/// When the newest datagrams of one dispatcher left. Numbers only rise.
#[derive(Debug, Default)]
struct SentTimes {
    sent: VecDeque<SentAt>,
}

impl SentTimes {
    fn add(&mut self, number: (u32, u32), at_ns: u64) {
        if self.sent.back().is_some_and(|newest| newest.number >= number) {
            return;
        }
        let is_old = |oldest: &SentAt| at_ns.saturating_sub(oldest.at_ns) > SENT_NS;
        while self.sent.len() >= MOST_SENT || self.sent.front().is_some_and(is_old) {
            self.sent.pop_front();
        }
        self.sent.push_back(SentAt { number, at_ns });
    }

    fn at_ns(&self, number: (u32, u32)) -> Option<u64> {
        let place = self.sent.binary_search_by_key(&number, |each| each.number).ok()?;
        Some(self.sent[place].at_ns)
    }
}

/// Round trips, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// By the newest report.
    pub newest_ns: u64,
    /// Smoothed.
    pub smoothed_ns: u64,
    /// The least so far.
    pub least_ns: u64,
}

impl RoundTrip {
    fn with(before: Option<RoundTrip>, sample_ns: u64) -> RoundTrip {
        let Some(RoundTrip { smoothed_ns, least_ns, .. }) = before else {
            return RoundTrip { newest_ns: sample_ns, smoothed_ns: sample_ns, least_ns: sample_ns };
        };
        let smoothed_ns = smoothed_ns - smoothed_ns / SMOOTHING + sample_ns / SMOOTHING;
        RoundTrip { newest_ns: sample_ns, smoothed_ns, least_ns: least_ns.min(sample_ns) }
    }
}

/// What the peer's reports say of our datagrams.
#[derive(Debug, Default)]
pub struct PeerReports {
    /// One for each dispatcher: each tells of its own in their order, and not of the other's.
    sent: [SentTimes; 2],
    /// Highest counters sent under the two newest keys, by generation; the newest first.
    highest: [Option<(u32, u32)>; 2],
    /// Of keys whose reports are over.
    before: Totals,
    /// The newest report, and whose.
    newest: Option<(u32, Report)>,
    round_trip: Option<RoundTrip>,
}

impl PeerReports {
    /// A datagram left under this key.
    pub fn sent(&mut self, dispatcher: usize, generation: u32, counter: u32, at_ns: u64) {
        if let Some(times) = self.sent.get_mut(dispatcher) {
            times.add((generation, counter), at_ns);
        }
        let number = Some((generation, counter));
        match self.highest[0].map(|(newest, _)| newest) {
            Some(newest) if generation < newest => {
                if self.highest[1].is_none_or(|(before, _)| before == generation) {
                    self.highest[1] = self.highest[1].max(number);
                }
            }
            Some(newest) if generation == newest => self.highest[0] = self.highest[0].max(number),
            _ => self.highest = [number, self.highest[0]],
        }
    }

    /// A report came under this key; `received_ns`: when, if it did not wait since. False: it can't be true.
    pub fn report(&mut self, generation: u32, report: Report, received_ns: Option<u64>) -> bool {
        let sent = self.highest.iter().flatten().any(|(of, highest)| *of == generation && report.newest <= *highest);
        let possible = report.opened > 0 && u64::from(report.opened) <= u64::from(report.newest) + 1;
        let goes_on = self.newest.is_none_or(|(of, before)| {
            generation > of || (generation == of && report.newest >= before.newest && report.opened >= before.opened)
        });
        if !sent || !possible || !goes_on {
            return false;
        }
        if self.newest.is_some_and(|(of, _)| of < generation) {
            self.before = self.totals();
        }
        self.newest = Some((generation, report));
        let number = (generation, report.newest);
        let left_ns = self.sent.iter().find_map(|times| times.at_ns(number));
        if let (Some(left_ns), Some(received_ns), Some(held_us)) = (left_ns, received_ns, report.held_us) {
            let away_ns = received_ns.saturating_sub(left_ns);
            let sample_ns = away_ns.saturating_sub(u64::from(held_us) * MICROSECOND_NS);
            self.round_trip = Some(RoundTrip::with(self.round_trip, sample_ns));
        }
        true
    }

    /// Our datagrams, as far as reports tell.
    pub fn totals(&self) -> Totals {
        let of = |(_, report): (u32, Report)| Totals::new(u64::from(report.newest) + 1, report.opened.into());
        self.before.plus(self.newest.map(of).unwrap_or_default())
    }

    /// How long a datagram takes there and back; None before the first report that tells.
    pub fn round_trip(&self) -> Option<RoundTrip> {
        self.round_trip
    }
}

#[cfg(test)]
mod tests;
