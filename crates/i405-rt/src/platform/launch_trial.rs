//! Whether slots with launch times are really held until then, seen by their timestamps. It goes on for as long as
//! launch times are used, because a way can change under a running schedule.

/// Slots that are judged together.
const ROUND: u32 = 16;
/// Slots in a row without a timestamp after which nothing can be judged.
const MOST_UNSEEN: u32 = 64;
/// Held for at least this long, a slot says something.
pub const TELLING_NS: u64 = 400_000;
/// A slot that was not held leaves within microseconds of the call; a held one at least [`TELLING_NS`] after it.
const AT_ONCE_NS: u64 = TELLING_NS / 2;

/// Why launch times are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Most slots left at the call.
    AtOnce,
    /// No slot has a timestamp.
    Unseen,
}

/// Counts.
#[derive(Debug, Default)]
pub struct LaunchTrial {
    held: u32,
    at_once: u32,
    unseen: u32,
}

impl LaunchTrial {
    /// A slot that was handed over in time to be held for [`TELLING_NS`] or longer, and when it left.
    pub fn left(&mut self, called_ns: u64, left_ns: u64) -> Option<Verdict> {
        self.unseen = 0;
        if left_ns < called_ns + AT_ONCE_NS {
            self.at_once += 1;
        } else {
            self.held += 1;
        }
        if self.held + self.at_once < ROUND {
            return None;
        }
        let verdict = (self.at_once > self.held).then_some(Verdict::AtOnce);
        (self.held, self.at_once) = (0, 0);
        verdict
    }

    /// A slot whose timestamp never came.
    pub fn unseen(&mut self) -> Option<Verdict> {
        self.unseen += 1;
        (self.unseen == MOST_UNSEEN).then_some(Verdict::Unseen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(slots: u64, held_ns: impl Fn(u64) -> u64) -> Vec<Verdict> {
        let mut trial = LaunchTrial::default();
        let called_ns = |slot: u64| 1_000_000_000 + slot * 1_000_000;
        (0..slots).filter_map(|slot| trial.left(called_ns(slot), called_ns(slot) + held_ns(slot))).collect()
    }

    #[test]
    fn slots_that_leave_at_the_call_end_the_trust() {
        assert_eq!(verdicts(16, |_| 5_000), [Verdict::AtOnce]);
        assert_eq!(verdicts(15, |_| 5_000), []);
        assert_eq!(verdicts(16, |slot| if slot < 7 { TELLING_NS } else { 5_000 }), [Verdict::AtOnce]);
    }

    #[test]
    fn held_slots_keep_it() {
        assert_eq!(verdicts(1_000, |_| TELLING_NS), []);
        assert_eq!(verdicts(1_000, |slot| if slot % 16 < 8 { TELLING_NS } else { 5_000 }), []);
    }

    #[test]
    fn where_nothing_is_seen_nothing_is_trusted() {
        let mut trial = LaunchTrial::default();
        let verdicts: Vec<_> = (0..100).filter_map(|_| trial.unseen()).collect();
        assert_eq!(verdicts, [Verdict::Unseen]);
        assert!((0..63).all(|_| trial.unseen().is_none()));
        trial.left(0, TELLING_NS);
        assert_eq!(trial.unseen(), None, "in a row");
    }
}
