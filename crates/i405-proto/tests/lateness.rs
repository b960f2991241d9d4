//! Lateness against the plain computation over all values.

use i405_proto::lateness::{Deviation, Lateness};
use proptest::prelude::*;

fn recorded(values: &[u64]) -> Deviation {
    let mut lateness = Lateness::new();
    for &value in values {
        lateness.record(value);
    }
    lateness.snapshot()
}

/// The smallest value that a share of `q` doesn't exceed.
fn quantile(sorted: &[u64], q: f64) -> u64 {
    sorted[((q * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len()) - 1]
}

#[test]
fn nothing_is_zeros() {
    assert_eq!(recorded(&[]), Deviation::default());
}

#[test]
fn one_value_is_all_of_them() {
    let expected = Deviation {
        count: 1,
        mean_ns: 1234.0,
        stddev_ns: 0.0,
        p1_ns: 1234,
        p50_ns: 1234,
        p90_ns: 1234,
        p99_ns: 1234,
        p999_ns: 1234,
        max_ns: 1234,
        missed: 0,
    };
    assert_eq!(recorded(&[1234]), expected);
}

#[test]
fn small_spread_around_a_large_mean_is_kept() {
    let values: Vec<u64> = (0..100_000).map(|k| 900_000_000_000 + k % 2).collect();
    let deviation = recorded(&values);
    assert_eq!(deviation.mean_ns, 900_000_000_000.5);
    assert_eq!(deviation.stddev_ns, 0.5);
}

#[test]
fn what_is_over_an_hour_counts_as_one() {
    let deviation = recorded(&[u64::MAX; 1000]);
    assert_eq!(deviation.max_ns, 3_600_000_000_000);
    assert_eq!(deviation.mean_ns, 3_600_000_000_000.0);
    assert_eq!(deviation.stddev_ns, 0.0);
    assert_eq!(deviation.p50_ns, 3_600_000_000_000);
}

#[test]
fn reset_begins_anew() {
    let mut lateness = Lateness::new();
    lateness.record(5_000);
    lateness.missed(3);
    lateness.missed(4);
    assert_eq!(lateness.snapshot().missed, 7);
    lateness.reset();
    assert_eq!(lateness.snapshot(), Deviation::default());
    lateness.record(7);
    assert_eq!(lateness.snapshot(), recorded(&[7]));
}

proptest! {
    #[test]
    fn agrees_with_the_plain_computation(values in prop::collection::vec(
        prop_oneof![0..20u64, 0..2_000u64, 0..3_000_000u64, 0..9_000_000_000u64], 1..400)
    ) {
        let deviation = recorded(&values);
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let count = values.len() as f64;
        let mean = values.iter().sum::<u64>() as f64 / count;
        let variance = values.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / count;

        prop_assert_eq!(deviation.count, values.len() as u64);
        prop_assert_eq!(deviation.max_ns, sorted[sorted.len() - 1]);
        prop_assert!((deviation.mean_ns - mean).abs() <= 1e-9 * mean);
        prop_assert!((deviation.stddev_ns - variance.sqrt()).abs() <= 1e-6 * variance.sqrt());
        for (found, q) in [
            (deviation.p1_ns, 0.01),
            (deviation.p50_ns, 0.5),
            (deviation.p90_ns, 0.9),
            (deviation.p99_ns, 0.99),
            (deviation.p999_ns, 0.999),
        ] {
            let exact = quantile(&sorted, q);
            prop_assert!(found >= exact && found - exact <= exact / 1000, "{} is {} instead of {}", q, found, exact);
        }
    }
}
