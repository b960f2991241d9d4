//! What slots are built from: session, waiting queue, carousel, schedule; and the commands that change them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use i405_proto::endpoint::Endpoint;
use i405_proto::outbound::{Outbound, Slot};
use i405_proto::schedule::Schedule;
use rtrb::{Consumer, Producer};

use crate::platform::launch::Launch;
use crate::rings::command::{Copies, SendCommand, Start, Trash};
use crate::rings::queue::QueueConsumer;
use crate::rings::stats::Counters;

/// What the control side hands to whoever builds slots.
pub struct Parts {
    pub(crate) counters: Arc<Counters>,
    pub(crate) outbound: Outbound,
    pub(crate) queue: QueueConsumer,
    pub(crate) commands: Consumer<SendCommand>,
    pub(crate) trash: Producer<Trash>,
    pub(crate) stop: Arc<AtomicBool>,
}

/// The schedule that runs.
pub struct Running {
    pub(crate) schedule: Schedule,
    pub(crate) endpoint: Endpoint,
    pub(crate) end_at_ns: Option<u64>,
    /// How slots get launch times; None: they leave at the call.
    pub(crate) launch: Option<Launch>,
}

/// Builds slots.
pub struct Assembler {
    parts: Parts,
    running: Option<Running>,
    next: Option<Box<Start>>,
    copies: Option<Box<Copies>>,
    spares: Vec<Box<[u8]>>,
    /// Of the peer's challenges; each is echoed.
    challenges_seen: u64,
}

impl Assembler {
    /// Idle at first: no schedule.
    pub fn new(parts: Parts) -> Self {
        Assembler { parts, running: None, next: None, copies: None, spares: Vec::new(), challenges_seen: 0 }
    }

    /// The schedule that runs.
    pub fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// The schedule that runs, to be moved on.
    pub fn running_mut(&mut self) -> Option<&mut Running> {
        self.running.as_mut()
    }

    /// The flag that ends the threads.
    pub fn stop(&self) -> &Arc<AtomicBool> {
        &self.parts.stop
    }

