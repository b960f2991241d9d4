//! How often pairings may trouble JavaScript.

/// Whole messages that go to JavaScript in one second, of all pairings: 5 ms each there (the protocol's).
const HANDOVERS_PER_SECOND: u32 = 20;
const SECOND_NS: u64 = 1_000_000_000;

/// The limit of all pairings together.
#[derive(Debug, Default)]
pub(super) struct Handovers {
    second: u64,
    taken: u32,
}

impl Handovers {
    /// Whether there is room for one more in this second.
    pub(super) fn has_room(&mut self, now_ns: u64) -> bool {
        let second = now_ns / SECOND_NS;
        if second > self.second {
            *self = Self { second, taken: 0 };
        }
        self.taken < HANDOVERS_PER_SECOND
    }

    pub(super) fn take(&mut self) {
        self.taken += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_a_second() {
        let mut handovers = Handovers::default();
        let mut taken = 0;
        for at in 0..300u64 {
            if handovers.has_room(at * SECOND_NS / 100) {
                handovers.take();
                taken += 1;
            }
        }
        assert_eq!(taken, 60);
        assert!(!{
            (0..20).for_each(|_| handovers.take());
            handovers.has_room(2 * SECOND_NS)
        });
    }
}
