//! What two dispatchers share (hedged dispatch). A hypervisor, or a program of higher priority, may take one of their
//! cores away for 100 ms and more; the other one then sends every slot in time.
//!
//! Whoever is first at a release builds the slot into a cell. Whoever is first at its deadline claims the slot and
//! sends what is ready. A dispatcher that is stopped while it builds holds what slots are built from, and nobody waits
//! for it. Until it comes back, the other one sends cover datagrams under a throwaway key of its own, sealed
//! beforehand. So a stolen core costs contents at most, as a slow event loop does. [`i405_proto::hedge`] has the two
//! atomic parts.
//!
//! The mutexes here are only ever tried, never waited for.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use i405_proto::endpoint::Endpoint;
use i405_proto::hedge::{Cells, Claims, Position};
use i405_proto::outbound::Slot;
use i405_proto::schedule::Schedule;

use crate::platform::socket::OuterSocket;
use crate::rings::stats::Counters;
use crate::send::assembling::Assembler;
use crate::send::transmit::transmit;
use i405_sys::own_address::Destination;

/// How many dispatchers hedge a slot.
pub const DISPATCHERS: usize = 2;
/// A stall of more than so many intervals isn't walked through slot by slot: `Schedule::skip_passed` jumps.
pub const MOST_WALKED: u64 = 100_000;

/// A cell: a slot, where it goes, and its bytes.
#[derive(Default)]
struct Ready {
    slot: Option<(Slot, Destination)>,
    datagram: Box<[u8]>,
}

/// The schedule as both dispatchers walk through it, each on its own copy.
pub struct Plan {
    pub(crate) epoch: u16,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) length: usize,
}

/// What the assembler is at: its own schedule stands at slot `next` of `epoch`.
pub struct Work {
    assembler: Assembler,
    at: Position,
    /// The plan changed while the other dispatcher was copying it.
    unpublished: bool,
}

/// What two dispatchers share.
pub struct Hedge {
    pub(crate) claims: Claims,
    cells: Cells<Ready>,
    pub(crate) work: Mutex<Work>,
    plan: Mutex<Plan>,
    /// Rises with every change of the plan.
    version: AtomicU32,
    pub(crate) socket: Arc<OuterSocket>,
    pub(crate) counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
}

fn attempt<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    // A poisoned one was left by a panic, which ends the tunnel.
    mutex.try_lock().ok()
}

impl Hedge {
    /// Before the first schedule.
    pub fn new(socket: Arc<OuterSocket>, assembler: Assembler) -> Arc<Self> {
        let claims = Claims::new();
        let at = claims.position();
        Arc::new(Hedge {
            cells: Cells::for_dispatchers(DISPATCHERS, Ready::default),
            plan: Mutex::new(Plan { epoch: at.epoch, schedule: None, endpoint: None, length: 0 }),
            version: AtomicU32::new(0),
            socket,
            counters: Arc::clone(assembler.counters()),
            stop: Arc::clone(assembler.stop()),
            work: Mutex::new(Work { assembler, at, unpublished: false }),
            claims,
        })
    }

    /// Buffers that a schedule needs beside the one that is built in: one for each cell.
    pub const SPARES: usize = DISPATCHERS + 2;

    /// Carries out commands, if nobody else is at it.
    pub fn tend(&self, now_ns: u64) {
        let Some(mut work) = attempt(&self.work) else { return };
        let work = &mut *work;
        self.catch_up(work, now_ns);
        let before = work.assembler.running().map(|running| running.endpoint);
        let at = work.at;
        let mut begun = false;
        work.assembler.apply_commands(|_| {
            begun = self.claims.begin_epoch(at);
            begun
        });
        if begun {
            self.enter_epoch(work);
        }
        work.unpublished |= begun || work.assembler.running().map(|running| running.endpoint) != before;
        self.publish(work);
    }

    /// Moves the assembler's schedule on to the first slot that nobody has claimed.
    fn catch_up(&self, work: &mut Work, now_ns: u64) {
        let position = self.claims.position();
        let Some(running) = work.assembler.running_mut() else { return };
        while work.at.next < position.next {
            running.schedule.advance();
            work.at.next += 1;
        }
        let passed = now_ns.saturating_sub(running.schedule.deadline_ns()) / running.schedule.timing().interval_ns();
        if passed > MOST_WALKED && self.claims.begin_epoch(work.at) {
            // Both cores were away for long, as when a machine is suspended. The slots passed are nobody's.
            self.counters.send.jumped.add(running.schedule.skip_passed(now_ns));
            self.enter_epoch(work);
            work.unpublished = true;
        }
    }

    /// What was built for the epoch before may be of another length. Nobody sends until the new plan is published.
    fn enter_epoch(&self, work: &mut Work) {
        work.at = Position { epoch: work.at.epoch.wrapping_add(1), next: 0 };
        self.cells.discard();
    }

    /// Tells the dispatchers what changed, now or at the next look.
    fn publish(&self, work: &mut Work) {
        if !work.unpublished {
            return;
        }
        let Some(mut plan) = attempt(&self.plan) else { return };
        work.unpublished = false;
        let running = work.assembler.running();
        plan.epoch = work.at.epoch;
        plan.schedule = running.map(|running| running.schedule.at_same_place());
        plan.endpoint = running.map(|running| running.endpoint);
        plan.length = work.assembler.datagram().len();
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Builds a slot, unless one is ready or somebody else is at it.
    pub fn build(&self) {
        if self.cells.any_ready(self.claims.position().epoch) {
            return;
        }
        let Some(mut work) = attempt(&self.work) else { return };
        // Looked at again: the other may have been between filling its cell and letting go.
        let epoch = work.at.epoch;
        if self.cells.any_ready(epoch) {
            return;
        }
        self.cells.fill(epoch, |cell| {
            let assembler = &mut work.assembler;
            let Some(slot) = assembler.build() else { return false };
            if !assembler.swap_datagram(&mut cell.datagram) {
                return false;
            }
            cell.slot = Some((slot, self.socket.destination(slot.endpoint)));
            true
        });
    }

    /// Sends what is ready for a slot of this epoch: the slot, and the kernel's refusal, 0 for none. None if nothing is.
    #[inline]
    pub fn send_ready(&self, epoch: u16) -> Option<(Slot, i32)> {
        let sent = self.cells.take(epoch, |ready| {
            let (slot, to) = ready.slot.as_ref()?;
            Some((*slot, transmit(&self.socket, &ready.datagram, to, None)))
        });
        sent.flatten()
    }

    /// The plan, if it is another version than the one known and nobody is changing it; and which version.
    pub fn newer_plan(&self, known: u32) -> Option<(u32, MutexGuard<'_, Plan>)> {
        let version = self.version.load(Ordering::Acquire);
        if version == known { None } else { attempt(&self.plan).map(|plan| (version, plan)) }
    }

    /// Whether the threads are to end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
