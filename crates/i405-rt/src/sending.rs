//! The sending half of a tunnel as a timed thread runs it, without the waiting: commands, assembling, sending, record.
//!
//! 1. [`Sending::apply_commands`]: what the control side wants
//! 2. [`Sending::assemble`]: the slot of the next deadline, its bytes final
//! 3. the caller waits for the deadline
//! 4. [`transmit`]: one system call
//! 5. [`Sending::finish`]: record, next deadline
//!
//! Nothing here allocates, locks or logs, and nothing but the contents of a buffer depends on inner traffic.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use i405_proto::outbound::{Contents, Notices, Outbound, Prepared};
use i405_proto::schedule::Schedule;
use rtrb::{Consumer, Producer};
use socket2::SockAddr;

use crate::command::{Feed, SendCommand, Start, Trash};
use crate::queue::QueueConsumer;
use crate::socket::OuterSocket;
use crate::stats::{Counters, LATE_NS};

/// What the control side hands to the thread that dispatches.
pub struct SendingParts {
    pub(crate) socket: Arc<OuterSocket>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) outbound: Outbound,
    pub(crate) queue: QueueConsumer,
    pub(crate) commands: Consumer<SendCommand>,
    pub(crate) trash: Producer<Trash>,
    pub(crate) records: Producer<u64>,
    pub(crate) stop: Arc<AtomicBool>,
}

struct Running {
    schedule: Schedule,
    endpoint: SocketAddr,
    end_at_ns: Option<u64>,
}

/// The sending half.
pub struct Sending {
    parts: SendingParts,
    running: Option<Running>,
    next: Option<Box<Start>>,
    feed: Option<Box<Feed>>,
    copy: Option<Prepared>,
}

/// A slot that waits for its deadline: sealed, addressed, in the kernel's terms.
pub struct ReadySlot<'a> {
    address: SockAddr,
    datagram: &'a [u8],
    contents: Contents,
    notices: Notices,
}

/// What became of a slot.
pub struct Outcome {
    /// CLOCK_MONOTONIC at the call.
    called_ns: u64,
    /// The kernel's refusal, 0 for none.
    errno: i32,
    contents: Contents,
    notices: Notices,
}

/// Sends it. The only system call between a deadline and the wire.
#[inline]
pub fn transmit(socket: &OuterSocket, slot: ReadySlot<'_>, called_ns: u64) -> Outcome {
    let errno = match socket.send(slot.datagram, &slot.address) {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
    };
    Outcome { called_ns, errno, contents: slot.contents, notices: slot.notices }
}

impl Sending {
    /// Idle at first: no schedule.
    pub fn new(parts: SendingParts) -> Self {
        Sending { parts, running: None, next: None, feed: None, copy: None }
    }

    /// The socket, for [`transmit`].
    pub fn socket(&self) -> Arc<OuterSocket> {
        Arc::clone(&self.parts.socket)
    }

    /// Deadline of the next slot; None while no schedule runs.
    pub fn deadline_ns(&self) -> Option<u64> {
        self.running.as_ref().map(|running| running.schedule.deadline_ns())
    }

    /// Mean interval of the schedule that runs.
    pub fn interval_ns(&self) -> Option<u64> {
        self.running.as_ref().map(|running| running.schedule.timing().interval_ns())
    }

    /// Whether the thread is to end.
    pub fn stopped(&self) -> bool {
        self.parts.stop.load(Ordering::Acquire)
    }

    /// Carries out what the control side wants.
    pub fn apply_commands(&mut self) {
        while let Ok(command) = self.parts.commands.pop() {
            self.apply(command);
        }
        self.change_schedule();
        let opened = self.parts.counters.receive.opened_generation.get();
        if opened > 0 {
            self.parts.outbound.opened((opened - 1) as u32);
        }
    }

