//! The slots of a dispatcher that is alone, and what every dispatcher does at a deadline: send, and count.

use std::io;
use std::sync::Arc;

use i405_proto::outbound::{Contents, Notices, SealedUnder};
use rtrb::Producer;

use crate::platform::launch::Launch;
use crate::platform::socket::OuterSocket;
use crate::rings::handed::{Fate, Handed};
use crate::rings::record::SlotRecord;
use crate::rings::stats::{LATE_NS, SendCounters};
use crate::send::assembling::{Assembler, Built, Running};
use crate::send::slots::Slots;
use i405_sys::own_address::Destination;

/// Sends it. The only system call between a deadline and the wire. Returns the kernel's refusal, 0 for none.
#[inline]
pub fn transmit(socket: &OuterSocket, datagram: &[u8], address: &Destination) -> i32 {
    errno_of(socket.send(datagram, address))
}

fn errno_of(sent: io::Result<usize>) -> i32 {
    match sent {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
    }
}

/// What became of a slot.
pub struct Outcome {
    /// CLOCK_MONOTONIC at the call.
    pub(crate) called_ns: u64,
    /// When it was to leave.
    pub(crate) deadline_ns: u64,
    /// How long after the call it can leave at the earliest: 0 but for launch times.
    pub(crate) least_ns: u64,
    /// For who matches transmit timestamps.
    pub(crate) fate: Fate,
    /// Slots that were passed with it.
    pub(crate) missed: u64,
    /// The kernel's refusal, 0 for none.
    pub(crate) errno: i32,
    /// What it held.
    pub(crate) contents: Contents,
    /// Under which key.
    pub(crate) under: SealedUnder,
    /// The last close slot is out.
    pub(crate) close_said: bool,
}

