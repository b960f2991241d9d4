//! The margin of a dozy dispatcher: how long before the deadline it wakes. It is learnt from how late the dispatcher
//! wakes.
//!
//! It is long enough for the build and for all but one wake-up in a thousand, and no longer, because the thread spins
//! through it. It depends on the machine alone: it counts wake-ups, which come in every slot and know nothing of the
//! slot's contents, and it changes by small steps, once in thousands of slots.

use crate::realtime::quantile::Quantile;

/// To begin with: wake-up (p99.9 about 80 us where this was measured, on an idle core), build, warming.
pub const FIRST_MARGIN_NS: u64 = 120_000;
/// What comes after the wake-up: commands and build (10 us with cold caches) and the warming of the path (20 us).
const AFTER_WAKING_NS: u64 = 30_000;
/// Not below: a margin that has room for a wake-up from a light sleep whatever was seen.
const LEAST_NS: u64 = 60_000;
/// Not above: a fifth of a core at 1 ms. What wakes later than this is not the machine's habit but the hypervisor's.
const MOST_NS: u64 = 200_000;
/// Wake-ups between two steps.
const WAKES_PER_STEP: u32 = 4_096;
/// A step changes the margin by at most one part in so many.
const STEP_PART: u64 = 8;
/// All but one wake-up in so many fit into the margin.
const ONE_IN: u32 = 1_000;

/// The margin and what it is learnt from.
#[derive(Debug)]
pub struct Margin {
    wakes: Quantile,
    since_step: u32,
    margin_ns: u64,
}

impl Margin {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Margin { wakes: Quantile::new(), since_step: 0, margin_ns: FIRST_MARGIN_NS }
    }

    /// From waking to the deadline.
    pub fn margin_ns(&self) -> u64 {
        self.margin_ns
    }

    /// A wake-up was this late.
    pub fn record(&mut self, late_ns: u64) {
        self.wakes.record(late_ns);
        self.since_step += 1;
        if self.since_step < WAKES_PER_STEP {
            return;
        }
        self.since_step = 0;
        let wanted_ns = (self.wakes.all_but_one_in(ONE_IN) + AFTER_WAKING_NS).clamp(LEAST_NS, MOST_NS);
        let step_ns = self.margin_ns / STEP_PART;
        self.margin_ns = wanted_ns.clamp(self.margin_ns - step_ns, self.margin_ns + step_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(wakes: u32, late_ns: impl Fn(u32) -> u64) -> u64 {
        let mut margin = Margin::new();
        (0..wakes).for_each(|wake| margin.record(late_ns(wake)));
        margin.margin_ns()
    }

    #[test]
    fn nothing_changes_before_thousands_of_wake_ups() {
        assert_eq!(after(WAKES_PER_STEP - 1, |_| 1_000_000), FIRST_MARGIN_NS);
        assert_eq!(after(WAKES_PER_STEP, |_| 1_000_000), FIRST_MARGIN_NS + FIRST_MARGIN_NS / STEP_PART);
    }

    #[test]
    fn it_follows_the_machine_within_bounds() {
        assert_eq!(after(100_000, |_| 3_000), LEAST_NS);
        assert_eq!(after(100_000, |_| 5_000_000), MOST_NS);
        let typical = after(200_000, |wake| if wake % 100 == 0 { 60_000 } else { 20_000 });
        assert!((90_000..=100_000).contains(&typical), "{typical}");
    }

    #[test]
    fn one_wake_up_in_ten_thousand_changes_nothing() {
        assert_eq!(after(200_000, |wake| if wake % 10_000 == 0 { 20_000_000 } else { 3_000 }), LEAST_NS);
    }
}
