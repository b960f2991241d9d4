//! What a relay does to datagrams of one direction.

use i405_random::Random;

use crate::args::{Args, Failure};
use crate::clock::millis;

/// The settings, all off by default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    drop: f64,
    drop_every: u64,
    duplicate: f64,
    duplicate_every: u64,
    reorder: f64,
    reorder_by_ns: u64,
    corrupt: f64,
    delay_ns: u64,
    delay_jitter_ns: u64,
    longest: u64,
}

/// What happens to one datagram: when each of its copies leaves, from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fate {
    /// Delay of each copy; empty: dropped.
    pub copies: Vec<u64>,
    /// One bit is turned.
    pub corrupt: bool,
}

impl Faults {
    /// Names that [`Faults::set`] takes. Probabilities are 0..1, `-every n` hits each n-th, the others are milliseconds.
    /// `longest n` lets no IP packet above n bytes pass and tells nobody, as a path with a black hole does; 0: any.
    pub const NAMES: [&str; 10] = [
        "drop",
        "drop-every",
        "duplicate",
        "duplicate-every",
        "reorder",
        "reorder-by-ms",
        "corrupt",
        "delay-ms",
        "delay-jitter-ms",
        "longest",
    ];

    /// Changes one setting.
    pub fn set(&mut self, name: &str, value: f64) -> Result<(), Failure> {
        if !value.is_finite() || value < 0.0 {
            return Err(format!("{name}: {value} is not zero or above").into());
        }
        match name {
            "drop" => self.drop = value,
            "drop-every" => self.drop_every = value as u64,
            "duplicate" => self.duplicate = value,
            "duplicate-every" => self.duplicate_every = value as u64,
            "reorder" => self.reorder = value,
            "reorder-by-ms" => self.reorder_by_ns = millis(value),
            "corrupt" => self.corrupt = value,
            "delay-ms" => self.delay_ns = millis(value),
            "delay-jitter-ms" => self.delay_jitter_ns = millis(value),
            "longest" => self.longest = value as u64,
            _ => return Err(format!("unknown fault: {name}").into()),
        }
        Ok(())
    }

    /// From flags: `--drop 0.1` for both directions, `--drop-up 0.1` for one (`suffix` "up" or "down").
    pub fn from_args(args: &mut Args, common: &[(String, f64)], suffix: &str) -> Result<Self, Failure> {
        let mut faults = Self::default();
        for (name, value) in common {
            faults.set(name, *value)?;
        }
        for name in Self::NAMES {
            if let Some(value) = args.value(&format!("{name}-{suffix}"))? {
                faults.set(name, value)?;
            }
        }
        Ok(faults)
    }

    /// The flags without a direction.
    pub fn common(args: &mut Args) -> Result<Vec<(String, f64)>, Failure> {
        let mut common = Vec::new();
        for name in Self::NAMES {
            if let Some(value) = args.value(name)? {
                common.push((name.to_owned(), value));
            }
        }
        Ok(common)
    }

    /// Decides about datagram number `index`, counted from 1, of this IP length.
    pub fn decide(&self, random: &mut Random, index: u64, ip_length: usize) -> Fate {
        let nth = |every: u64| every > 0 && index.is_multiple_of(every);
        // Every datagram draws the same number of values, so that one setting does not change what another one hits.
        let (drop, duplicate) = (random.chance(self.drop), random.chance(self.duplicate));
        let (reorder, corrupt) = (random.chance(self.reorder), random.chance(self.corrupt));
        let jitter_ns = random.below(self.delay_jitter_ns + 1);
        let too_long = self.longest > 0 && ip_length as u64 > self.longest;
        if drop || too_long || nth(self.drop_every) {
            return Fate::default();
        }
        let delay_ns = self.delay_ns + jitter_ns + if reorder { self.reorder_by_ns } else { 0 };
        let copies = if duplicate || nth(self.duplicate_every) { 2 } else { 1 };
        Fate { copies: vec![delay_ns; copies], corrupt }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(settings: &[(&str, f64)]) -> Faults {
        let mut faults = Faults::default();
        for &(name, value) in settings {
            faults.set(name, value).expect("known");
        }
        faults
    }

    #[test]
    fn nothing_set_means_straight_through() {
        let fate = Faults::default().decide(&mut Random::new(1), 1, 1500);
        assert_eq!(fate, Fate { copies: vec![0], corrupt: false });
    }

    #[test]
    fn every_nth_is_exact() {
        let faults = faults(&[("drop-every", 10.0), ("duplicate-every", 4.0)]);
        let mut random = Random::new(1);
        let copies: usize = (1..=40).map(|index| faults.decide(&mut random, index, 100).copies.len()).sum();
        // 4 dropped, 8 of the others doubled (20 and 40 are dropped).
        assert_eq!(copies, 40 - 4 + 8);
    }

    #[test]
    fn what_is_too_long_is_dropped() {
        let faults = faults(&[("longest", 1280.0)]);
        for (length, copies) in [(100, 1), (1280, 1), (1281, 0), (1500, 0)] {
            assert_eq!(faults.decide(&mut Random::new(1), 1, length).copies.len(), copies, "{length}");
        }
    }

    #[test]
    fn one_setting_does_not_move_another() {
        let dropped = |faults: &Faults| -> Vec<u64> {
            let mut random = Random::new(7);
            (1..=200).filter(|&index| faults.decide(&mut random, index, 100).copies.is_empty()).collect()
        };
        let alone = dropped(&faults(&[("drop", 0.2)]));
        let together = dropped(&faults(&[("drop", 0.2), ("reorder", 0.5), ("delay-jitter-ms", 3.0)]));
        assert_eq!(alone, together);
        assert!((20..60).contains(&alone.len()));
    }

    #[test]
    fn refuses_unknown_names_and_negative_values() {
        assert!(Faults::default().set("lose", 0.1).is_err());
        assert!(Faults::default().set("drop", -0.1).is_err());
        assert!(Faults::default().set("drop", f64::NAN).is_err());
    }
}
