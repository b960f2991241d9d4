//! What trial may cost per millisecond, once a datagram is not from an endpoint that we know.
//!
//! Strangers can send whatever they like; without a bound their datagrams would take the receiver's core.

// The protocol's: 500,000 masks and 5,000 openings a second.

/// Header masks computed per millisecond; one takes 17 to 110 ns.
pub const MASKS_PER_MS: u32 = 500;
/// Datagrams opened per millisecond; one takes 0.3 to 2 us.
pub const OPENINGS_PER_MS: u32 = 5;

const NS_PER_MS: u64 = 1_000_000;

/// The budget of one listener. It is full again in each new millisecond; nothing is saved up.
#[derive(Debug)]
pub struct Budget {
    millisecond: u64,
    masks: u32,
    openings: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

impl Budget {
    /// A full budget.
    pub const fn new() -> Self {
        Self { millisecond: 0, masks: MASKS_PER_MS, openings: OPENINGS_PER_MS }
    }

    /// Takes one mask, if there is one left in this millisecond.
    pub fn take_mask(&mut self, now_ns: u64) -> bool {
        self.refill(now_ns);
        take(&mut self.masks)
    }

    /// Takes one opening, if there is one left in this millisecond.
    pub fn take_opening(&mut self, now_ns: u64) -> bool {
        self.refill(now_ns);
        take(&mut self.openings)
    }

    fn refill(&mut self, now_ns: u64) {
        let millisecond = now_ns / NS_PER_MS;
        if millisecond > self.millisecond {
            *self = Self { millisecond, ..Self::new() };
        }
    }
}

fn take(left: &mut u32) -> bool {
    let any = *left > 0;
    *left -= u32::from(any);
    any
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
}
