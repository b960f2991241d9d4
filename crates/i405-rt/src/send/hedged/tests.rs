//! Two dispatchers that a test moves by hand, in simulated time, over a real socket.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use i405_proto::outbound::{NO_SESSION, Outbound};
use i405_proto::schedule::{Shape, Timing};
use i405_proto::seal::MIN_DATAGRAM;
use rtrb::{Consumer, Producer, RingBuffer};

use super::*;
use crate::platform::random::throwaway;
use crate::platform::socket::OuterSocket;
use crate::rings::command::{SendCommand, Start};
use crate::rings::queue::{Gate, queue};
use crate::rings::record::SlotRecord;
use crate::rings::stats::Counters;
use crate::send::assembling::{Assembler, Parts};

const LENGTH: usize = 200;
const INTERVAL_NS: u64 = 1_000_000;
const FIRST_NS: u64 = 1_000_000_000;

/// Two dispatchers that a test moves by hand, and the peer that receives what they send.
struct Pair {
    hedge: Arc<Hedge>,
    slots: [HedgedSlots; 2],
    commands: Producer<SendCommand>,
    peer: UdpSocket,
    records: [Consumer<SlotRecord>; 2],
}

impl Pair {
    fn new() -> Self {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let peer = UdpSocket::bind(local).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let socket = Arc::new(OuterSocket::open(local, None).unwrap());
        let (commands, taken) = RingBuffer::new(8);
        let assembler = Assembler::new(Parts {
            counters: Arc::new(Counters::default()),
            outbound: Outbound::new(throwaway().unwrap(), MIN_DATAGRAM),
            queue: queue(0, Gate::new()).1,
            commands: taken,
            trash: RingBuffer::new(64).0,
            stop: Arc::new(AtomicBool::new(false)),
        });
        let hedge = Hedge::new(socket, assembler);
        let (first, first_records) = RingBuffer::new(1024);
        let (second, second_records) = RingBuffer::new(1024);
        let one = |which, records| {
            let emergency = Emergency::new(throwaway().unwrap(), 1500);
            HedgedSlots::new(Arc::clone(&hedge), which, Tally { records }, emergency)
        };
        let slots = [one(0, first), one(1, second)];
        Pair { hedge, slots, commands, peer, records: [first_records, second_records] }
    }

    fn start(&mut self, first_ns: u64, length: usize) {
        self.start_as(first_ns, length, false);
    }

    fn start_as(&mut self, first_ns: u64, length: usize, continues: bool) {
        let timing = Timing::new(INTERVAL_NS, 0, Shape::Cos4).unwrap();
        let buffer = || vec![0; length].into_boxed_slice();
        let start = Start {
            schedule: Schedule::new(timing, first_ns, [1; 32]),
            buffers: [buffer(), buffer()],
            spares: std::iter::repeat_with(buffer).take(Hedge::SPARES).collect(),
            endpoint: self.peer.local_addr().unwrap().into(),
            end_at_ns: None,
            continues,
            launch: None,
        };
        assert!(self.commands.push(SendCommand::Start(Box::new(start))).is_ok());
    }

    /// As the dispatcher's loop has it, at simulated instants.
    fn turn(&mut self, which: usize, called_ns: u64) {
        let slots = &mut self.slots[which];
        slots.hedge.tend(0);
        slots.follow();
        assert!(slots.assemble());
        slots.dispatch(called_ns);
    }

    fn received(&self) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let length = self.peer.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    /// Deadlines of the records so far, with what was missed beside each.
    fn recorded(&mut self) -> Vec<(u64, u32)> {
        let mut all = Vec::new();
        for records in &mut self.records {
            while let Ok(record) = records.pop() {
                assert_eq!(record.under.generation, NO_SESSION);
                all.push((record.deadline_ns, record.missed));
            }
        }
        all.sort_unstable();
        all
    }

    fn sent(&self) -> u64 {
        self.hedge.counters.dispatched(|each| &each.sent)
    }
}

#[test]
fn the_one_that_comes_second_sends_nothing() {
    let mut pair = Pair::new();
    pair.start(FIRST_NS, LENGTH);
    pair.turn(0, FIRST_NS);
    pair.slots[1].follow();
    for slot in 1..20 {
        let due_ns = FIRST_NS + slot * INTERVAL_NS;
        assert_eq!(pair.slots[1].deadline_ns(), Some(due_ns + SECOND_WAITS_NS));
        let (one, other) = if slot % 3 == 0 { (1, 0) } else { (0, 1) };
        // Both were ready for the slot before either was called.
        for slots in &mut pair.slots {
            slots.follow();
            slots.assemble();
        }
        pair.slots[one].dispatch(due_ns);
        pair.slots[other].dispatch(due_ns + 100);
        pair.slots.iter_mut().for_each(HedgedSlots::follow);
    }
    assert_eq!((pair.sent(), pair.hedge.counters.missed()), (20, 0));
    assert_eq!(pair.hedge.counters.hedge.sent.get(), 6);
    assert_eq!(pair.recorded(), (0..20).map(|slot| (FIRST_NS + slot * INTERVAL_NS, 0)).collect::<Vec<_>>());
    let mut all: Vec<_> = (0..20).map(|_| pair.received()).collect();
    assert!(all.iter().all(|datagram| datagram.len() == LENGTH));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 20, "no datagram twice");
}

