//! How often whole handshake messages are handed over to JavaScript, where each costs about 5 ms: there is a limit for each
//! pairing, and one for all of them together.

use crate::stamp::AtMostOncePer;

const SECOND_NS: u64 = 1_000_000_000;

// The protocol's.

/// From one handover of a pairing to its next at least, in ns.
const HANDOVER_INTERVAL_NS: u64 = SECOND_NS;
/// Handovers of all pairings in one second at most.
const HANDOVERS_PER_SECOND: u32 = 20;

/// The limit of one pairing.
pub(super) const fn of_one_pairing() -> AtMostOncePer {
    AtMostOncePer::new(HANDOVER_INTERVAL_NS)
}

/// The limit of all pairings together.
#[derive(Debug, Default)]
pub(super) struct Handovers {
    second: u64,
    taken: u32,
}

impl Handovers {
    /// Whether a message may be handed over now, by the limit of its pairing and by that of all; if so, it counts for both.
    pub(super) fn allow(&mut self, of_its_pairing: &mut AtMostOncePer, now_ns: u64) -> bool {
        let allowed = self.has_room(now_ns) && of_its_pairing.allow(now_ns);
        if allowed {
            self.taken += 1;
        }
        allowed
    }

    /// Whether all pairings have room for one more in this second.
    fn has_room(&mut self, now_ns: u64) -> bool {
        let second = now_ns / SECOND_NS;
        if second > self.second {
            *self = Self { second, taken: 0 };
        }
        self.taken < HANDOVERS_PER_SECOND
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
            taken += u32::from(handovers.allow(&mut of_one_pairing(), at * SECOND_NS / 100));
        }
        assert_eq!(taken, 60);
        assert!(!handovers.has_room(2 * SECOND_NS));
    }

    #[test]
    fn once_a_second_for_one_pairing_and_a_refusal_takes_no_room() {
        let mut handovers = Handovers::default();
        let mut one = of_one_pairing();
        let allowed: Vec<u64> = (0..300).filter(|at| handovers.allow(&mut one, at * SECOND_NS / 100)).collect();
        assert_eq!(allowed, [0, 100, 200]);
        assert_eq!(handovers.taken, 1);
    }
}