impl Outcome {
    /// For the reporter.
    #[inline]
    fn record(&self) -> SlotRecord {
        SlotRecord {
            deadline_ns: self.deadline_ns,
            called_ns: self.called_ns,
            under: self.under,
            missed: saturated(self.missed),
            least_ns: saturated(self.least_ns),
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
    /// To whoever matches transmit timestamps; None: nobody does.
    pub(crate) handed: Option<Producer<Handed>>,
}

impl Tally {
    /// Counts what became of a slot.
    pub fn count(&mut self, counters: &SendCounters, outcome: &Outcome) {
        let record = outcome.record();
        counters.missed.add(outcome.missed);
        counters.sent.add(1);
        counters.late.add(u64::from(record.late_ns() > LATE_NS));
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
        if self.records.push(record).is_err() {
            counters.records_dropped.add(1);
        }
        if let Some(handed) = &mut self.handed {
            // Full: the reporter is behind, and the matching goes on by time.
            let Outcome { called_ns, deadline_ns, fate, .. } = *outcome;
            let _ = handed.push(Handed { called_ns, deadline_ns, fate });
        }
    }
}

/// A slot that waits for its deadline: sealed, addressed, in the kernel's terms.
struct Ready {
    address: Destination,
    /// With its deadline, where the kernel is told it.
    launch: Option<(Launch, u64)>,
    contents: Contents,
    under: SealedUnder,
    notices: Notices,
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

    /// Records what became of the slot and goes on to the next deadline, past those that have passed.
    fn finish(&mut self, ready: Ready, called_ns: u64, errno: i32) {
        let Some(running) = self.assembler.running_mut() else { return };
        let deadline_ns = running.schedule.deadline_ns();
        // With launch times a slot is in time if its own can still be kept.
        let least_ns = running.launch.map_or(0, |launch| launch.least_ns);
        let fate = match running.launch {
            _ if errno != 0 => Fate::Refused,
            None => Fate::Called,
            Some(launch) if launch.is_telling(deadline_ns, called_ns) => Fate::Launched,
            Some(_) => Fate::LaunchedLate,
        };
        running.schedule.advance();
        let outcome = Outcome {
            called_ns,
            deadline_ns,
            least_ns,
            fate,
            missed: running.schedule.skip_passed(called_ns + least_ns),
            errno,
            contents: ready.contents,
            under: ready.under,
            close_said: ready.notices.close_said,
        };
        self.tally.count(&self.assembler.counters().send, &outcome);
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
        self.running().map(|running| {
            // With launch times a slot is handed to the kernel a fixed time before its deadline.
            let lead_ns = running.launch.map_or(0, Launch::lead_ns);
            running.schedule.deadline_ns().saturating_sub(lead_ns)
        })
    }

    fn interval_ns(&self) -> Option<u64> {
        self.running().map(|running| running.schedule.timing().interval_ns())
    }

    fn assemble(&mut self) -> bool {
        let Some(built) = self.assembler.build() else { return false };
        let address = self.socket.destination(built.endpoint);
        let launch = self.running().and_then(|running| Some((running.launch?, running.schedule.deadline_ns())));
        let Built { contents, under, notices, .. } = built;
        self.ready = Some(Ready { address, launch, contents, under, notices });
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
        let datagram = self.assembler.datagram();
        // What is chosen here is the configuration's, the same for every slot of a schedule.
        let errno = match ready.launch {
            None => transmit(&self.socket, datagram, &ready.address),
            Some((launch, deadline_ns)) => {
                errno_of(self.socket.send_at(datagram, &ready.address, launch.launch_ns(deadline_ns, called_ns)))
            }
        };
        self.finish(ready, called_ns, errno);
    }

    fn count_throttle_stall(&self) {
        self.assembler.counters().send.throttle_stalls.add(1);
    }
}

#[cfg(test)]
mod tests {
    use i405_proto::outbound::Outbound;
    use i405_proto::schedule::{Schedule, Shape, Timing};
    use i405_proto::seal::MIN_DATAGRAM;
    use rtrb::{Consumer, RingBuffer};

    use super::*;
    use crate::platform::random::throwaway;
    use crate::rings::command::{SendCommand, Start};
    use crate::rings::queue::{Gate, queue};
    use crate::send::assembling::Parts;
    use i405_sys::txtime::LaunchClock;

    const LAUNCH: Launch = Launch { clock: LaunchClock::Monotonic, least_ns: 100_000, early_ns: 0 };
    const FIRST_NS: u64 = 1_000_000_000;

    fn idle(
        commands: Consumer<SendCommand>,
        records: Producer<SlotRecord>,
        handed: Option<Producer<Handed>>,
    ) -> Sending {
        let socket = Arc::new(OuterSocket::open("127.0.0.1:0".parse().unwrap(), None).unwrap());
        let assembler = Assembler::new(Parts {
            counters: Arc::default(),
            outbound: Outbound::new(throwaway().unwrap(), MIN_DATAGRAM),
            queue: queue(0, Gate::new()).1,
            commands,
            trash: RingBuffer::new(16).0,
            stop: Arc::default(),
        });
        Sending::new(socket, assembler, Tally { records, handed })
    }

    fn start(schedule: Schedule, length: usize, continues: bool, launch: Option<Launch>) -> SendCommand {
        SendCommand::Start(Box::new(Start {
            schedule,
            buffers: [vec![0; length].into_boxed_slice(), vec![0; length].into_boxed_slice()],
            spares: Vec::new(),
            endpoint: "127.0.0.1:9".parse().unwrap(),
            end_at_ns: None,
            continues,
            launch,
        }))
    }

    #[test]
    fn a_redirected_schedule_keeps_its_deadlines() {
        let (mut command, commands) = RingBuffer::new(4);
        let timing = Timing::new(1_000_000, 500_000, Shape::Cos4).unwrap();
        let mut sending = idle(commands, RingBuffer::new(512).0, None);
        assert!(command.push(start(Schedule::new(timing, FIRST_NS, [7; 32]), 472, false, None)).is_ok());
        let mut expected = Schedule::new(timing, FIRST_NS, [7; 32]);
        for slot in 0..100 {
            if slot % 20 == 10 {
                let other = Schedule::new(timing, FIRST_NS * 9, [8; 32]);
                assert!(command.push(start(other, 472 - slot, true, None)).is_ok());
            }
            sending.apply_commands();
            assert_eq!(sending.deadline_ns(), Some(expected.deadline_ns()));
            assert!(sending.assemble());
            let length = if slot < 10 { 472 } else { 472 - (slot - 10) / 20 * 20 - 10 };
            assert_eq!(sending.assembler.datagram().len(), length);
            sending.dispatch(expected.deadline_ns());
            expected.advance();
        }
        let counters = &sending.assembler.counters().send;
        assert_eq!((counters.sent.get(), counters.missed.get()), (100, 0));
    }

    #[test]
    fn a_redirection_of_a_schedule_that_has_not_begun_leaves_its_deadlines_to_it() {
        let (mut command, commands) = RingBuffer::new(8);
        let of = |interval_ns| Timing::new(interval_ns, 0, Shape::Cos4).unwrap();
        let mut sending = idle(commands, RingBuffer::new(512).0, None);
        assert!(command.push(start(Schedule::new(of(1_000_000), FIRST_NS, [7; 32]), 472, false, None)).is_ok());
        sending.apply_commands();
        let begins_ns = FIRST_NS + 20_500_000;
        let next = Schedule::new(of(2_000_000), begins_ns, [8; 32]);
        assert!(command.push(start(next, 500, false, None)).is_ok());
        for length in [600, 700] {
            let unused = Schedule::new(of(2_000_000), FIRST_NS * 5, [9; 32]);
            assert!(command.push(start(unused, length, true, None)).is_ok());
        }
        assert!(command.push(SendCommand::EndAt(Some(begins_ns + 8_000_000))).is_ok());
        let mut sent = Vec::new();
        loop {
            sending.apply_commands();
            let Some(deadline_ns) = sending.deadline_ns() else { break };
            assert!(sending.assemble());
            sent.push((deadline_ns, sending.assembler.datagram().len()));
            sending.dispatch(deadline_ns);
        }
        let before = (0..21).map(|slot| (FIRST_NS + slot * 1_000_000, 472));
        let after = (0..4).map(|slot| (begins_ns + slot * 2_000_000, 700));
        assert_eq!(sent, before.chain(after).collect::<Vec<_>>());
    }

    #[test]
    fn slots_with_launch_times_are_handed_over_early_and_carry_the_deadlines_of_the_schedule() {
        let (mut command, commands) = RingBuffer::new(4);
        let (record, mut records) = RingBuffer::new(512);
        let (handed, mut handed_slots) = RingBuffer::new(4);
        let timing = Timing::new(1_000_000, 250_000, Shape::Cos4).unwrap();
        let mut sending = idle(commands, record, Some(handed));
        assert!(command.push(start(Schedule::new(timing, FIRST_NS, [7; 32]), 472, false, Some(LAUNCH))).is_ok());
        sending.apply_commands();
        let mut expected = Schedule::new(timing, FIRST_NS, [7; 32]);
        let mut hand = |sending: &mut Sending, late_ns: u64| {
            let due_ns = sending.deadline_ns().unwrap();
            assert!(sending.assemble());
            let ready = sending.ready.take().unwrap();
            let launch = ready.launch;
            sending.finish(ready, due_ns + late_ns, 0);
            (due_ns, launch, handed_slots.pop().unwrap())
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
            let record = records.pop().unwrap();
            assert_eq!((record.deadline_ns, record.called_ns), (deadline_ns, handed.called_ns));
            assert_eq!((record.late_ns(), record.missed), (0, 0), "the deadline can still be kept");
            expected.advance();
        }
        let counters = Arc::clone(sending.assembler.counters());
        assert_eq!((counters.send.sent.get(), counters.send.late.get(), counters.send.missed.get()), (200, 0, 0));
        let (due_ns, ..) = hand(&mut sending, 10_000_000);
        expected.advance();
        let missed = expected.skip_passed(due_ns + 10_000_000 + LAUNCH.least_ns);
        assert_eq!((counters.send.late.get(), counters.send.missed.get()), (1, missed));
        let record = records.pop().unwrap();
        assert_eq!(u64::from(record.missed), missed);
        assert_eq!(record.late_ns(), record.called_ns + LAUNCH.least_ns - record.deadline_ns);
        assert!(command.push(SendCommand::Launch(None)).is_ok());
        sending.apply_commands();
        assert_eq!(sending.deadline_ns(), Some(expected.deadline_ns()));
        assert!(sending.assemble());
        assert_eq!(sending.ready.unwrap().launch, None);
    }
}
