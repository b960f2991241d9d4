//! A thread on which tunnels run in virtual time, for tests: its clocks, its randomness and its wire are a simulation's.
//!
//! Between [`begin`] and [`end`], whatever this thread opens with [`crate::Tunnel::open`] gets no threads of its own.
//! Its halves come out of [`take_opened`] and are moved step by step: the code that runs is the real one, from the
//! commands of [`crate::Tunnel`] to the system calls, which go to [`send`] and [`receive`] here. Other threads, and all of a
//! build without the feature, know nothing of this.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};
use rtrb::Consumer;

use crate::packet_ring;
use crate::receiving::Receiving;
use crate::reporter::{Reporter, Seen};
use crate::shared::{Shared, lock};
use crate::slots::Slots;
use crate::stats::Counters;
use crate::sys::own_address::Destination;
use crate::sys::socket::Received;
use crate::threads::{Dispatch, Work};

/// What the clocks of a simulated host show, ns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clocks {
    /// CLOCK_MONOTONIC.
    pub monotonic_ns: u64,
    /// CLOCK_BOOTTIME.
    pub boottime_ns: u64,
    /// CLOCK_REALTIME.
    pub realtime_ns: u64,
}

/// A datagram that was handed to the wire.
pub struct Sent {
    /// Where to.
    pub to: SocketAddr,
    /// The UDP payload.
    pub datagram: Vec<u8>,
}

/// What waits at the simulated socket.
struct Waiting {
    source: SocketAddr,
    datagram: Vec<u8>,
    received_realtime_ns: u64,
}

/// Everything of a thread that is simulated but its clocks.
struct Stage {
    random: ChaCha12Rng,
    sent: Vec<Sent>,
    waiting: Option<Waiting>,
    opened: VecDeque<Unmanned>,
}

