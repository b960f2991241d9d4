//! A thread on which tunnels run in virtual time, for tests. Clocks, randomness and wire are a simulation's there.
//!
//! Between [`begin`] and [`end`], whatever this thread opens with [`crate::Tunnel::open`] gets no threads of its own.
//! [`take_opened`] yields its halves, which the simulation moves step by step. The code that runs is the real one, from
//! the commands of [`crate::Tunnel`] to the system calls, which go to the simulation. Other threads, and a build
//! without the feature, know nothing of this.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use rtrb::Consumer;

use crate::platform::lock::lock;
use crate::platform::simulated;
pub use crate::platform::simulated::{Clocks, Sent, Simulated, header_overhead, now, set_clocks, set_route, take_sent};
use crate::receive::receiving::Receiving;
use crate::report::reporter::{Reporter, Seen};
use crate::report::shared::Shared;
use crate::rings::packet_ring;
use crate::rings::stats::Counters;
use crate::send::slots::Slots;
use crate::tunnel::threads::{Dispatch, Work};

thread_local! {
    static OPENED: RefCell<VecDeque<Unmanned>> = const { RefCell::new(VecDeque::new()) };
}

/// From here on this thread is simulated; everything random follows from the seed.
pub fn begin(seed: [u8; 32]) {
    // Of a run that broke off.
    drop(OPENED.take());
    simulated::begin(seed);
}

/// The thread is as before. What it opened and nobody took is gone.
pub fn end() {
    let opened = OPENED.take();
    drop(opened);
    simulated::end();
}

/// The oldest tunnel that this thread opened and nobody has taken yet.
pub fn take_opened() -> Option<Unmanned> {
    OPENED.with_borrow_mut(VecDeque::pop_front)
}

/// Takes the work away from the threads that would do it, on a simulated thread.
pub(crate) fn withhold(work: Work) -> (Option<Work>, Option<Work>) {
    if now().is_some() { (Some(work), None) } else { (None, Some(work)) }
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
    OPENED.with_borrow_mut(|opened| opened.push_back(unmanned));
    None
}

/// A tunnel without threads: whoever holds it does what they would do. [`set_clocks`] and [`set_route`]
/// come first, each time.
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
        self.receiving.apply_commands(&Simulated);
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
        simulated::arrive(source, datagram, received_realtime_ns);
        self.receiving.apply_commands(&Simulated);
        self.receiving.turn(&Simulated);
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
        self.reporter.period(&Simulated, &mut self.seen);
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
