//! The slots of one of two dispatchers, each of which walks through the schedule on its own. What they share is in
//! [`crate::send::hedge`].

use std::sync::Arc;

use i405_proto::schedule::Schedule;

use crate::platform::clock::monotonic_ns;
use crate::rings::record::Fate;
use crate::rings::stats::SendCounters;
use crate::send::emergency::Emergency;
use crate::send::hedge::{Hedge, MOST_WALKED};
use crate::send::slots::Slots;
use crate::send::tally::{Outcome, Tally};

/// The second dispatcher waits this much longer. So the one that built a slot, and has it in its caches, sends it
/// unless it is late: a claim and a call take about 1 us.
const SECOND_WAITS_NS: u64 = 2_000;

/// A dispatcher's own copy of the schedule. It always stands one slot ahead of the one that is waited for.
struct Place {
    epoch: u16,
    /// Slot that is waited for.
    slot: u64,
    deadline_ns: u64,
    /// At the slot after it.
    ahead: Schedule,
}

impl Place {
    fn advance(&mut self) {
        self.deadline_ns = self.ahead.deadline_ns();
        self.ahead.advance();
        self.slot += 1;
    }
}

/// One of the two.
pub struct HedgedSlots {
    hedge: Arc<Hedge>,
    /// 0 or 1.
    which: usize,
    tally: Tally,
    emergency: Emergency,
    place: Option<Place>,
    version: u32,
}

impl HedgedSlots {
    /// The dispatcher `which` of two.
    pub fn new(hedge: Arc<Hedge>, which: usize, tally: Tally, emergency: Emergency) -> Self {
        HedgedSlots { hedge, which, tally, emergency, place: None, version: 0 }
    }

    fn counters(&self) -> &SendCounters {
        if self.which == 0 { &self.hedge.counters.send } else { &self.hedge.counters.hedge }
    }

    /// Takes the plan over if it changed, and goes on to the first slot that nobody has claimed.
    fn follow(&mut self) {
        if let Some((version, plan)) = self.hedge.newer_plan(self.version) {
            self.version = version;
            self.emergency.aim(&self.hedge.socket, plan.endpoint, plan.length);
            if plan.schedule.is_none() {
                self.place = None;
            } else if self.place.as_ref().is_none_or(|place| place.epoch != plan.epoch) {
                self.place = plan.schedule.as_ref().map(|schedule| {
                    let mut ahead = schedule.at_same_place();
                    let deadline_ns = ahead.deadline_ns();
                    ahead.advance();
                    Place { epoch: plan.epoch, slot: 0, deadline_ns, ahead }
                });
            }
        }
        let position = self.hedge.claims.position();
        if let Some(place) = &mut self.place
            && place.epoch == position.epoch
        {
            while place.slot < position.next {
                place.advance();
            }
        }
    }

    /// Claims the slot of this deadline and sends it, unless the other one has.
    #[inline]
    fn claim_and_send(&mut self, called_ns: u64) {
        let Some(place) = &mut self.place else { return };
        let (epoch, waited_for, deadline_ns) = (place.epoch, place.slot, place.deadline_ns);
        let mut through = waited_for;
        let mut newest_ns = deadline_ns;
        if place.ahead.deadline_ns() < called_ns {
            if (called_ns - deadline_ns) / place.ahead.timing().interval_ns() > MOST_WALKED {
                return;
            }
            while place.ahead.deadline_ns() < called_ns {
                place.advance();
            }
            through = place.slot;
            newest_ns = place.deadline_ns;
        }
        let Some(first) = self.hedge.claims.claim(epoch, through) else { return };
        let ready = self.hedge.send_ready(epoch);
        let is_emergency = ready.is_none();
        let sent = ready.or_else(|| self.emergency.send(&self.hedge.socket));
        // Always some: the emergency was aimed by the plan that the place is of.
        let Some((slot, errno)) = sent else { return };
        // Where the other one took the slot that was waited for, the newest one is the one that was sent.
        let due_ns = if first <= waited_for { deadline_ns } else { newest_ns };
        let fate = if errno == 0 { Fate::Called } else { Fate::Refused };
        let outcome =
            Outcome { slot, called_ns, deadline_ns: due_ns, least_ns: 0, fate, missed: through - first, errno };
        let counters = if self.which == 0 { &self.hedge.counters.send } else { &self.hedge.counters.hedge };
        self.tally.count(counters, &outcome);
        counters.emergency.add(is_emergency.into());
    }
}

impl Slots for HedgedSlots {
    fn apply_commands(&mut self) {
        self.hedge.tend(monotonic_ns());
        self.follow();
    }

    fn stopped(&self) -> bool {
        self.hedge.stopped()
    }

    fn deadline_ns(&self) -> Option<u64> {
        self.place.as_ref().map(|place| place.deadline_ns + self.which as u64 * SECOND_WAITS_NS)
    }

    fn interval_ns(&self) -> Option<u64> {
        self.place.as_ref().map(|place| place.ahead.timing().interval_ns())
    }

    fn assemble(&mut self) -> bool {
        self.hedge.build();
        self.emergency.seal();
        self.place.is_some()
    }

    fn warm(&self) {
        self.emergency.warm(&self.hedge.socket);
    }

    #[inline]
    fn dispatch(&mut self, called_ns: u64) -> u64 {
        self.claim_and_send(called_ns);
        called_ns
    }

    fn count_throttle_stall(&self) {
        self.counters().throttle_stalls.add(1);
    }
}

#[cfg(test)]
mod tests;
