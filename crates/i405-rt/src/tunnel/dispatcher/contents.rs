//! A measurement, run by `npm run bench -- contents`: do handshake, cover and full slots leave at the same instants?
//!
//! The dispatcher is the real one, with a real session key. Another thread, on another core, throws dice for every
//! slot: it puts a handshake copy into the carousel's ring, or a packet that fills the slot into the waiting queue, or
//! neither. So the kinds alternate at random, slot by slot, in one stretch, and the machine's moods meet all of them
//! alike. The counters tell what a slot held. Three figures of each slot are sorted by that: lateness at the call, the
//! time from the call to the kernel's transmit stamp, and lateness at the receiving socket (the kernel's stamp on
//! loopback). The samples are compared by their Kolmogorov-Smirnov distance; odd against even slots are the control.
//! Because it measures, it asserts only what noise cannot break, and runs only when asked for.

use std::env;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::outbound::{HandshakeCopy, Outbound, SendingSession};
use i405_proto::schedule::{Schedule, Shape, Timing};
use i405_proto::seal::{MIN_DATAGRAM, Sealer};
use i405_random::Random;
use rtrb::{Consumer, Producer, RingBuffer};

use super::run;
use crate::platform::clock::monotonic_ns;
use crate::platform::config::{PollMode, SchedFifo};
use crate::platform::foreign_clock::Realtime;
use crate::platform::kernel_spin::{self, KernelSpin};
use crate::platform::launch::Launch;
use crate::platform::random::throwaway;
use crate::platform::socket::OuterSocket;
use crate::realtime::breath::Breather;
use crate::realtime::burner::IdleTime;
use crate::realtime::timed_thread::{self, Throttle};
use crate::rings::command::{Copies, SendCommand, Start, Trash};
use crate::rings::queue::{Gate, QueueProducer, queue};
use crate::rings::stats::Counters;
use crate::send::assembling::{Assembler, Parts};
use crate::send::sending::Sending;
use crate::send::slots::Slots;
use crate::send::tally::Tally;
use i405_sys::errqueue::{Report, Timestamps};

/// UDP payload of an IP packet of 1500 bytes.
const DATAGRAM: usize = 1472;
/// An inner packet that leaves no room for another.
const INNER: usize = 1450;
const INTERVAL_NS: u64 = 1_000_000;
/// Slots before the first that counts, in which the margin settles and caches warm.
const SETTLE: usize = 2_000;
/// Slots between two looks at the clocks that stamps are in.
const CLOCK_EVERY: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Handshake,
    Cover,
    Full,
}

const KINDS: [(Kind, &str); 3] = [(Kind::Handshake, "handshake"), (Kind::Cover, "cover"), (Kind::Full, "full")];

/// A slot that was dispatched.
struct Note {
    deadline_ns: u64,
    called_ns: u64,
    kind: Kind,
}

/// [`Sending`], with a note of each slot.
struct Noted {
    slots: Sending,
    notes: Producer<Note>,
    begun: Arc<AtomicU64>,
    counters: Arc<Counters>,
}

impl Noted {
    fn held(&self) -> [u64; 2] {
        [self.counters.send.handshake.get(), self.counters.send.carrying.get()]
    }
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
    fn dispatch(&mut self, called_ns: u64) -> u64 {
        let deadline_ns = self.slots.deadline_ns().unwrap_or(0);
        let [handshakes, carrying] = self.held();
        let through_ns = self.slots.dispatch(called_ns);
        let kind = match self.held() {
            [after, _] if after > handshakes => Kind::Handshake,
            [_, after] if after > carrying => Kind::Full,
            _ => Kind::Cover,
        };
        let _ = self.notes.push(Note { deadline_ns, called_ns, kind });
        self.begun.fetch_add(1, Ordering::Release);
        through_ns
    }
    fn count_throttle_stall(&self) {}
}

/// What the feeding thread puts slots' contents into.
struct Feeding {
    queue: QueueProducer,
    copies: Producer<HandshakeCopy>,
    trash: Consumer<Trash>,
    endpoint: SocketAddr,
}

impl Feeding {
    /// Throws the dice once a slot, right after the slot before.
    fn run(mut self, slots: usize, begun: &AtomicU64, stop: &AtomicBool) {
        let mut packet = vec![0x5a; INNER];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&(INNER as u16).to_be_bytes());
        let mut dice = Random::new(1405);
        for slot in 1..=slots as u64 {
            match dice.below(3) {
                0 => {
                    let mut bytes = vec![0; DATAGRAM].into_boxed_slice();
                    dice.fill(&mut bytes);
                    let _ = self.copies.push(HandshakeCopy { endpoint: self.endpoint.into(), bytes });
                }
                1 => {
                    dice.fill(&mut packet[20..28]);
                    self.queue.push(&packet);
                }
                _ => {}
            }
            while let Ok(used) = self.trash.pop() {
                drop(used);
            }
            while begun.load(Ordering::Acquire) < slot {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                thread::sleep(Duration::from_micros(100));
            }
        }
    }
}

