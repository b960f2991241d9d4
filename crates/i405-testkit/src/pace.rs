//! Sending at a rate: when the next datagrams are due.

use crate::clock::{NS_PER_S, monotonic_ns, sleep_until};

/// Shortest nap: above this rate several datagrams leave per wake-up, or waking would cost more than sending. 250 us.
const SHORTEST_NAP_NS: u64 = 250_000;

/// Spreads datagrams evenly from its creation on.
#[derive(Debug)]
pub struct Pace {
    start_ns: u64,
    per_second: f64,
    taken: u64,
}

impl Pace {
    /// Starts now.
    pub fn new(per_second: f64) -> Self {
        Self { start_ns: monotonic_ns(), per_second, taken: 0 }
    }

    fn due_at(&self, index: u64) -> u64 {
        self.start_ns + (index as f64 * NS_PER_S as f64 / self.per_second) as u64
    }

    /// Waits until at least one is due; how many are due by now. 0 if a signal ended the wait.
    pub fn wait(&mut self) -> u64 {
        let now = monotonic_ns();
        let due = self.due_at(self.taken);
        if due > now {
            sleep_until(due.max(now + SHORTEST_NAP_NS));
        }
        let passed_ns = monotonic_ns().saturating_sub(self.start_ns);
        let reached = (passed_ns as f64 * self.per_second / NS_PER_S as f64) as u64 + 1;
        let count = reached.saturating_sub(self.taken);
        self.taken += count;
        count
    }

    /// Nanoseconds since the start.
    pub fn elapsed_ns(&self) -> u64 {
        monotonic_ns().saturating_sub(self.start_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_runs_ahead_of_the_rate() {
        let mut pace = Pace::new(100_000.0);
        let mut total = 0;
        for _ in 0..20 {
            total += pace.wait();
            assert!(total <= pace.elapsed_ns() / 10_000 + 1);
        }
        assert!(total >= 20);
    }
}
