//! What trial may cost per millisecond, for datagrams that are not from an endpoint that we know.
//!
//! Strangers can send whatever they like. Without a bound their datagrams would take the receiver's core.
//!
//! A listener with more pairings than a millisecond has masks could never try them all, and the last ones would be out
//! of reach. So a trial that has begun is carried through, and what it overdraws is missing from the milliseconds after
//! it. Over time the bound is the same, and what is tried at all is tried with every pairing.

// The protocol's: 500,000 masks and 5,000 openings a second.

/// Header masks computed per millisecond; one takes 17 to 110 ns.
pub const MASKS_PER_MS: u32 = 500;
/// Datagrams opened per millisecond; one takes 0.3 to 2 us.
pub const OPENINGS_PER_MS: u32 = 5;

const NS_PER_MS: u64 = 1_000_000;

/// The budget of one listener. Each new millisecond refills it; nothing is saved up beyond one millisecond's worth.
#[derive(Debug)]
pub struct Budget {
    millisecond: u64,
    /// Below zero while a trial's overdraft is paid back.
    masks: i64,
    openings: u32,
    /// A trial is under way, which may overdraw.
    begun: bool,
    spent: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

impl Budget {
    /// A full budget.
    pub const fn new() -> Self {
        Self { millisecond: 0, masks: MASKS_PER_MS as i64, openings: OPENINGS_PER_MS, begun: false, spent: 0 }
    }

    /// Whether the next datagram may be tried. If so, all the masks of its trial are granted, until the next call.
    pub fn begin(&mut self, now_ns: u64) -> bool {
        self.refill(now_ns);
        self.begun = self.masks > 0;
        self.begun
    }

    /// Takes one mask, if there is one left in this millisecond or a trial is under way.
    pub fn take_mask(&mut self, now_ns: u64) -> bool {
        self.refill(now_ns);
        let granted = self.begun || self.masks > 0;
        self.masks -= i64::from(granted);
        self.spent += u64::from(granted);
        granted
    }

    /// Takes one opening, if there is one left in this millisecond.
    pub fn take_opening(&mut self, now_ns: u64) -> bool {
        self.refill(now_ns);
        let any = self.openings > 0;
        self.openings -= u32::from(any);
        any
    }

    /// All masks that were ever taken.
    pub fn masks_spent(&self) -> u64 {
        self.spent
    }

    fn refill(&mut self, now_ns: u64) {
        let millisecond = now_ns / NS_PER_MS;
        let passed = i64::try_from(millisecond.saturating_sub(self.millisecond)).unwrap_or(i64::MAX);
        if passed > 0 {
            let full = i64::from(MASKS_PER_MS);
            self.millisecond = millisecond;
            self.masks = self.masks.saturating_add(passed.saturating_mul(full)).min(full);
            self.openings = OPENINGS_PER_MS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_millisecond_and_no_more() {
        let mut budget = Budget::new();
        for millisecond in [0u64, 1, 2, 1_000_000] {
            let now = millisecond * NS_PER_MS;
            let masks = (0..2000).filter(|k| budget.take_mask(now + k)).count();
            let openings = (0..2000).filter(|k| budget.take_opening(now + k)).count();
            assert_eq!((masks, openings), (500, 5));
        }
    }

    #[test]
    fn a_clock_that_steps_back_refills_nothing() {
        let mut budget = Budget::new();
        while budget.take_opening(5 * NS_PER_MS) {}
        assert!(!budget.take_opening(4 * NS_PER_MS));
        assert!(!budget.take_opening(5 * NS_PER_MS));
        assert!(budget.take_opening(6 * NS_PER_MS));
    }

    #[test]
    fn a_trial_that_has_begun_is_carried_through_and_paid_for() {
        let mut budget = Budget::new();
        let trial =
            |budget: &mut Budget, now: u64, masks: u32| budget.begin(now) && (0..masks).all(|_| budget.take_mask(now));
        assert!(trial(&mut budget, 0, 1600));
        // 1,100 are owed: two milliseconds pay for most of them, the third for the rest.
        for (millisecond, tried) in [(0, false), (1, false), (2, false), (3, true)] {
            assert_eq!(trial(&mut budget, millisecond * NS_PER_MS, 1600), tried, "after {millisecond} ms");
        }
        assert_eq!(budget.masks_spent(), 3200);
        assert!(!budget.take_opening(u64::MAX) || budget.begin(u64::MAX), "a long pause makes good for everything");
    }

    #[test]
    fn over_time_no_trial_takes_more_than_its_share() {
        for masks in [1u32, 3, 499, 501, 1001] {
            let mut budget = Budget::new();
            for datagram in 0..100_000u64 {
                let now = datagram * 10_000;
                if budget.begin(now) {
                    (0..masks).for_each(|_| assert!(budget.take_mask(now)));
                }
            }
            let limit = 1000 * u64::from(MASKS_PER_MS) + u64::from(masks);
            assert!(budget.masks_spent() <= limit, "{masks} each: {} in a second", budget.masks_spent());
            let wanted = 100_000 * u64::from(masks);
            assert!(budget.masks_spent() >= wanted.min(limit * 9 / 10), "{masks} each: {}", budget.masks_spent());
        }
    }
}
