//! Mean, deviation and quantiles of a list of nanoseconds, all values kept: exact, and small at these sizes.

/// A distribution in nanoseconds. All zero for an empty list.
#[derive(Debug, Default, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Summary {
    pub count: usize,
    pub mean: f64,
    pub stddev: f64,
    pub min: u64,
    pub p1: u64,
    pub p50: u64,
    pub p90: u64,
    pub p95: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

impl Summary {
    /// Sorts the values in place.
    pub fn of(values: &mut [u64]) -> Self {
        values.sort_unstable();
        let (Some(&min), Some(&max)) = (values.first(), values.last()) else {
            return Self::default();
        };
        let count = values.len();
        let mean = values.iter().map(|&v| v as f64).sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|&v| (v as f64 - mean).powi(2)).sum();
        let at = |share: f64| values[((share * count as f64).ceil() as usize).clamp(1, count) - 1];
        Self {
            count,
            mean,
            stddev: (squares / count as f64).sqrt(),
            min,
            p1: at(0.01),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let mut values: Vec<u64> = (1..=1000).rev().collect();
        let summary = Summary::of(&mut values);
        assert_eq!((summary.min, summary.p50, summary.p90), (1, 500, 900));
        assert_eq!((summary.p99, summary.p999, summary.max), (990, 999, 1000));
        assert!((summary.mean - 500.5).abs() < 1e-9);
        assert!((summary.stddev - 288.675).abs() < 1e-3);
    }

    #[test]
    fn nothing_is_all_zero() {
        assert_eq!(Summary::of(&mut []), Summary::default());
    }
}
