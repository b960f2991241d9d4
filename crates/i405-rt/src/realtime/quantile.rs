//! A running quantile of durations on the timed path: a few nanoseconds to record, nothing allocated.

/// Durations below this are one bucket, ns.
const FIRST_BUCKET_NS: u64 = 64;
/// Each factor of two is split into so many: a quantile is at most an eighth too high.
const PARTS: usize = 8;
/// Up to 64 ns x 2^16, 4 ms; what is longer counts as that.
const BUCKETS: usize = 16 * PARTS;
/// Counts are halved at this many, so that the quantile follows the machine: within half a minute at 1 ms.
const WINDOW: u32 = 1 << 14;

/// Counts by logarithmic buckets.
#[derive(Debug)]
pub struct Quantile {
    counts: [u32; BUCKETS],
    total: u32,
}

fn bucket(duration_ns: u64) -> usize {
    let Some(power) = (duration_ns / FIRST_BUCKET_NS).checked_ilog2() else { return 0 };
    let part = (duration_ns >> power) * PARTS as u64 / FIRST_BUCKET_NS - PARTS as u64;
    (power as usize * PARTS + part as usize).min(BUCKETS - 1)
}

fn upper_bound_ns(bucket: usize) -> u64 {
    let (power, part) = (bucket / PARTS, bucket % PARTS);
    (FIRST_BUCKET_NS << power) * (PARTS + part + 1) as u64 / PARTS as u64
}

impl Quantile {
    /// Nothing recorded yet.
    pub fn new() -> Self {
        Quantile { counts: [0; BUCKETS], total: 0 }
    }

    /// How many count at present.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Counts a duration.
    #[inline]
    pub fn record(&mut self, duration_ns: u64) {
        self.counts[bucket(duration_ns)] += 1;
        self.total += 1;
        if self.total >= WINDOW {
            self.counts = self.counts.map(|count| count / 2);
            self.total = self.counts.iter().sum();
        }
    }

    /// A duration that all but one in so many don't exceed; 0 if nothing was recorded.
    pub fn all_but_one_in(&self, one_in: u32) -> u64 {
        let mut above = 0;
        for (bucket, count) in self.counts.iter().enumerate().rev() {
            above += count;
            if u64::from(above) * u64::from(one_in) > u64::from(self.total) {
                return upper_bound_ns(bucket);
            }
        }
        0
    }
}

impl Default for Quantile {
    fn default() -> Self {
        Quantile::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_in_a_bucket_that_ends_just_above_it() {
        for duration_ns in (64..200_000).step_by(7) {
            let bound_ns = upper_bound_ns(bucket(duration_ns));
            assert!(
                bound_ns > duration_ns && bound_ns <= duration_ns + duration_ns / 7 + 8,
                "{duration_ns}: {bound_ns}"
            );
        }
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn it_agrees_with_sorting_and_forgets() {
        let mut quantile = Quantile::new();
        let durations: Vec<u64> = (1..=10_000u64).map(|i| i * 37 % 10_007 * 10).collect();
        durations.iter().for_each(|&duration| quantile.record(duration));
        let mut sorted = durations.clone();
        sorted.sort_unstable();
        for one_in in [10, 100, 1_000] {
            let exact = sorted[sorted.len() - sorted.len() / one_in as usize - 1];
            let estimated = quantile.all_but_one_in(one_in);
            assert!(estimated >= exact && estimated <= exact + exact / 7, "{one_in}: {estimated} for {exact}");
        }
        (0..300_000).for_each(|_| quantile.record(500));
        assert!(quantile.all_but_one_in(1_000) <= 576, "it follows");
    }

    #[test]
    fn nothing_recorded_is_nothing() {
        assert_eq!(Quantile::new().all_but_one_in(1_000), 0);
    }
}