    fn apply(&mut self, command: SendCommand) {
        match command {
            SendCommand::Start(start) => {
                if let Some(old) = self.next.replace(start) {
                    self.discard(Trash::Start(old));
                }
            }
            SendCommand::EndAt(instant) => {
                if let Some(next) = &mut self.next {
                    next.end_at_ns = instant;
                } else if let Some(running) = &mut self.running {
                    running.end_at_ns = instant;
                }
            }
            SendCommand::Carousel(feed) => {
                self.parts.outbound.set_carousel(feed.as_ref().map_or(0, |feed| feed.every));
                if let Some(old) = std::mem::replace(&mut self.feed, feed) {
                    self.discard(Trash::Feed(old));
                }
            }
            SendCommand::Session(session) => {
                if let Some(old) = self.parts.outbound.set_session(session) {
                    self.discard(Trash::Session(old));
                }
            }
            SendCommand::Throwaway(sealer) => self.parts.outbound.give_throwaway(sealer),
            SendCommand::Endpoint(endpoint) => {
                if let Some(running) = &mut self.running {
                    running.endpoint = endpoint;
                }
                if let Some(next) = &mut self.next {
                    next.endpoint = endpoint;
                }
            }
            SendCommand::SayClose => self.parts.outbound.say_close(),
            #[cfg(test)]
            SendCommand::Panic => panic!("asked to panic"),
        }
    }

    /// A new schedule begins where the old one's next deadline would come after the new one's first.
    fn change_schedule(&mut self) {
        let begins = match (&self.running, &self.next) {
            (Some(running), Some(next)) => running.schedule.deadline_ns() >= next.schedule.deadline_ns(),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if begins && let Some(mut start) = self.next.take() {
            let mut schedule = Schedule::new(start.schedule.timing(), 0, [0; 32]);
            std::mem::swap(&mut schedule, &mut start.schedule);
            let datagram = std::mem::take(&mut start.datagram);
            let old = self.parts.outbound.replace_buffer(datagram);
            self.discard(Trash::Datagram(old));
            if let Some(queue) = start.queue.take() {
                let old = std::mem::replace(&mut self.parts.queue, queue);
                start.queue = Some(old);
            }
            self.running = Some(Running { schedule, endpoint: start.endpoint, end_at_ns: start.end_at_ns });
            self.discard(Trash::Start(start));
        }
        let ended = self
            .running
            .as_ref()
            .is_some_and(|running| running.end_at_ns.is_some_and(|end| running.schedule.deadline_ns() >= end));
        if ended {
            self.running = None;
            self.parts.counters.send.schedules_ended.add(1);
        }
    }

    /// Builds and seals the slot of the next deadline; None while no schedule runs.
    pub fn assemble(&mut self) -> Option<ReadySlot<'_>> {
        let endpoint = self.running.as_ref()?.endpoint;
        if let Some(used) = self.copy.take() {
            self.discard(Trash::Prepared(used));
        }
        if self.parts.outbound.wants_handshake()
            && let Some(feed) = &mut self.feed
        {
            self.copy = feed.copies.pop().ok();
        }
        let (slot, notices) = self.parts.outbound.build(endpoint, self.copy.as_ref(), &mut self.parts.queue);
        Some(ReadySlot {
            address: self.parts.socket.address(slot.endpoint),
            datagram: slot.datagram,
            contents: slot.contents,
            notices,
        })
    }

    /// Records what became of the slot and goes on to the next deadline, past those that have passed.
    pub fn finish(&mut self, outcome: &Outcome) {
        let Some(running) = &mut self.running else { return };
        let counters = &self.parts.counters.send;
        let late_ns = outcome.called_ns.saturating_sub(running.schedule.deadline_ns());
        running.schedule.advance();
        counters.missed.add(running.schedule.skip_passed(outcome.called_ns));
        counters.sent.add(1);
        counters.queued_bytes.set(self.parts.queue.waiting() as u64);
        counters.late.add(u64::from(late_ns > LATE_NS));
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
        if outcome.notices.close_said {
            counters.closes_said.add(1);
        }
        if let Some(generation) = outcome.notices.exhausted {
            counters.exhausted.set(u64::from(generation) + 1);
        }
        counters.wants_throwaway.set(outcome.notices.wants_throwaway.into());
        if self.parts.records.push(late_ns).is_err() {
            counters.records_dropped.add(1);
        }
    }

    /// Counts a stall that only the kernel's real-time throttle explains.
    pub fn count_throttle_stall(&self) {
        self.parts.counters.send.throttle_stalls.add(1);
    }

    /// Gives away what is done with. If the reporter is far behind it is freed here, late rather than never.
    fn discard(&mut self, trash: Trash) {
        drop(self.parts.trash.push(trash));
    }
}