thread_local! {
    static NOW: Cell<Option<Clocks>> = const { Cell::new(None) };
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

/// From here on this thread is simulated; everything random follows from the seed.
pub fn begin(seed: [u8; 32]) {
    NOW.set(Some(Clocks::default()));
    let random = ChaCha12Rng::from_seed(seed);
    let stage = Stage { random, sent: Vec::new(), waiting: None, opened: VecDeque::new() };
    STAGE.with_borrow_mut(|place| *place = Some(stage));
}

/// The thread is as before.
pub fn end() {
    NOW.set(None);
    let stage = STAGE.with_borrow_mut(Option::take);
    drop(stage);
}

/// What the clocks show from here on: those of the host that is about to be moved.
pub fn set_clocks(clocks: Clocks) {
    NOW.set(Some(clocks));
}

/// The clocks of a simulated thread; None on every other.
#[inline]
pub fn now() -> Option<Clocks> {
    NOW.get()
}

/// The oldest tunnel that this thread opened and nobody has taken yet.
pub fn take_opened() -> Option<Unmanned> {
    STAGE.with_borrow_mut(|stage| stage.as_mut()?.opened.pop_front())
}

/// What was handed to the wire since the last call, moved behind what `into` holds.
pub fn take_sent(into: &mut Vec<Sent>) {
    STAGE.with_borrow_mut(|stage| {
        if let Some(stage) = stage {
            into.append(&mut stage.sent);
        }
    });
}

/// Random bytes of the simulation. False: this thread isn't simulated.
pub(crate) fn fill_random(bytes: &mut [u8]) -> bool {
    STAGE.with_borrow_mut(|stage| {
        let Some(stage) = stage else { return false };
        stage.random.fill_bytes(bytes);
        true
    })
}

/// A send of this thread; None: to the real socket.
pub(crate) fn send(datagram: &[u8], to: &Destination) -> Option<io::Result<usize>> {
    NOW.get()?;
    STAGE.with_borrow_mut(|stage| {
        let to = to.as_socket()?;
        stage.as_mut()?.sent.push(Sent { to, datagram: datagram.to_vec() });
        Some(Ok(datagram.len()))
    })
}

/// A receive of this thread; None: from the real socket.
pub(crate) fn receive(buffer: &mut [u8]) -> Option<io::Result<Received>> {
    NOW.get()?;
    STAGE.with_borrow_mut(|stage| {
        let Some(Waiting { source, datagram, received_realtime_ns }) = stage.as_mut()?.waiting.take() else {
            return Some(Err(io::ErrorKind::WouldBlock.into()));
        };
        // As the kernel does it: what doesn't fit is cut off.
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Some(Ok(Received { length, source, local: None, kernel_realtime_ns: Some(received_realtime_ns) }))
    })
}

/// Takes the work away from the threads that would do it, on a simulated thread.
pub(crate) fn withhold(work: Work) -> (Option<Work>, Option<Work>) {
    if NOW.get().is_some() { (Some(work), None) } else { (None, Some(work)) }
}

/// Keeps what was withheld, and its reporter, for [`take_opened`]. Some: there is a thread for it.
pub(crate) fn keep(work: Option<Work>, shared: &Arc<Shared>, mut reporter: Reporter) -> Option<Reporter> {
    let Some(work) = work else { return Some(reporter) };
    let slots: Vec<Box<dyn Slots>> = match work.sending {
        Dispatch::Alone(slots) => vec![slots],
        Dispatch::Hedged(both) => both.into_iter().map(|slots| Box::new(slots) as Box<dyn Slots>).collect(),
    };
    let packets = reporter.packets.take();
    let unmanned = Unmanned {
        shared: Arc::clone(shared),
        slots,
        receiving: work.receiving,
        reporter,
        seen: Seen::default(),
        packets,
    };
    STAGE.with_borrow_mut(|stage| {
        if let Some(stage) = stage {
            stage.opened.push_back(unmanned);
        }
    });
    None
}

/// A tunnel without threads: whoever holds it does what they would do. [`set_clocks`] comes first, each time.
pub struct Unmanned {
    shared: Arc<Shared>,
    /// One for each dispatcher.
    slots: Vec<Box<dyn Slots>>,
    receiving: Receiving,
    reporter: Reporter,
    seen: Seen,
    packets: Option<Consumer<u8>>,
}

impl Unmanned {
    /// The receiver is woken: it carries out what the control side wants.
    pub fn wake_receiver(&mut self) {
        self.receiving.apply_commands();
    }

    /// A dispatcher is released, or unparked: it carries out what the control side wants.
    pub fn release(&mut self, dispatcher: usize) {
        self.slots[dispatcher].apply_commands();
    }

    /// Number of dispatchers.
    pub fn dispatchers(&self) -> usize {
        self.slots.len()
    }

    /// When a dispatcher sends its next slot, CLOCK_MONOTONIC; None while no schedule runs.
    pub fn deadline_ns(&self, dispatcher: usize) -> Option<u64> {
        self.slots[dispatcher].deadline_ns()
    }

    /// A dispatcher makes its next slot ready. False: there is none.
    pub fn assemble(&mut self, dispatcher: usize) -> bool {
        self.slots[dispatcher].assemble()
    }

    /// A dispatcher at its deadline, or after it: sends what it has made ready.
    pub fn dispatch(&mut self, dispatcher: usize, called_ns: u64) {
        self.slots[dispatcher].dispatch(called_ns);
    }

    /// A datagram comes to the socket and is received. `received_realtime_ns`: when the kernel had it, CLOCK_REALTIME.
    pub fn receive(&mut self, source: SocketAddr, datagram: Vec<u8>, received_realtime_ns: u64) {
        STAGE.with_borrow_mut(|stage| {
            if let Some(stage) = stage {
                stage.waiting = Some(Waiting { source, datagram, received_realtime_ns });
            }
        });
        self.receiving.apply_commands();
        self.receiving.turn();
    }

    /// When [`Self::on_timer`] is due, CLOCK_MONOTONIC.
    pub fn timer_ns(&self) -> Option<u64> {
        self.receiving.timer_ns()
    }

    /// The receiver's timer.
    pub fn on_timer(&mut self, now_ns: u64) {
        self.receiving.on_timer(now_ns);
    }

    /// One period of the reporter. Events go to the sink that the tunnel was opened with.
    pub fn report(&mut self) {
        self.reporter.period(&mut self.seen);
    }

    /// The next inner packet for the program into `into`. False: there is none.
    pub fn pop_packet(&mut self, into: &mut Vec<u8>) -> bool {
        let Some(packets) = &mut self.packets else { return false };
        let Some(length) = packet_ring::pop_length(packets) else { return false };
        into.resize(length, 0);
        packets.pop_entire_slice(into).is_ok()
    }

    /// An inner packet from the program. False: it was not taken.
    pub fn write(&self, packet: &[u8]) -> bool {
        lock(&self.shared.packets_in).as_mut().is_some_and(|queue| queue.push(packet))
    }

    /// The tunnel's counters.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }
}
