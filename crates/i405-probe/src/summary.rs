//! A distribution of latenesses in a few figures.

/// Beyond this quantile the trimmed standard deviation does not look: there the hypervisor's stalls are.
const TRIM: f64 = 0.999;

/// Nanoseconds; all zeros if there was nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many.
    pub count: u64,
    /// Mean.
    pub mean_ns: f64,
    /// Standard deviation.
    pub stddev_ns: f64,
    /// Standard deviation of those up to the p99.9.
    pub stddev_trimmed_ns: f64,
    /// Median.
    pub p50_ns: u64,
    /// 90 % were at most this.
    pub p90_ns: u64,
    /// 99 %.
    pub p99_ns: u64,
    /// 99.9 %.
    pub p999_ns: u64,
    /// Largest.
    pub max_ns: u64,
}

impl Summary {
    /// Of these values.
    pub fn of(mut values: Vec<u64>) -> Summary {
        values.sort_unstable();
        let Some(&max_ns) = values.last() else { return Summary::default() };
        let rank = |quantile: f64| ((values.len() as f64 * quantile).ceil() as usize).clamp(1, values.len());
        let at = |quantile: f64| values[rank(quantile) - 1];
        let (mean_ns, stddev_ns) = moments(&values);
        Summary {
            count: values.len() as u64,
            mean_ns,
            stddev_ns,
            stddev_trimmed_ns: moments(&values[..rank(TRIM)]).1,
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns,
        }
    }
}

/// Mean and standard deviation, in two passes: latenesses are small beside their stalls.
fn moments(values: &[u64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().map(|&value| value as f64).sum::<f64>() / count;
    let variance = values.iter().map(|&value| (value as f64 - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_ranks_and_one_in_a_thousand_is_trimmed() {
        let mut values: Vec<u64> = (1..1000).collect();
        values.push(1_000_000);
        let summary = Summary::of(values);
        assert_eq!((summary.p50_ns, summary.p90_ns, summary.p99_ns, summary.p999_ns), (500, 900, 990, 999));
        assert_eq!((summary.count, summary.max_ns), (1000, 1_000_000));
        // Of 1 to 999: sqrt((999^2 - 1) / 12).
        assert!((summary.stddev_trimmed_ns - 288.386).abs() < 0.001, "{}", summary.stddev_trimmed_ns);
        assert!(summary.stddev_ns > 30_000.0);
    }

    #[test]
    fn of_nothing_and_of_one() {
        assert_eq!(Summary::of(Vec::new()), Summary::default());
        let one = Summary::of(vec![7]);
        assert_eq!((one.count, one.mean_ns, one.stddev_ns, one.p999_ns, one.max_ns), (1, 7.0, 0.0, 7, 7));
    }
}
