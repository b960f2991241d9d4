//! A measurement, run by `npm run bench -- contents`: do cover and full slots leave at the same instants?
//!
//! The real dispatcher with a real session key. Another thread flips a coin for every slot and puts a packet that
//! fills it into the waiting queue, or doesn't. Lateness at the call and at the receiving socket (the kernel's time on
//! loopback) is sorted by what the slot held, and the two samples of each are compared by their Kolmogorov-Smirnov
//! distance. It measures, so it asserts only what noise cannot break, and runs only when asked for.

use std::env;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::outbound::{Outbound, SendingSession};
use i405_proto::schedule::{Schedule, Shape, Timing};
use i405_proto::seal::{MIN_DATAGRAM, Sealer};
use i405_random::Random;
use rtrb::{Producer, RingBuffer};

use super::run;
use crate::assembling::{Assembler, Parts};
use crate::breath::Breather;
use crate::burner::IdleTime;
use crate::clock::{monotonic_ns, realtime_ns};
use crate::command::{SendCommand, Start};
use crate::config::{PollMode, SchedFifo};
use crate::opening::throwaway;
use crate::queue::{Gate, QueueProducer, queue};
use crate::realtime::{self, Throttle};
use crate::sending::{Sending, Tally};
use crate::slots::Slots;
use crate::socket::OuterSocket;
use crate::stats::Counters;

/// UDP payload of an IP packet of 1500 bytes.
const DATAGRAM: usize = 1472;
/// An inner packet that leaves no room for another.
const INNER: usize = 1450;
const INTERVAL_NS: u64 = 1_000_000;
/// Slots before the first that counts, in which the margin settles and caches warm.
const SETTLE: usize = 2_000;

/// [`Sending`], with a note of each slot: its deadline and when it was called.
struct Noted {
    slots: Sending,
    notes: Producer<(u64, u64)>,
    begun: Arc<AtomicU64>,
}

impl Slots for Noted {
    fn apply_commands(&mut self) {
        self.slots.apply_commands();
    }
    fn stopped(&self) -> bool {
        self.slots.stopped()
    }
    fn deadline_ns(&self) -> Option<u64> {
        self.slots.deadline_ns()
    }
    fn interval_ns(&self) -> Option<u64> {
        self.slots.interval_ns()
    }
    fn assemble(&mut self) -> bool {
        self.slots.assemble()
    }
    fn warm(&self) {
        self.slots.warm();
    }
    fn dispatch(&mut self, called_ns: u64) {
        let deadline_ns = self.slots.deadline_ns().unwrap_or(0);
        self.slots.dispatch(called_ns);
        let _ = self.notes.push((deadline_ns, called_ns));
        self.begun.fetch_add(1, Ordering::Release);
    }
    fn count_throttle_stall(&self) {}
}

/// Flips the coin once a slot, right after the slot before; true: full.
fn feed(mut queue: QueueProducer, slots: usize, begun: &AtomicU64, stop: &AtomicBool) -> Vec<bool> {
    let mut packet = vec![0x5a; INNER];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(INNER as u16).to_be_bytes());
    let (mut kinds, mut coin) = (Vec::with_capacity(slots), Random::new(1405));
    while kinds.len() < slots && !stop.load(Ordering::Acquire) {
        let full = coin.chance(0.5);
        if full {
            coin.fill(&mut packet[20..28]);
            assert!(queue.push(&packet), "the slot before took what waited");
        }
        kinds.push(full);
        while (begun.load(Ordering::Acquire) as usize) < kinds.len() && !stop.load(Ordering::Acquire) {
            thread::sleep(Duration::from_micros(100));
        }
    }
    kinds
}

/// Largest distance between two empirical distribution functions.
fn kolmogorov_smirnov(one: &mut [u64], other: &mut [u64]) -> f64 {
    one.sort_unstable();
    other.sort_unstable();
    let share = |sorted: &[u64], value: u64| sorted.partition_point(|&each| each <= value) as f64 / sorted.len() as f64;
    one.iter().chain(other.iter()).map(|&value| (share(one, value) - share(other, value)).abs()).fold(0.0, f64::max)
}

fn describe(what: &str, full: &mut [u64], cover: &mut [u64]) {
    let distance = kolmogorov_smirnov(full, cover);
    let at = |sorted: &[u64], part: f64| sorted[((sorted.len() - 1) as f64 * part) as usize];
    println!(
        "{{\"measure\":\"{what}\",\"full\":{},\"cover\":{},\"ks\":{distance:.5},\"fullP50Ns\":{},\"coverP50Ns\":{},\
         \"fullP99Ns\":{},\"coverP99Ns\":{}}}",
        full.len(),
        cover.len(),
        at(full, 0.5),
        at(cover, 0.5),
        at(full, 0.99),
        at(cover, 0.99)
    );
}

