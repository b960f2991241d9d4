//! The receiver's part in transmit timestamps: takes reports off the socket's error queue and pushes them to the reporter.

use std::sync::Arc;

use rtrb::Producer;

use crate::platform::socket::OuterSocket;
use crate::rings::stats::Counters;
use i405_sys::errqueue::Report;

/// Reports taken off the error queue at most before datagrams get their turn.
const MOST_AT_ONCE: usize = 64;

/// The receiver's end.
pub struct DepartureReader {
    reports: Producer<Report>,
    counters: Arc<Counters>,
    /// Slots sent when the queue was last seen empty: until there are more, nobody has to look.
    seen_sent: u64,
}

impl DepartureReader {
    /// Nothing read yet.
    pub fn new(reports: Producer<Report>, counters: Arc<Counters>) -> Self {
        DepartureReader { reports, counters, seen_sent: 0 }
    }

    /// Takes one report, if there can be one. False: there was none.
    #[inline]
    pub fn turn(&mut self, socket: &OuterSocket) -> bool {
        let sent = self.counters.dispatched(|each| &each.sent);
        sent != self.seen_sent && self.take_one(socket, sent)
    }

    /// Takes what is there, within bounds. False: there was nothing.
    pub fn drain(&mut self, socket: &OuterSocket) -> bool {
        let sent = self.counters.dispatched(|each| &each.sent);
        (0..MOST_AT_ONCE).take_while(|_| self.take_one(socket, sent)).count() > 0
    }

    fn take_one(&mut self, socket: &OuterSocket, sent: u64) -> bool {
        match socket.read_report() {
            Ok(report) => {
                // Full: the reporter is behind, and the slot will count as unreported.
                let _ = self.reports.push(report);
                true
            }
            Err(_) => {
                self.seen_sent = sent;
                false
            }
        }
    }
}
