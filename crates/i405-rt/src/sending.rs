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
use crate::launch::Launch;
use crate::matching::{Fate, Handed};
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
    /// To whoever matches transmit timestamps; None: nobody does.
    pub(crate) handed: Option<Producer<Handed>>,
    pub(crate) stop: Arc<AtomicBool>,
}

struct Running {
    schedule: Schedule,
    endpoint: SocketAddr,
    end_at_ns: Option<u64>,
    launch: Option<Launch>,
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
    /// With its deadline, where the kernel is told it.
    launch: Option<(Launch, u64)>,
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
    // What is chosen here is the configuration's, the same for every slot of a schedule.
    let result = match slot.launch {
        None => socket.send(slot.datagram, &slot.address),
        Some((launch, deadline_ns)) => {
            socket.send_at(slot.datagram, &slot.address, launch.launch_ns(deadline_ns, called_ns))
        }
    };
    let errno = match result {
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

    /// When the next slot is to be handed to the kernel: at its deadline, or with launch times a fixed time before it.
    /// None while no schedule runs.
    pub fn deadline_ns(&self) -> Option<u64> {
        self.running.as_ref().map(|running| {
            let lead_ns = running.launch.map_or(0, Launch::lead_ns);
            running.schedule.deadline_ns().saturating_sub(lead_ns)
        })
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
            SendCommand::Launch(launch) => {
                if let Some(running) = &mut self.running {
                    running.launch = launch;
                }
                if let Some(next) = &mut self.next {
                    next.launch = launch;
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
            self.running =
                Some(Running { schedule, endpoint: start.endpoint, end_at_ns: start.end_at_ns, launch: start.launch });
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
        let running = self.running.as_ref()?;
        let endpoint = running.endpoint;
        let launch = running.launch.map(|launch| (launch, running.schedule.deadline_ns()));
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
            launch,
            contents: slot.contents,
            notices,
        })
    }

    /// Records what became of the slot and goes on to the next deadline, past those that have passed.
    pub fn finish(&mut self, outcome: &Outcome) {
        let Some(running) = &mut self.running else { return };
        let counters = &self.parts.counters.send;
        let deadline_ns = running.schedule.deadline_ns();
        // With launch times a slot is in time if its own can still be kept.
        let left_ns = outcome.called_ns + running.launch.map_or(0, |launch| launch.least_ns);
        let late_ns = left_ns.saturating_sub(deadline_ns);
        let fate = match running.launch {
            _ if outcome.errno != 0 => Fate::Refused,
            None => Fate::Called,
            Some(launch) if launch.is_telling(deadline_ns, outcome.called_ns) => Fate::Launched,
            Some(_) => Fate::LaunchedLate,
        };
        running.schedule.advance();
        counters.missed.add(running.schedule.skip_passed(left_ns));
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
        if let Some(handed) = &mut self.parts.handed {
            // Full: the reporter is behind, and the matching goes on by time.
            let _ = handed.push(Handed { called_ns: outcome.called_ns, deadline_ns, fate });
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

#[cfg(test)]
mod tests {
    use i405_proto::schedule::{Shape, Timing};
    use i405_proto::seal::MIN_DATAGRAM;
    use rtrb::RingBuffer;

    use super::*;
    use crate::opening::throwaway;
    use crate::queue::{Gate, queue};
    use crate::sys::txtime::LaunchClock;

    const LAUNCH: Launch = Launch { clock: LaunchClock::Monotonic, least_ns: 100_000, early_ns: 0 };
    const FIRST_NS: u64 = 1_000_000_000;

    #[test]
    fn slots_with_launch_times_are_handed_over_early_and_carry_the_deadlines_of_the_schedule() {
        let (mut command, commands) = RingBuffer::new(4);
        let (handed, mut records) = RingBuffer::new(4);
        let timing = Timing::new(1_000_000, 250_000, Shape::Cos4).unwrap();
        let mut sending = Sending::new(SendingParts {
            socket: Arc::new(OuterSocket::open("127.0.0.1:0".parse().unwrap(), None).unwrap()),
            counters: Arc::default(),
            outbound: Outbound::new(throwaway().unwrap(), MIN_DATAGRAM),
            queue: queue(0, Gate::new()).1,
            commands,
            trash: RingBuffer::new(16).0,
            records: RingBuffer::new(512).0,
            handed: Some(handed),
            stop: Arc::default(),
        });
        let start = Start {
            schedule: Schedule::new(timing, FIRST_NS, [7; 32]),
            datagram: vec![0; 472].into_boxed_slice(),
            endpoint: "127.0.0.1:9".parse().unwrap(),
            end_at_ns: None,
            queue: None,
            launch: Some(LAUNCH),
        };
        assert!(command.push(SendCommand::Start(Box::new(start))).is_ok());
        sending.apply_commands();
        let mut expected = Schedule::new(timing, FIRST_NS, [7; 32]);
        let mut hand = |sending: &mut Sending, late_ns: u64| {
            let due_ns = sending.deadline_ns().unwrap();
            let slot = sending.assemble().unwrap();
            let (launch, called_ns) = (slot.launch, due_ns + late_ns);
            let outcome = Outcome { called_ns, errno: 0, contents: slot.contents, notices: slot.notices };
            sending.finish(&outcome);
            (due_ns, launch, records.pop().unwrap())
        };
        for slot in 0..200 {
            let deadline_ns = expected.deadline_ns();
            // Up to the whole lead, waking late changes nothing.
            let (due_ns, launch, handed) = hand(&mut sending, slot * 2_500);
            assert_eq!(due_ns + LAUNCH.lead_ns(), deadline_ns);
            assert_eq!(launch, Some((LAUNCH, deadline_ns)));
            assert_eq!(launch.unwrap().0.launch_ns(deadline_ns, handed.called_ns), deadline_ns);
            let fate = if slot * 2_500 <= 100_000 { Fate::Launched } else { Fate::LaunchedLate };
            assert_eq!((handed.deadline_ns, handed.fate), (deadline_ns, fate));
            expected.advance();
        }
        let counters = Arc::clone(&sending.parts.counters);
        assert_eq!((counters.send.sent.get(), counters.send.late.get(), counters.send.missed.get()), (200, 0, 0));
        let (due_ns, ..) = hand(&mut sending, 10_000_000);
        expected.advance();
        let missed = expected.skip_passed(due_ns + 10_000_000 + LAUNCH.least_ns);
        assert_eq!((counters.send.late.get(), counters.send.missed.get()), (1, missed));
        assert!(command.push(SendCommand::Launch(None)).is_ok());
        sending.apply_commands();
        assert_eq!(sending.deadline_ns(), Some(expected.deadline_ns()));
        assert_eq!(sending.assemble().unwrap().launch, None);
    }
}
