//! How long a turn of the spinner takes, so that none begins that could reach into a deadline.

/// Durations are counted in buckets of a factor of two: 64 ns, 128 ns, ... 2 ms.
const BUCKETS: usize = 16;
const FIRST_BUCKET_NS: u64 = 64;
/// Counts are halved at this many turns, so that the estimate follows the machine within seconds.
const WINDOW: u32 = 1 << 14;
/// Before anything is measured: a cold datagram with a device write.
const FIRST_GUESS_NS: u64 = 30_000;
/// The quantile: all but one turn in this many are shorter than the guard.
const ONE_IN: u32 = 1_000;

/// A running p99.9.
#[derive(Debug)]
pub struct TurnCost {
    counts: [u32; BUCKETS],
    total: u32,
    guard_ns: u64,
}

impl TurnCost {
    /// Nothing measured yet.
    pub fn new() -> Self {
        TurnCost { counts: [0; BUCKETS], total: 0, guard_ns: FIRST_GUESS_NS }
    }

    /// Upper bound of the bucket that holds the p99.9.
    pub fn guard_ns(&self) -> u64 {
        self.guard_ns
    }

    /// Counts a turn that did something.
    pub fn record(&mut self, took_ns: u64) {
        let bucket = (took_ns / FIRST_BUCKET_NS).checked_ilog2().map_or(0, |log| log as usize + 1);
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.total += 1;
        if self.total.is_multiple_of(ONE_IN) {
            self.guard_ns = self.quantile();
        }
        if self.total >= WINDOW {
            self.counts = self.counts.map(|count| count / 2);
            self.total = self.counts.iter().sum();
        }
    }

    fn quantile(&self) -> u64 {
        let mut above = 0;
        for (bucket, count) in self.counts.iter().enumerate().rev() {
            above += count;
            if above * ONE_IN > self.total {
                return FIRST_BUCKET_NS << bucket;
            }
        }
        FIRST_GUESS_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_covers_all_but_one_in_a_thousand() {
        let mut cost = TurnCost::new();
        for turn in 0..20_000u64 {
            cost.record(if turn % 100 == 0 { 9_000 } else { 2_000 });
        }
        assert!(cost.guard_ns() >= 9_000 && cost.guard_ns() <= 18_000, "{}", cost.guard_ns());
        for _ in 0..200_000 {
            cost.record(500);
        }
        assert!(cost.guard_ns() <= 1_024, "it follows: {}", cost.guard_ns());
    }
}
