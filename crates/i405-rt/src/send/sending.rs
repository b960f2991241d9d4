//! The slots of a dispatcher that is alone.

use std::sync::Arc;

use i405_proto::outbound::Slot;

use crate::platform::clock::monotonic_ns;
use crate::platform::launch::{Holder, Launch};
use crate::platform::socket::OuterSocket;
use crate::rings::record::Fate;
use crate::send::assembling::{Assembler, Running};
use crate::send::slots::Slots;
use crate::send::tally::{Outcome, Tally};
use crate::send::transmit::transmit;
use i405_sys::own_address::Destination;

/// A slot that waits for its deadline, and what the kernel needs beside its bytes.
struct Ready {
    slot: Slot,
    to: Destination,
    /// With its deadline, where the kernel is told it.
    launch: Option<(Launch, u64)>,
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
    fn finish(&mut self, slot: Slot, called_ns: u64, errno: i32) -> u64 {
        let Some(running) = self.assembler.running_mut() else { return called_ns };
        let deadline_ns = running.schedule.deadline_ns();
        let through_ns = match running.launch {
            // The call has lasted until the driver had it.
            Some(Launch { holder: Holder::Kernel, .. }) => monotonic_ns(),
            _ => called_ns,
        };
        // With launch times a slot is in time if its own can still be kept.
        let least_ns = through_ns - called_ns + running.launch.map_or(0, |launch| launch.least_ns);
        let fate = match running.launch {
            _ if errno != 0 => Fate::Refused,
            None => Fate::Called,
            Some(Launch { holder: Holder::Kernel, .. }) => Fate::Held,
            Some(launch) if launch.is_telling(deadline_ns, called_ns) => Fate::Launched,
            Some(_) => Fate::LaunchedLate,
        };
        running.schedule.advance();
        let outcome = Outcome {
            slot,
            called_ns,
            deadline_ns,
            least_ns,
            fate,
            missed: running.schedule.skip_passed(called_ns + least_ns),
            errno,
        };
        self.tally.count(&self.assembler.counters().send, &outcome);
        through_ns
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
        let Some(slot) = self.assembler.build() else { return false };
        let to = self.socket.destination(slot.endpoint);
        let launch = self.running().and_then(|running| Some((running.launch?, running.schedule.deadline_ns())));
        self.ready = Some(Ready { slot, to, launch });
        true
    }

    fn warm(&self) {
        if let Some(ready) = &self.ready {
            self.socket.probe(&ready.to);
        }
    }

    #[inline]
    fn dispatch(&mut self, called_ns: u64) -> u64 {
        let Some(ready) = &self.ready else { return called_ns };
        let launch_ns = ready.launch.map(|(launch, deadline_ns)| launch.launch_ns(deadline_ns, called_ns));
        let errno = transmit(&self.socket, self.assembler.datagram(), &ready.to, launch_ns);
        let slot = ready.slot;
        self.ready = None;
        self.finish(slot, called_ns, errno)
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
    use rtrb::{Consumer, Producer, RingBuffer};

    use super::*;
    use crate::platform::random::throwaway;
    use crate::rings::command::{SendCommand, Start};
    use crate::rings::queue::{Gate, queue};
    use crate::rings::record::SlotRecord;
    use crate::send::assembling::Parts;
    use i405_sys::txtime::LaunchClock;

    const LAUNCH: Launch = Launch {
        clock: LaunchClock::Monotonic,
        least_ns: 100_000,
        early_ns: 0,
        spare_ns: 500_000,
        holder: Holder::Discipline,
    };
    const FIRST_NS: u64 = 1_000_000_000;

    fn idle(commands: Consumer<SendCommand>, records: Producer<SlotRecord>) -> Sending {
        let socket = Arc::new(OuterSocket::open("127.0.0.1:0".parse().unwrap(), None).unwrap());
        let assembler = Assembler::new(Parts {
            counters: Arc::default(),
            outbound: Outbound::new(throwaway().unwrap(), MIN_DATAGRAM),
            queue: queue(0, Gate::new()).1,
            commands,
            trash: RingBuffer::new(16).0,
            stop: Arc::default(),
        });
        Sending::new(socket, assembler, Tally { records })
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
        let mut sending = idle(commands, RingBuffer::new(512).0);
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
        let mut sending = idle(commands, RingBuffer::new(512).0);
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
        let timing = Timing::new(1_000_000, 250_000, Shape::Cos4).unwrap();
        let mut sending = idle(commands, record);
        assert!(command.push(start(Schedule::new(timing, FIRST_NS, [7; 32]), 472, false, Some(LAUNCH))).is_ok());
        sending.apply_commands();
        let mut expected = Schedule::new(timing, FIRST_NS, [7; 32]);
        let mut hand = |sending: &mut Sending, late_ns: u64| {
            let due_ns = sending.deadline_ns().unwrap();
            assert!(sending.assemble());
            let ready = sending.ready.take().unwrap();
            sending.finish(ready.slot, due_ns + late_ns, 0);
            (due_ns, ready.launch, records.pop().unwrap())
        };
        for slot in 0..200 {
            let deadline_ns = expected.deadline_ns();
            // Up to the whole lead, waking late changes nothing.
            let (due_ns, launch, record) = hand(&mut sending, slot * 2_500);
            assert_eq!(due_ns + LAUNCH.lead_ns(), deadline_ns);
            assert_eq!(launch, Some((LAUNCH, deadline_ns)));
            assert_eq!(launch.unwrap().0.launch_ns(deadline_ns, record.called_ns), deadline_ns);
            let fate = if slot * 2_500 <= 100_000 { Fate::Launched } else { Fate::LaunchedLate };
            assert_eq!((record.deadline_ns, record.fate), (deadline_ns, fate));
            assert_eq!((record.late_ns(), record.missed), (0, 0), "the deadline can still be kept");
            expected.advance();
        }
        let counters = Arc::clone(sending.assembler.counters());
        assert_eq!((counters.send.sent.get(), counters.send.late.get(), counters.send.missed.get()), (200, 0, 0));
        let (due_ns, _, record) = hand(&mut sending, 10_000_000);
        expected.advance();
        let missed = expected.skip_passed(due_ns + 10_000_000 + LAUNCH.least_ns);
        assert_eq!((counters.send.late.get(), counters.send.missed.get()), (1, missed));
        assert_eq!(u64::from(record.missed), missed);
        assert_eq!(record.late_ns(), record.called_ns + LAUNCH.least_ns - record.deadline_ns);
        assert!(command.push(SendCommand::Launch(None)).is_ok());
        sending.apply_commands();
        assert_eq!(sending.deadline_ns(), Some(expected.deadline_ns()));
        assert!(sending.assemble());
        assert_eq!(sending.ready.unwrap().launch, None);
    }
}
