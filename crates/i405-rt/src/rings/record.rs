//! A record of a slot, of its transmit timestamp, of an arrival: what a program that audits its tunnel gets.

use i405_proto::outbound::SealedUnder;

/// Records of each kind that wait while the program is busy: 1.3 s of the shortest slots, 5 MiB.
pub const MOST_RECORDS: usize = 1 << 17;

/// What became of a slot at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The kernel took it, to send at once.
    Called,
    /// The kernel took it with a launch time, long before it.
    Launched,
    /// The kernel took it with a launch time close by.
    LaunchedLate,
    /// The kernel took it with a launch time and spun until then.
    Held,
    /// The kernel refused it.
    Refused,
}

/// A slot that was sent, or that the kernel refused. CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRecord {
    /// When it was to leave.
    pub deadline_ns: u64,
    /// The clock at the call.
    pub called_ns: u64,
    /// Under which key, and its number.
    pub under: SealedUnder,
    /// Slots that were passed with it.
    pub missed: u32,
    /// How long after its call it can leave at the earliest, or how long the call was held: 0 but for launch times.
    pub(crate) least_ns: u32,
    /// Whether a transmit timestamp can come, and what it can say of launch times.
    pub(crate) fate: Fate,
}

impl SlotRecord {
    /// How much later than its deadline it left, as far as the call decides it.
    #[inline]
    pub fn late_ns(&self) -> u64 {
        (self.called_ns + u64::from(self.least_ns)).saturating_sub(self.deadline_ns)
    }
}

/// A slot whose transmit timestamp came. CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepartureRecord {
    /// When it was to leave.
    pub deadline_ns: u64,
    /// When it left.
    pub left_ns: u64,
}

/// A datagram that opened under a session's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrivalRecord {
    /// When the kernel received it, CLOCK_MONOTONIC.
    pub received_ns: u64,
    /// Under which key.
    pub generation: u32,
    /// Its number under it.
    pub counter: u32,
}

/// The same as the receiver knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// `received_ns` is as good as two readings one after the other, between which the thread may have been off its core.
    pub(crate) record: ArrivalRecord,
    /// The kernel's receive time as it came, CLOCK_REALTIME; 0: none.
    pub(crate) stamp_ns: u64,
}

/// Records in the order in which they came about, and how many are missing before or among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded<T> {
    /// What there is.
    pub records: Vec<T>,
    /// What there is no more.
    pub dropped: u64,
}

impl<T> Recorded<T> {
    pub(crate) fn push(&mut self, record: T) {
        if self.records.len() < MOST_RECORDS {
            self.records.push(record);
        } else {
            self.dropped += 1;
        }
    }

    pub(crate) fn take(&mut self) -> Option<Self> {
        let nothing = self.records.is_empty() && self.dropped == 0;
        (!nothing).then(|| Recorded {
            records: std::mem::take(&mut self.records),
            dropped: std::mem::take(&mut self.dropped),
        })
    }
}