#[test]
#[ignore = "a measurement of minutes: npm run bench -- contents"]
fn cover_and_full_slots() {
    let setting =
        |name: &str, default: usize| env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let slots = setting("I405_BENCH_SLOTS", 200_000) + SETTLE;
    let mode = match env::var("I405_BENCH_MODE").as_deref() {
        Ok("sleepy") => PollMode::Sleepy,
        _ => PollMode::Dozy,
    };
    let cpu = setting("I405_BENCH_CPU", 1);

    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let sink = OuterSocket::open(local, None).unwrap();
    let socket = Arc::new(OuterSocket::open(local, None).unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Arc::new(AtomicU64::new(0));
    let gate = Gate::new();
    gate.set_open(true);
    gate.set_bound(1 << 20);
    let (producer, consumer) = queue(1 << 20, gate);
    let (mut commands, taken) = RingBuffer::new(8);
    let (notes, mut noted) = RingBuffer::new(slots + 16);
    let counters = Arc::new(Counters::default());
    let assembler = Assembler::new(Parts {
        counters: Arc::clone(&counters),
        outbound: Outbound::new(throwaway().unwrap(), MIN_DATAGRAM),
        queue: consumer,
        commands: taken,
        trash: RingBuffer::new(64).0,
        stop: Arc::clone(&stop),
    });
    let records = RingBuffer::new(16).0;
    let slots_of = Sending::new(socket, assembler, Tally { records, handed: None });
    let keys = DirectionKeys { key: [1; 32], iv: [2; 12], mask: [3; 32] };
    let session = SendingSession { generation: 1, sealer: Sealer::new(Aead::Aes256Gcm, keys), announce_stamp: None };
    let start = Start {
        schedule: Schedule::new(
            Timing::new(INTERVAL_NS, 0, Shape::Cos4).unwrap(),
            monotonic_ns() + 100_000_000,
            [7; 32],
        ),
        datagram: vec![0; DATAGRAM].into_boxed_slice(),
        spares: Vec::new(),
        endpoint: sink.local_address().unwrap(),
        end_at_ns: None,
        continues: false,
        launch: None,
    };
    assert!(commands.push(SendCommand::Start(Box::new(start))).is_ok());
    assert!(commands.push(SendCommand::Session(Some(Box::new(session)))).is_ok());

    let noting = Noted { slots: slots_of, notes, begun: Arc::clone(&begun) };
    let dispatcher = thread::spawn(move || {
        realtime::set_up(SchedFifo::On, Some(cpu)).unwrap();
        run(noting, mode, None, Some(Throttle::to_keep()), Breather::new(IdleTime::new()));
    });
    let receiver = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            let mut buffer = vec![0; 2048];
            let mut arrived = Vec::with_capacity(slots);
            while arrived.len() < slots && !stop.load(Ordering::Acquire) {
                match sink.receive(&mut buffer) {
                    Ok(received) => {
                        let ago_ns = realtime_ns().saturating_sub(received.kernel_realtime_ns.unwrap_or(0));
                        arrived.push(monotonic_ns().saturating_sub(ago_ns));
                    }
                    Err(_) => thread::sleep(Duration::from_micros(500)),
                }
            }
            arrived
        })
    };
    let kinds = feed(producer, slots, &begun, &stop);
    while (begun.load(Ordering::Acquire) as usize) < slots {
        thread::sleep(Duration::from_millis(1));
    }
    let arrived = receiver.join().unwrap();
    stop.store(true, Ordering::Release);
    dispatcher.thread().unpark();
    dispatcher.join().unwrap();

    let mut samples: [[Vec<u64>; 2]; 2] = Default::default();
    for (slot, (full, arrived_ns)) in kinds.iter().zip(&arrived).enumerate() {
        let Ok((deadline_ns, called_ns)) = noted.pop() else { break };
        if slot >= SETTLE {
            samples[0][usize::from(*full)].push(called_ns.saturating_sub(deadline_ns));
            samples[1][usize::from(*full)].push(arrived_ns.saturating_sub(deadline_ns));
        }
    }
    let full = kinds.iter().filter(|&&full| full).count() as u64;
    assert!(counters.send.carrying.get() >= full.saturating_sub(1), "a slot was full where the coin said so");
    for (what, [cover, full]) in ["call", "wire"].into_iter().zip(&mut samples) {
        describe(what, full, cover);
    }
    println!("{{\"measure\":\"missed\",\"slots\":{}}}", counters.missed());
}