/// Reads both ends' stamps, CLOCK_MONOTONIC: when each slot was handed to the driver, and when it arrived.
fn read_stamps(sender: &OuterSocket, sink: &OuterSocket, slots: usize, stop: &AtomicBool) -> [Vec<u64>; 2] {
    let mut clock = Realtime::default();
    clock.update();
    let mut buffer = vec![0; 2048];
    let (mut departed, mut arrived) = (vec![0; slots], Vec::with_capacity(slots));
    let mut left = slots;
    while (left > 0 || arrived.len() < slots) && !stop.load(Ordering::Acquire) {
        let mut any = false;
        if let Ok(received) = sink.receive(&mut buffer) {
            any = true;
            arrived.push(received.kernel_realtime_ns.and_then(|at_ns| clock.to_monotonic(at_ns)).unwrap_or(0));
            if arrived.len() % CLOCK_EVERY == 0 {
                clock.update();
            }
        }
        if let Ok(report) = sender.read_report() {
            any = true;
            if let Report::Departed { id, at_ns } = report
                && let Some(place) = departed.get_mut(id as usize)
            {
                *place = clock.to_monotonic(at_ns).unwrap_or(0);
                left -= 1;
            }
        }
        if !any {
            thread::sleep(Duration::from_micros(500));
        }
    }
    [departed, arrived]
}

/// Largest distance between two empirical distribution functions of sorted samples.
fn kolmogorov_smirnov(one: &[u64], other: &[u64]) -> f64 {
    let share = |sorted: &[u64], value: u64| sorted.partition_point(|&each| each <= value) as f64 / sorted.len() as f64;
    one.iter().chain(other).map(|&value| (share(one, value) - share(other, value)).abs()).fold(0.0, f64::max)
}

fn describe(measure: &str, names: [&str; 2], samples: [&[u64]; 2]) {
    let [one, other] = samples;
    assert!(!one.is_empty() && !other.is_empty(), "{measure}: no slots of {names:?}");
    let at = |sorted: &[u64], part: f64| sorted[((sorted.len() - 1) as f64 * part) as usize];
    println!(
        "{{\"measure\":\"{measure}\",\"compared\":\"{} - {}\",\"slots\":{},\"slotsOther\":{},\"ks\":{:.5},\
         \"p50Ns\":{},\"p50NsOther\":{},\"p99Ns\":{},\"p99NsOther\":{}}}",
        names[0],
        names[1],
        one.len(),
        other.len(),
        kolmogorov_smirnov(one, other),
        at(one, 0.5),
        at(other, 0.5),
        at(one, 0.99),
        at(other, 0.99)
    );
}

/// Compares the kinds, and odd with even slots, by what `value` says of a slot.
fn compare(measure: &str, notes: &[Note], value: impl Fn(usize) -> Option<u64>) {
    let sorted = |wanted: &dyn Fn(usize) -> bool| {
        let slots = (SETTLE..notes.len()).filter(|&slot| wanted(slot));
        let mut values: Vec<u64> = slots.filter_map(&value).collect();
        values.sort_unstable();
        values
    };
    let [handshake, cover, full] = KINDS.map(|(kind, _)| sorted(&|slot| notes[slot].kind == kind));
    describe(measure, ["handshake", "cover"], [&handshake, &cover]);
    describe(measure, ["handshake", "full"], [&handshake, &full]);
    describe(measure, ["cover", "full"], [&cover, &full]);
    describe(measure, ["odd", "even"], [&sorted(&|slot| slot % 2 == 1), &sorted(&|slot| slot % 2 == 0)]);
}