#[test]
fn a_dispatcher_that_is_stopped_while_it_builds_delays_no_slot() {
    let mut pair = Pair::new();
    pair.start(FIRST_NS, LENGTH);
    pair.turn(0, FIRST_NS);
    pair.received();
    let hedge = Arc::clone(&pair.hedge);
    let stopped = hedge.work.try_lock().unwrap();
    for slot in 1..50 {
        pair.turn(1, FIRST_NS + slot * INTERVAL_NS);
        assert_eq!(pair.received().len(), LENGTH);
    }
    drop(stopped);
    assert_eq!(hedge.counters.hedge.emergency.get(), 49);
    pair.turn(1, FIRST_NS + 50 * INTERVAL_NS);
    assert_eq!(hedge.counters.hedge.emergency.get(), 49, "built again");
    // The first one comes back late and finds its slot taken.
    pair.slots[0].dispatch(FIRST_NS + 50 * INTERVAL_NS);
    assert_eq!((pair.sent(), hedge.counters.missed()), (51, 0));
}

#[test]
fn slots_that_both_slept_through_are_missed_and_one_is_sent_late() {
    let mut pair = Pair::new();
    pair.start(FIRST_NS, LENGTH);
    pair.turn(0, FIRST_NS);
    pair.turn(1, FIRST_NS + 5 * INTERVAL_NS + 1);
    assert_eq!((pair.sent(), pair.hedge.counters.missed()), (2, 4));
    pair.turn(0, FIRST_NS + 6 * INTERVAL_NS);
    assert_eq!((pair.sent(), pair.hedge.counters.missed()), (3, 4));
    assert_eq!(pair.recorded().iter().map(|(_, missed)| missed).collect::<Vec<_>>(), [&0, &4, &0]);
}

#[test]
fn the_next_schedule_has_its_own_length_from_its_first_slot_on() {
    let mut pair = Pair::new();
    pair.start(FIRST_NS, LENGTH);
    pair.turn(0, FIRST_NS);
    assert_eq!(pair.received().len(), LENGTH);
    assert!(pair.slots[1].assemble() || pair.slots[1].place.is_none());
    let second_ns = FIRST_NS + INTERVAL_NS;
    pair.start(second_ns, LENGTH + 100);
    for slot in 0..5 {
        pair.turn(slot as usize % 2, second_ns + slot * INTERVAL_NS);
        assert_eq!(pair.received().len(), LENGTH + 100);
    }
    assert!(pair.commands.push(SendCommand::EndAt(Some(0))).is_ok());
    pair.hedge.tend(0);
    pair.slots.iter_mut().for_each(HedgedSlots::follow);
    assert!(pair.slots.iter().all(|slots| slots.deadline_ns().is_none()));
    assert_eq!(pair.hedge.counters.send.schedules_ended.get(), 1);
}

#[test]
fn a_redirected_schedule_has_another_length_at_the_next_of_the_same_deadlines() {
    let mut pair = Pair::new();
    pair.start(FIRST_NS, LENGTH);
    for slot in 0..40 {
        if slot % 10 == 5 {
            // What it was made with counts for nothing: the schedule that runs goes on.
            pair.start_as(1, LENGTH + slot as usize, true);
        }
        let due_ns = FIRST_NS + slot * INTERVAL_NS;
        pair.turn(slot as usize % 2, due_ns);
        let length = if slot < 5 { LENGTH } else { LENGTH + (slot as usize - 5) / 10 * 10 + 5 };
        assert_eq!(pair.received().len(), length);
        pair.slots.iter_mut().for_each(HedgedSlots::follow);
        assert_eq!(pair.slots[0].deadline_ns(), Some(due_ns + INTERVAL_NS));
    }
    assert_eq!((pair.sent(), pair.hedge.counters.missed()), (40, 0));
}

#[test]
fn who_claimed_a_slot_of_the_schedule_before_sends_nothing_of_the_next() {
    let mut pair = Pair::new();
    pair.start(FIRST_NS, LENGTH);
    pair.turn(0, FIRST_NS);
    assert_eq!(pair.received().len(), LENGTH);
    let hedge = Arc::clone(&pair.hedge);
    let before = hedge.claims.position();
    hedge.build();
    // The second one is stopped between its claim and its send.
    assert_eq!(hedge.claims.claim(before.epoch, before.next), Some(before.next));
    pair.start(FIRST_NS, LENGTH + 100);
    hedge.tend(0);
    assert_eq!(hedge.claims.position().epoch, before.epoch + 1);
    hedge.build();
    assert!(hedge.send_ready(before.epoch).is_none());
    assert!(hedge.send_ready(before.epoch + 1).is_some_and(|sent| sent.1 == 0));
    assert_eq!(pair.received().len(), LENGTH + 100);
}
