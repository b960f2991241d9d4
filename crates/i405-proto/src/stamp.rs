//! Which initiations are worth anybody's time, by their stamps and the floor, and how often a stale one is reported.
//!
//! A replayed initiation is a genuine datagram. Only its stamp tells that it has been acted on.

// The protocol's.

/// A stale initiation is reported at most this often, in ns.
pub const STALE_REPORT_INTERVAL_NS: u64 = 60_000_000_000;

/// What a stamp says about its initiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Above the floor.
    Fresh,
    /// Of an attempt that was acted on lately: its carousel is still going round, and that is no news.
    Known,
    /// At or below the floor, or too old: a replay, or a client whose clock is behind.
    Stale,
}

/// The greatest stamp acted on.
#[derive(Debug)]
pub struct Floor {
    floor: u64,
    /// The two newest attempts; each end keeps as many.
    acted_on: [Option<u64>; 2],
    max_age_ms: Option<u64>,
}

impl Floor {
    /// A floor to begin with, and the oldest initiation to accept, both in ms of wall clock.
    pub const fn new(floor_ms: u64, max_age_ms: Option<u64>) -> Self {
        Self { floor: floor_ms, acted_on: [None; 2], max_age_ms }
    }

    /// The greatest stamp acted on.
    pub const fn get(&self) -> u64 {
        self.floor
    }

    /// What to do with an initiation of this stamp.
    pub fn judge(&self, stamp: u64, wall_ms: u64) -> Judgement {
        if stamp == self.floor || self.acted_on.contains(&Some(stamp)) {
            return Judgement::Known;
        }
        let held_back = self.max_age_ms.is_some_and(|max| wall_ms.saturating_sub(stamp) > max);
        if stamp < self.floor || held_back { Judgement::Stale } else { Judgement::Fresh }
    }

    /// The initiation of this stamp is acted on: nothing up to it will be again.
    pub fn act_on(&mut self, stamp: u64) {
        self.raise(stamp);
        self.acted_on = [Some(stamp), self.acted_on[0]];
    }

    /// Nothing up to this stamp is to be acted on from now on. Never lowers the floor. False: it was there already.
    pub fn raise(&mut self, stamp: u64) -> bool {
        let raised = stamp > self.floor;
        self.floor = self.floor.max(stamp);
        raised
    }
}

/// Lets something through at most once per interval.
#[derive(Debug)]
pub struct AtMostOncePer {
    interval_ns: u64,
    last_ns: Option<u64>,
}

impl AtMostOncePer {
    /// A limit that has let nothing through yet.
    pub const fn new(interval_ns: u64) -> Self {
        Self { interval_ns, last_ns: None }
    }

    /// Whether it is time; if so, the interval begins anew.
    pub fn allow(&mut self, now_ns: u64) -> bool {
        let allowed = self.last_ns.is_none_or(|last| now_ns.saturating_sub(last) >= self.interval_ns);
        if allowed {
            self.last_ns = Some(now_ns);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_above_the_floor_is_fresh() {
        let mut floor = Floor::new(100, None);
        assert_eq!(floor.judge(99, 0), Judgement::Stale);
        assert_eq!(floor.judge(101, 0), Judgement::Fresh);
        floor.act_on(200);
        assert_eq!(floor.judge(150, 0), Judgement::Stale);
        assert_eq!(floor.judge(200, 0), Judgement::Known);
        assert_eq!(floor.judge(201, 0), Judgement::Fresh);
    }

    #[test]
    fn the_two_newest_attempts_are_known() {
        let mut floor = Floor::new(0, None);
        floor.act_on(10);
        floor.act_on(20);
        assert_eq!(floor.judge(10, 0), Judgement::Known);
        floor.act_on(30);
        assert_eq!(floor.judge(10, 0), Judgement::Stale);
        assert_eq!(floor.judge(20, 0), Judgement::Known);
    }

    #[test]
    fn the_floor_never_sinks() {
        let mut floor = Floor::new(50, None);
        floor.raise(40);
        assert_eq!(floor.get(), 50);
        floor.raise(60);
        assert_eq!(floor.get(), 60);
        assert_eq!(floor.judge(55, 0), Judgement::Stale);
    }

    #[test]
    fn age_counts_where_it_is_limited() {
        let limited = Floor::new(0, Some(1000));
        assert_eq!(limited.judge(5000, 6000), Judgement::Fresh);
        assert_eq!(limited.judge(5000, 6001), Judgement::Stale);
        assert_eq!(limited.judge(5000, 0), Judgement::Fresh);
        assert_eq!(Floor::new(0, None).judge(5000, u64::MAX), Judgement::Fresh);
    }

    #[test]
    fn once_per_interval() {
        let mut limit = AtMostOncePer::new(10);
        assert!(limit.allow(3));
        assert!(!limit.allow(12));
        assert!(limit.allow(13));
        assert!(!limit.allow(5));
        assert!(limit.allow(23));
    }
}