fn setting(name: &str, default: usize) -> usize {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
#[ignore = "a measurement of minutes: npm run bench -- contents"]
fn handshake_cover_and_full_slots() {
    let slots = setting("I405_BENCH_SLOTS", 300_000) + SETTLE;
    let mode = match env::var("I405_BENCH_MODE").as_deref() {
        Ok("sleepy") => PollMode::Sleepy,
        _ => PollMode::Dozy,
    };
    let (cpu, feeding_cpu) = (setting("I405_BENCH_CPU", 1), setting("I405_BENCH_FEEDING_CPU", 0));

    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let sink = OuterSocket::open(local, None).unwrap();
    let endpoint = sink.local_address().unwrap();
    let socket = Arc::new(OuterSocket::open(local, None).unwrap());
    socket.report_departures(Timestamps::Software).unwrap();
    // Attached as long as this is there.
    let spin = (env::var("I405_BENCH_SEND_BY").as_deref() == Ok("kernel")).then(|| {
        let spin = KernelSpin::load(&socket, None).unwrap();
        spin.attach_towards(endpoint).unwrap();
        socket.launch_by(kernel_spin::CLOCK).unwrap();
        spin
    });
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Arc::new(AtomicU64::new(0));
    let gate = Gate::new();
    gate.set_open(true);
    gate.set_bound(1 << 20);
    let (producer, consumer) = queue(1 << 20, gate);
    let (mut commands, taken) = RingBuffer::new(8);
    let (notes, mut noted) = RingBuffer::new(slots + 16);
    let (trash, used) = RingBuffer::new(64);
    let (copies, ring) = RingBuffer::new(64);
    let counters = Arc::new(Counters::default());
    let assembler = Assembler::new(Parts {
        counters: Arc::clone(&counters),
        outbound: Outbound::new(throwaway().unwrap(), MIN_DATAGRAM),
        queue: consumer,
        commands: taken,
        trash,
        stop: Arc::clone(&stop),
    });
    let tally = Tally { records: RingBuffer::new(16).0 };
    let sending = Sending::new(Arc::clone(&socket), assembler, tally);
    let keys = DirectionKeys { key: [1; 32], iv: [2; 12], mask: [3; 32] };
    let session = SendingSession { generation: 1, sealer: Sealer::new(Aead::Aes256Gcm, keys), announce_stamp: None };
    let timing = Timing::new(INTERVAL_NS, 0, Shape::Cos4).unwrap();
    let buffer = || vec![0; DATAGRAM].into_boxed_slice();
    let start = Start {
        schedule: Schedule::new(timing, monotonic_ns() + 100_000_000, [7; 32]),
        buffers: [buffer(), buffer()],
        spares: Vec::new(),
        endpoint: endpoint.into(),
        end_at_ns: None,
        continues: false,
        launch: spin.as_ref().map(|_| Launch::by_kernel(mode, INTERVAL_NS)),
    };
    for command in [
        SendCommand::Start(Box::new(start)),
        SendCommand::Session(Some(Box::new(session))),
        // Every slot takes a copy where there is one.
        SendCommand::Carousel(Some(Box::new(Copies { ring, every: 1 }))),
    ] {
        assert!(commands.push(command).is_ok());
    }

    let noting = Noted { slots: sending, notes, begun: Arc::clone(&begun), counters: Arc::clone(&counters) };
    let dispatcher = thread::spawn(move || {
        timed_thread::set_up(SchedFifo::On, Some(cpu)).unwrap();
        run(noting, mode, None, Some(Throttle::to_keep()), Breather::new(IdleTime::new()));
    });
    let stamps = {
        let (stop, socket) = (Arc::clone(&stop), Arc::clone(&socket));
        thread::spawn(move || read_stamps(&socket, &sink, slots, &stop))
    };
    let feeding = {
        let (stop, begun) = (Arc::clone(&stop), Arc::clone(&begun));
        let feeding = Feeding { queue: producer, copies, trash: used, endpoint };
        thread::spawn(move || {
            timed_thread::set_up(SchedFifo::Off, Some(feeding_cpu)).unwrap();
            feeding.run(slots, &begun, &stop);
        })
    };
    feeding.join().unwrap();
    while begun.load(Ordering::Acquire) < slots as u64 {
        thread::sleep(Duration::from_millis(1));
    }
    let [departed, arrived] = stamps.join().unwrap();
    stop.store(true, Ordering::Release);
    dispatcher.thread().unpark();
    dispatcher.join().unwrap();

    let notes: Vec<Note> = std::iter::from_fn(|| noted.pop().ok()).take(slots).collect();
    assert_eq!(notes.len(), slots);
    let between = |from_ns: u64, to_ns: u64| (to_ns != 0).then(|| to_ns.saturating_sub(from_ns));
    compare("call", &notes, |slot| between(notes[slot].deadline_ns, notes[slot].called_ns));
    compare("call to stamp", &notes, |slot| between(notes[slot].called_ns, departed[slot]));
    compare("wire", &notes, |slot| between(notes[slot].deadline_ns, arrived[slot]));
    println!("{{\"measure\":\"missed\",\"slots\":{}}}", counters.missed());
    if let Some(spin) = spin {
        println!("{{\"measure\":\"held by the kernel\",\"slots\":{}}}", spin.held());
    }
}
