//! Which timing a slot has to have, from what JavaScript asked for: a schedule, or the one there is at another length.

use std::ops::RangeInclusive;

/// A timing that JavaScript asked for.
#[derive(Clone, Copy)]
pub struct Asked {
    /// UDP payload, bytes.
    pub length: usize,
    pub interval_ns: u64,
    pub jitter_ns: u64,
}

/// A schedule that waits for its first deadline.
struct Next {
    asked: Asked,
    /// When that is, CLOCK_MONOTONIC. Only the core knows it where it was to choose it.
    first_ns: RangeInclusive<u64>,
}

/// What a slot is held against.
#[derive(Clone, Copy)]
pub struct InForce {
    pub asked: Asked,
    /// The schedule before may still have this slot, at its own length.
    pub before: Option<usize>,
    /// Its deadline doesn't follow from the one before.
    pub fresh: bool,
}

/// What one process asked for.
#[derive(Default)]
pub struct Orders {
    running: Option<Asked>,
    /// A schedule that another one took the turn of. It may have begun, where none ran any more.
    overtaken: Option<Asked>,
    next: Option<Next>,
}

impl Orders {
    /// A schedule whose first deadline is this one; None: an interval from now.
    pub fn start(&mut self, asked: Asked, first_ns: Option<u64>, now_ns: u64) {
        let Asked { interval_ns, jitter_ns, .. } = asked;
        let drawn_ns = now_ns + interval_ns - jitter_ns..=now_ns + interval_ns + jitter_ns;
        let first_ns = first_ns.map_or(drawn_ns, |first_ns| first_ns..=first_ns);
        let overtaken = self.next.replace(Next { asked, first_ns }).map(|next| next.asked);
        if self.running.is_none() {
            self.running = overtaken;
        } else {
            self.overtaken = overtaken.or(self.overtaken);
        }
    }

    /// The newest schedule goes on at another length.
    pub fn redirect(&mut self, length: usize) {
        if let Some(asked) = self.next.as_mut().map(|next| &mut next.asked).or(self.running.as_mut()) {
            asked.length = length;
        }
    }

    /// What was asked for last.
    pub fn newest(&self) -> Option<Asked> {
        self.next.as_ref().map(|next| next.asked).or(self.running)
    }

    /// For a slot that is built now. None: nobody asked for it.
    pub fn in_force(&mut self, deadline_ns: u64) -> Option<InForce> {
        let (before, fresh) = (self.overtaken.map(|asked| asked.length), self.overtaken.is_some());
        let plain = |asked| InForce { asked, before, fresh };
        let Some(next) = &self.next else { return self.running.map(plain) };
        if let Some(running) = self.running {
            if deadline_ns < *next.first_ns.start() {
                return Some(plain(running));
            }
            if deadline_ns < *next.first_ns.end() {
                return Some(InForce { asked: next.asked, before: Some(running.length), fresh: true });
            }
        }
        let asked = next.asked;
        (self.running, self.next, self.overtaken) = (Some(asked), None, None);
        Some(InForce { asked, before: None, fresh: true })
    }
}
