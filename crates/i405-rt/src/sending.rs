//! The slots of a dispatcher that is alone, and what every dispatcher does at a deadline: send, and count.

use std::sync::Arc;

use i405_proto::outbound::{Contents, Notices, Prepared};
use rtrb::Producer;
use socket2::SockAddr;

use crate::assembling::{Assembler, Running};
use crate::command::Trash;
use crate::slots::Slots;
use crate::socket::OuterSocket;
use crate::stats::{LATE_NS, SendCounters};

/// Sends it. The only system call between a deadline and the wire. Returns the kernel's refusal, 0 for none.
#[inline]
pub fn transmit(socket: &OuterSocket, datagram: &[u8], address: &SockAddr) -> i32 {
    match socket.send(datagram, address) {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
    }
}

/// What became of a slot.
pub struct Outcome {
    /// From its deadline to the call.
    pub(crate) late_ns: u64,
    /// Slots that were passed with it.
    pub(crate) missed: u64,
    /// The kernel's refusal, 0 for none.
    pub(crate) errno: i32,
    /// What it held.
    pub(crate) contents: Contents,
    /// The last close slot is out.
    pub(crate) close_said: bool,
}

/// Where a dispatcher counts: its own counters, and the latenesses for the reporter.
pub struct Tally {
    pub(crate) records: Producer<u64>,
}

impl Tally {
    /// Counts what became of a slot.
    pub fn count(&mut self, counters: &SendCounters, outcome: &Outcome) {
        counters.missed.add(outcome.missed);
        counters.sent.add(1);
        counters.late.add(u64::from(outcome.late_ns > LATE_NS));
        match outcome.contents {
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
        counters.closes_said.add(outcome.close_said.into());
        if self.records.push(outcome.late_ns).is_err() {
            counters.records_dropped.add(1);
        }
    }
}

/// A slot that waits for its deadline: sealed, addressed, in the kernel's terms.
struct Ready {
    address: SockAddr,
    contents: Contents,
    notices: Notices,
    copy: Option<Prepared>,
}

/// The sending half of a tunnel with one dispatcher.
pub struct Sending {
    socket: Arc<OuterSocket>,
    assembler: Assembler,
    tally: Tally,
    ready: Option<Ready>,
}

impl Sending {
    /// Idle at first: no schedule.
    pub fn new(socket: Arc<OuterSocket>, assembler: Assembler, tally: Tally) -> Self {
        Sending { socket, assembler, tally, ready: None }
    }

    fn running(&self) -> Option<&Running> {
        self.assembler.running()
    }
}

impl Slots for Sending {
    fn apply_commands(&mut self) {
        self.assembler.apply_commands(|_| true);
    }

    fn stopped(&self) -> bool {
        self.assembler.stopped()
    }

    fn deadline_ns(&self) -> Option<u64> {
        self.running().map(|running| running.schedule.deadline_ns())
    }

    fn interval_ns(&self) -> Option<u64> {
        self.running().map(|running| running.schedule.timing().interval_ns())
    }

    fn assemble(&mut self) -> bool {
        let Some(built) = self.assembler.build() else { return false };
        let address = self.socket.address(built.endpoint);
        self.ready = Some(Ready { address, contents: built.contents, notices: built.notices, copy: built.copy });
        true
    }

    fn warm(&self) {
        if let Some(ready) = &self.ready {
            self.socket.probe(&ready.address);
        }
    }

    #[inline]
    fn dispatch(&mut self, called_ns: u64) {
        let Some(ready) = self.ready.take() else { return };
        let datagram = ready.copy.as_ref().map_or(self.assembler.datagram(), |copy| &copy.bytes);
        let errno = transmit(&self.socket, datagram, &ready.address);
        let Some(running) = self.assembler.running_mut() else { return };
        let late_ns = called_ns.saturating_sub(running.schedule.deadline_ns());
        running.schedule.advance();
        let missed = running.schedule.skip_passed(called_ns);
        let close_said = ready.notices.close_said;
        let outcome = Outcome { late_ns, missed, errno, contents: ready.contents, close_said };
        self.tally.count(&self.assembler.counters().send, &outcome);
        if let Some(used) = ready.copy {
            self.assembler.discard(Trash::Prepared(used));
        }
    }

    fn count_throttle_stall(&self) {
        self.assembler.counters().send.throttle_stalls.add(1);
    }
}
