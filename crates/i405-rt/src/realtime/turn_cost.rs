//! How long a turn of the spinner takes, so that none begins that could reach into a deadline.

use crate::realtime::quantile::Quantile;

/// Before anything is measured: a cold datagram with a device write.
const FIRST_GUESS_NS: u64 = 30_000;
/// All but one turn in this many are shorter than the guard; the guard is looked at anew as often.
const ONE_IN: u32 = 1_000;

/// A running p99.9.
#[derive(Debug)]
pub struct TurnCost {
    turns: Quantile,
    guard_ns: u64,
}

impl TurnCost {
    /// Nothing measured yet.
    pub fn new() -> Self {
        TurnCost { turns: Quantile::new(), guard_ns: FIRST_GUESS_NS }
    }

    /// What a turn takes at most, but for one in a thousand.
    pub fn guard_ns(&self) -> u64 {
        self.guard_ns
    }

    /// Counts a turn that did something.
    pub fn record(&mut self, took_ns: u64) {
        self.turns.record(took_ns);
        if self.turns.total().is_multiple_of(ONE_IN) {
            self.guard_ns = self.turns.all_but_one_in(ONE_IN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_covers_all_but_one_in_a_thousand() {
        let mut cost = TurnCost::new();
        assert_eq!(cost.guard_ns(), FIRST_GUESS_NS);
        for turn in 0..20_000u64 {
            cost.record(if turn % 100 == 0 { 9_000 } else { 2_000 });
        }
        assert!(cost.guard_ns() >= 9_000 && cost.guard_ns() <= 10_500, "{}", cost.guard_ns());
        for _ in 0..200_000 {
            cost.record(500);
        }
        assert!(cost.guard_ns() <= 1_024, "it follows: {}", cost.guard_ns());
    }
}
