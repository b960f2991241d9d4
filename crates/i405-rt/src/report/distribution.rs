//! Lateness of all slots since the tunnel was opened, in buckets, for monitoring systems that take differences of such
//! counts themselves (Prometheus). The figures of one reporting interval are `window`'s.
//!
//! The reporter counts here what the dispatchers noted, so nothing of this is on the timed path.

/// Upper bounds of the buckets, nanoseconds, each included in its bucket; what is later counts in one more. There are
/// two to three a decade, from a spinning thread's microsecond to the tenths of a second of a stopped virtual machine.
/// 50 us is among them because slots count as late from there on.
pub const BOUNDS_NS: [u64; 18] = [
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    1_000_000_000,
];

/// How many slots were how late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Distribution {
    /// Slots by bucket of [`BOUNDS_NS`], not cumulative; the last is for what is beyond every bound.
    pub counts: [u64; BOUNDS_NS.len() + 1],
    /// Sum of all latenesses, nanoseconds: 584 years before it wraps.
    pub sum_ns: u64,
}

impl Distribution {
    /// A slot was this late.
    pub fn record(&mut self, late_ns: u64) {
        self.counts[BOUNDS_NS.partition_point(|&bound_ns| bound_ns < late_ns)] += 1;
        self.sum_ns = self.sum_ns.wrapping_add(late_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rings::stats::LATE_NS;

    #[test]
    fn a_bound_is_in_its_own_bucket_and_nothing_is_lost() {
        let mut distribution = Distribution::default();
        let latenesses = [0, 500, 501, 50_000, 50_001, 1_000_000_000, 1_000_000_001, u64::MAX >> 1];
        for late_ns in latenesses {
            distribution.record(late_ns);
        }
        let filled: Vec<_> = distribution.counts.iter().enumerate().filter(|(_, count)| **count > 0).collect();
        assert_eq!(filled, [(0, &2), (1, &1), (6, &1), (7, &1), (17, &1), (18, &2)]);
        assert_eq!(distribution.counts.iter().sum::<u64>(), latenesses.len() as u64);
        assert_eq!(distribution.sum_ns, latenesses.iter().sum());
    }

    #[test]
    fn bounds_rise_and_hold_the_one_from_which_slots_count_as_late() {
        assert!(BOUNDS_NS.is_sorted_by(|a, b| a < b));
        assert!(BOUNDS_NS.contains(&LATE_NS));
    }
}