    /// The counters.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.parts.counters
    }

    /// The sealed datagram, until the next build.
    pub fn datagram(&self) -> &[u8] {
        self.parts.outbound.leaving()
    }

    /// Takes the sealed datagram away and leaves a buffer of its length: the one given, or a spare one if that has
    /// another schedule's length. False: there is no buffer left.
    pub fn swap_datagram(&mut self, buffer: &mut Box<[u8]>) -> bool {
        let length = self.parts.outbound.datagram_length();
        if buffer.len() != length {
            let Some(spare) = self.spares.pop() else { return false };
            let old = std::mem::replace(buffer, spare);
            self.discard(Trash::Datagram(old));
        }
        let empty = std::mem::take(buffer);
        *buffer = self.parts.outbound.replace_leaving(empty);
        true
    }

    /// Carries out what the control side wants. Where a schedule is to begin or to end, `agree` is asked first; if it
    /// says no, the change waits for the next call.
    pub fn apply_commands(&mut self, agree: impl FnOnce(Option<&Start>) -> bool) {
        while let Ok(command) = self.parts.commands.pop() {
            self.apply(command);
        }
        self.change_schedule(agree);
        let receive = &self.parts.counters.receive;
        let challenges = receive.challenges.get();
        if challenges != self.challenges_seen {
            self.challenges_seen = challenges;
            self.parts.outbound.echo(receive.newest_challenge.get());
        }
        let opened = receive.opened_generation.get();
        if opened > 0 {
            self.parts.outbound.opened((opened - 1) as u32);
        }
    }

    fn apply(&mut self, command: SendCommand) {
        match command {
            SendCommand::Start(start) => self.put_off(start),
            SendCommand::Queue(larger) => self.parts.queue.append(larger),
            SendCommand::EndAt(instant) => {
                if let Some(next) = &mut self.next {
                    next.end_at_ns = instant;
                } else if let Some(running) = &mut self.running {
                    running.end_at_ns = instant;
                }
            }
            SendCommand::Carousel(copies) => {
                self.parts.outbound.set_carousel(copies.as_ref().map_or(0, |copies| copies.every));
                if let Some(old) = std::mem::replace(&mut self.copies, copies) {
                    self.discard(Trash::Copies(old));
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
            SendCommand::Challenge(challenges) => {
                let old = self.parts.outbound.challenge(challenges);
                self.discard(Trash::Challenges(old));
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
            SendCommand::RepeatControl(control) => {
                if let Some(old) = self.parts.outbound.repeat_control(control) {
                    self.discard(Trash::Control(old));
                }
            }
            SendCommand::Report(heard) => self.parts.outbound.report(heard),
            #[cfg(test)]
            SendCommand::Panic => panic!("asked to panic"),
        }
    }

    /// A schedule waits for its turn, in place of the one that waited.
    fn put_off(&mut self, mut start: Box<Start>) {
        if let Some(mut replaced) = self.next.take() {
            if start.continues {
                // What it was to go on with has not begun itself.
                std::mem::swap(&mut start.schedule, &mut replaced.schedule);
                start.continues = replaced.continues;
                start.end_at_ns = start.end_at_ns.or(replaced.end_at_ns);
            }
            self.discard(Trash::Start(replaced));
        }
        self.next = Some(start);
    }

    /// Changes the schedule where it is time. A new one begins where the old one's next deadline would come after the
    /// new one's first; one that continues the old one begins with its next slot. A schedule ends at the first deadline
    /// at or after its end.
    fn change_schedule(&mut self, agree: impl FnOnce(Option<&Start>) -> bool) {
        let begins = match (&self.running, &self.next) {
            (Some(running), Some(next)) => {
                next.continues || running.schedule.deadline_ns() >= next.schedule.deadline_ns()
            }
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if begins {
            if agree(self.next.as_deref()) {
                self.begin();
            }
            return;
        }
        let ends = self
            .running
            .as_ref()
            .is_some_and(|running| running.end_at_ns.is_some_and(|end| running.schedule.deadline_ns() >= end));
        if ends && agree(None) {
            self.running = None;
            self.parts.counters.send.schedules_ended.add(1);
        }
    }

    fn begin(&mut self) {
        let Some(mut start) = self.next.take() else { return };
        let mut schedule = Schedule::new(start.schedule.timing(), 0, [0; 32]);
        std::mem::swap(&mut schedule, &mut start.schedule);
        self.parts.outbound.swap_buffers(&mut start.buffers);
        std::mem::swap(&mut self.spares, &mut start.spares);
        let (endpoint, mut end_at_ns, launch) = (start.endpoint, start.end_at_ns, start.launch);
        if start.continues
            && let Some(running) = self.running.take()
        {
            schedule = running.schedule;
            end_at_ns = end_at_ns.or(running.end_at_ns);
        }
        self.running = Some(Running { schedule, endpoint, end_at_ns, launch });
        self.discard(Trash::Start(start));
    }

    /// Has a slot built, whose bytes stand in [`Assembler::datagram`] then; None while no schedule runs.
    pub fn build(&mut self) -> Option<Slot> {
        let running = self.running.as_ref()?;
        let endpoint = running.endpoint;
        self.parts.outbound.set_deadline(running.schedule.deadline_ns());
        if let Some(empty) = self.parts.queue.advance() {
            self.discard(Trash::Queue(empty));
        }
        let counters = &self.parts.counters.send;
        if let Some(generation) = self.parts.outbound.exhausted() {
            counters.exhausted.set(u64::from(generation) + 1);
        }
        counters.wants_throwaway.set(self.parts.outbound.wants_throwaway().into());
        let mut used = None;
        let slot = self.parts.outbound.build(
            endpoint,
            || {
                used = self.copies.as_mut()?.ring.pop().ok();
                used.as_ref()
            },
            &mut self.parts.queue,
        );
        counters.queued_bytes.set(self.parts.queue.waiting() as u64);
        if let Some(used) = used {
            self.discard(Trash::Copy(used));
        }
        Some(slot)
    }

    /// Gives away what is done with. If the reporter is far behind it is freed here, late rather than never.
    pub fn discard(&mut self, trash: Trash) {
        drop(self.parts.trash.push(trash));
    }

    /// Whether the threads are to end.
    pub fn stopped(&self) -> bool {
        self.parts.stop.load(Ordering::Acquire)
    }
}
