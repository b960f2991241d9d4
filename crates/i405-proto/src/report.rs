//! The report: what has come of the other direction's datagrams (docs/protocol.md, "Report").
//!
//! Its body, and when a sender says it. What a reader makes of it is in `path`.

/// Bytes of a report's body; a later version's may have more.
pub const REPORT_BYTES: usize = 12;

/// The protocol's: slots from one report to the next at least.
const REPORT_SLOTS: u32 = 8;

/// In place of a time that is longer than the field, or not known.
const HELD_UNKNOWN: u32 = u32::MAX;
const MICROSECOND_NS: u64 = 1_000;

/// A report as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Highest counter that has opened.
    pub newest: u32,
    /// How many datagrams have opened.
    pub opened: u32,
    /// From the newest's arrival to the report's deadline, in us; None: longer than can be said.
    pub held_us: Option<u32>,
}

impl Report {
    /// Reads a body. None: it is too short to be a report.
    pub fn parse(body: &[u8]) -> Option<Report> {
        let (fields, _later) = body.split_first_chunk::<REPORT_BYTES>()?;
        let word = |at: usize| u32::from_be_bytes([fields[at], fields[at + 1], fields[at + 2], fields[at + 3]]);
        let held = word(8);
        Some(Report { newest: word(0), opened: word(4), held_us: (held != HELD_UNKNOWN).then_some(held) })
    }

    /// The body.
    pub fn to_bytes(self) -> [u8; REPORT_BYTES] {
        let mut body = [0; REPORT_BYTES];
        body[..4].copy_from_slice(&self.newest.to_be_bytes());
        body[4..8].copy_from_slice(&self.opened.to_be_bytes());
        body[8..].copy_from_slice(&self.held_us.unwrap_or(HELD_UNKNOWN).to_be_bytes());
        body
    }
}

/// What has opened under a key: what a report is made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Whose session's key.
    pub generation: u32,
    /// Highest counter.
    pub newest: u32,
    /// How many.
    pub opened: u32,
    /// When the newest arrived, in ns of the monotonic clock.
    pub received_ns: u64,
}

impl Heard {
    /// The report of a slot with this deadline.
    pub fn report(&self, deadline_ns: u64) -> Report {
        // A datagram that came after the deadline of a slot that is late was held for no time.
        let held_us = deadline_ns.saturating_sub(self.received_ns) / MICROSECOND_NS;
        let held_us = u32::try_from(held_us).ok().filter(|held| *held != HELD_UNKNOWN);
        Report { newest: self.newest, opened: self.opened, held_us }
    }
}

/// The report that waits for a slot.
///
/// A body is made in every slot, whether it is said or not, so that all slots cost the same.
#[derive(Debug, Default)]
pub struct Reporting {
    heard: Heard,
    waiting: bool,
    deadline_ns: u64,
    slots_left: u32,
}

impl Reporting {
    /// To be said in the next slot that may; one that waits already is replaced.
    pub fn give(&mut self, heard: Heard) {
        self.heard = heard;
        self.waiting = true;
    }

    /// The deadline of the slot that is built next.
    pub fn set_deadline(&mut self, deadline_ns: u64) {
        self.deadline_ns = deadline_ns;
    }

    /// The body for a slot of this generation, and whether it is due. Counts slots.
    pub fn next(&mut self, generation: u32) -> ([u8; REPORT_BYTES], bool) {
        self.slots_left = self.slots_left.saturating_sub(1);
        let due = self.waiting && self.slots_left == 0 && self.heard.generation == generation;
        (self.heard.report(self.deadline_ns).to_bytes(), due)
    }

    /// It went into a slot.
    pub fn said(&mut self) {
        self.waiting = false;
        self.slots_left = REPORT_SLOTS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: [u8; REPORT_BYTES] = [0, 1, 2, 3, 0, 0, 0, 9, 0, 0x0F, 0x42, 0x40];
    const REPORT: Report = Report { newest: 0x0001_0203, opened: 9, held_us: Some(1_000_000) };

    #[test]
    fn byte_for_byte() {
        assert_eq!(REPORT.to_bytes(), BODY);
        assert_eq!(Report::parse(&BODY), Some(REPORT));
        let unknown = Report { held_us: None, ..REPORT };
        assert_eq!(unknown.to_bytes()[8..], [0xFF; 4]);
        assert_eq!(Report::parse(&unknown.to_bytes()), Some(unknown));
    }

    #[test]
    fn a_longer_one_is_read_and_a_shorter_one_is_not() {
        let longer = [&BODY[..], &[7; 100]].concat();
        assert_eq!(Report::parse(&longer), Some(REPORT));
        for length in 0..REPORT_BYTES {
            assert_eq!(Report::parse(&BODY[..length]), None);
        }
    }

    #[test]
    fn held_is_until_the_deadline_and_never_negative() {
        let heard = Heard { generation: 1, newest: 5, opened: 6, received_ns: 10_000_000 };
        let held = |deadline_ns| heard.report(deadline_ns).held_us;
        assert_eq!(held(12_345_678), Some(2_345));
        assert_eq!(held(9_000_000), Some(0));
        assert_eq!(held(10_000_000 + 1_000 * (u64::from(u32::MAX) - 1)), Some(u32::MAX - 1));
        assert_eq!(held(10_000_000 + 1_000 * u64::from(u32::MAX)), None);
        assert_eq!(held(u64::MAX), None);
    }

    #[test]
    fn it_is_said_once_under_its_key_and_not_too_often() {
        let mut reporting = Reporting::default();
        let heard = Heard { generation: 2, newest: 0, opened: 1, received_ns: 0 };
        assert!(!reporting.next(0).1, "nothing was given");
        reporting.give(heard);
        assert!(!reporting.next(1).1, "another key's");
        assert!(reporting.next(2).1);
        assert!(reporting.next(2).1, "until there was room for it");
        reporting.said();
        reporting.give(Heard { newest: 3, ..heard });
        let due: Vec<bool> = (0..9).map(|_| reporting.next(2).1).collect();
        assert_eq!(due, [false, false, false, false, false, false, false, true, true]);
        reporting.set_deadline(5_000_000);
        assert_eq!(Report::parse(&reporting.next(2).0), Some(Report { newest: 3, opened: 1, held_us: Some(5_000) }));
    }
}
