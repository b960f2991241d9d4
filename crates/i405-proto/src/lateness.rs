//! Lateness of sends against their deadlines, over one reporting interval.
//!
//! Count, mean, standard deviation and maximum are exact; quantiles come from a histogram with three significant
//! digits. Recording allocates nothing and takes a few nanoseconds.

use hdrhistogram::Histogram;

/// What is later counts as this, 1 h: enough for any stall, and the sums below can't overflow.
const LONGEST_NS: u64 = 3_600_000_000_000;
/// Significant decimal digits of a quantile: 1 us at 1 ms, 1 ns below 2 us.
const DIGITS: u8 = 3;

/// Lateness over one reporting interval, in nanoseconds. All zeros if nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Deviation {
    /// Slots sent.
    pub count: u64,
    /// Mean lateness.
    pub mean_ns: f64,
    /// Standard deviation around that mean, of these slots and not of a larger population.
    pub stddev_ns: f64,
    /// 1 % of the slots were at most this late.
    pub p1_ns: u64,
    /// Median.
    pub p50_ns: u64,
    /// 90 % of the slots were at most this late.
    pub p90_ns: u64,
    /// 99 %.
    pub p99_ns: u64,
    /// 99.9 %.
    pub p999_ns: u64,
    /// Largest.
    pub max_ns: u64,
    /// Slots skipped because further deadlines had passed.
    pub missed: u64,
}

/// Collects lateness. Everything is allocated in `new`.
#[derive(Debug, Clone)]
pub struct Lateness {
    histogram: Histogram<u64>,
    count: u64,
    sum_ns: u128,
    sum_of_squares: u128,
    max_ns: u64,
    missed: u64,
}

impl Lateness {
    /// An empty collection.
    pub fn new() -> Lateness {
        let mut histogram =
            Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("constant bounds within hdrhistogram's limits");
        // Writes every count, so that no page of it is touched for the first time on the timed path.
        histogram.reset();
        Lateness { histogram, count: 0, sum_ns: 0, sum_of_squares: 0, max_ns: 0, missed: 0 }
    }

    /// A slot left this long after its deadline; 0 if before it, an hour if longer.
    pub fn record(&mut self, late_ns: u64) {
        let late_ns = late_ns.min(LONGEST_NS);
        self.histogram.saturating_record(late_ns);
        let late = u128::from(late_ns);
        self.count += 1;
        self.sum_ns += late;
        self.sum_of_squares += late * late;
        self.max_ns = self.max_ns.max(late_ns);
    }

    /// So many slots were skipped.
    pub fn missed(&mut self, slots: u64) {
        self.missed += slots;
    }

    /// The figures since the last `reset`. Walks the histogram: not for the timed path.
    pub fn snapshot(&self) -> Deviation {
        let quantile = |q: f64| self.histogram.value_at_quantile(q).min(self.max_ns);
        let (mean_ns, stddev_ns) = self.moments();
        Deviation {
            count: self.count,
            mean_ns,
            stddev_ns,
            p1_ns: quantile(0.01),
            p50_ns: quantile(0.5),
            p90_ns: quantile(0.9),
            p99_ns: quantile(0.99),
            p999_ns: quantile(0.999),
            max_ns: self.max_ns,
            missed: self.missed,
        }
    }

    /// Begins the next reporting interval. Allocates nothing.
    pub fn reset(&mut self) {
        self.histogram.reset();
        self.count = 0;
        self.sum_ns = 0;
        self.sum_of_squares = 0;
        self.max_ns = 0;
        self.missed = 0;
    }

    /// Mean and standard deviation. The large terms cancel in integers, before anything is rounded.
    fn moments(&self) -> (f64, f64) {
        if self.count == 0 {
            return (0.0, 0.0);
        }
        let count = u128::from(self.count);
        // With sum = whole * count + rest: sum^2 / count = whole * (sum + rest) + rest^2 / count.
        let (whole, rest) = (self.sum_ns / count, self.sum_ns % count);
        let squares = self.sum_of_squares.saturating_sub(whole * (self.sum_ns + rest));
        let variance = (squares as f64 - (rest * rest) as f64 / count as f64) / count as f64;
        (whole as f64 + rest as f64 / count as f64, variance.max(0.0).sqrt())
    }
}

impl Default for Lateness {
    fn default() -> Lateness {
        Lateness::new()
    }
}
