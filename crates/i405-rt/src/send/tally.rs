//! What every dispatcher counts after a slot, and tells the reporter.

use i405_proto::outbound::{Contents, Slot};
use rtrb::Producer;

use crate::rings::record::{Fate, SlotRecord};
use crate::rings::stats::{LATE_NS, SendCounters};

/// What became of a slot.
pub struct Outcome {
    /// What was built.
    pub(crate) slot: Slot,
    /// CLOCK_MONOTONIC at the call.
    pub(crate) called_ns: u64,
    /// When it was to leave.
    pub(crate) deadline_ns: u64,
    /// How long after the call it can leave at the earliest, or how long the call was held: 0 but for launch times.
    pub(crate) least_ns: u64,
    /// For who matches transmit timestamps.
    pub(crate) fate: Fate,
    /// Slots that were passed with it.
    pub(crate) missed: u64,
    /// The kernel's refusal, 0 for none.
    pub(crate) errno: i32,
}

impl Outcome {
    /// For the reporter.
    #[inline]
    fn record(&self) -> SlotRecord {
        SlotRecord {
            deadline_ns: self.deadline_ns,
            called_ns: self.called_ns,
            under: self.slot.under,
            missed: saturated(self.missed),
            least_ns: saturated(self.least_ns),
            fate: self.fate,
        }
    }
}

#[inline]
fn saturated(value: u64) -> u32 {
    value.min(u32::MAX.into()) as u32
}

/// Where a dispatcher counts: its own counters, and a record of each slot for the reporter.
pub struct Tally {
    pub(crate) records: Producer<SlotRecord>,
}

impl Tally {
    /// Counts what became of a slot.
    pub fn count(&mut self, counters: &SendCounters, outcome: &Outcome) {
        let record = outcome.record();
        counters.missed.add(outcome.missed);
        counters.sent.add(1);
        counters.launched_into_spin.add(u64::from(record.fate == Fate::Held));
        counters.late.add(u64::from(record.late_ns() > LATE_NS));
        match outcome.slot.contents {
            Contents::Cover => counters.cover.add(1),
            Contents::Handshake => counters.handshake.add(1),
            Contents::Carrying { packets, bytes } => {
                counters.carrying.add(1);
                counters.inner_packets.add(u64::from(packets));
                counters.inner_bytes.add(u64::from(bytes));
            }
        }
        if outcome.errno != 0 {
            counters.errors.add(1);
            counters.last_errno.set(outcome.errno.unsigned_abs().into());
        }
        counters.closes_said.add(outcome.slot.close_said.into());
        if self.records.push(record).is_err() {
            counters.records_dropped.add(1);
        }
    }
}
