//! Hedged dispatch: several dispatchers, on as many cores, for the same slots. Whoever runs first sends.
//!
//! - [`Claims`] says which slots are taken. Whoever sends a slot claims it with one atomic step. So exactly one
//!   datagram leaves per slot, whichever of them is stopped and wherever.
//! - [`Cells`] hands sealed datagrams from whoever built one to whoever sends one. A cell has one owner at a time, so a
//!   dispatcher that is stopped in the middle keeps its own cell and nothing else.
//!
//! Nothing here waits for anybody: every step succeeds or says at once that another was first. `tests/hedge_model.rs`
//! has `loom` try every interleaving of two dispatchers (`cargo test -p i405-proto --features loom --test
//! hedge_model`).

#[cfg(feature = "loom")]
use loom::sync::{
    Mutex,
    atomic::{AtomicU32, AtomicU64, Ordering},
};
#[cfg(not(feature = "loom"))]
use std::sync::{
    Mutex,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

/// Bits of a position that count slots: 2^48 slots of 10 us are 89 years.
const INDEX_BITS: u32 = 48;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

/// Where the dispatchers are: which schedule, and the first of its slots that nobody has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Counts schedules, wrapping around.
    pub epoch: u16,
    /// Slot of that schedule, from 0.
    pub next: u64,
}

impl Position {
    fn pack(self) -> u64 {
        u64::from(self.epoch) << INDEX_BITS | (self.next & INDEX_MASK)
    }

    fn unpack(packed: u64) -> Self {
        Position { epoch: (packed >> INDEX_BITS) as u16, next: packed & INDEX_MASK }
    }
}

/// Who sends which slot.
#[derive(Debug)]
pub struct Claims(AtomicU64);

impl Claims {
    /// Before the first schedule: epoch 0, which has no slots.
    pub fn new() -> Self {
        Claims(AtomicU64::new(0))
    }

    /// The first slot that nobody has claimed.
    pub fn position(&self) -> Position {
        Position::unpack(self.0.load(Ordering::Acquire))
    }

    /// Claims every unclaimed slot up to and including `through`, because the deadline of `through` has passed.
    /// Returns the first of them; the caller sends one datagram, and all but one of the claimed slots are missed.
    /// None: the slot is another's, or the epoch is over.
    pub fn claim(&self, epoch: u16, through: u64) -> Option<u64> {
        let mut packed = self.0.load(Ordering::Acquire);
        loop {
            let position = Position::unpack(packed);
            if position.epoch != epoch || position.next > through {
                return None;
            }
            let claimed = Position { epoch, next: through + 1 }.pack();
            match self.0.compare_exchange_weak(packed, claimed, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(position.next),
                Err(current) => packed = current,
            }
        }
    }

    /// Ends the epoch at `seen` and begins the next one at its slot 0. False: a slot was claimed meanwhile.
    pub fn begin_epoch(&self, seen: Position) -> bool {
        let begun = Position { epoch: seen.epoch.wrapping_add(1), next: 0 };
        self.0.compare_exchange(seen.pack(), begun.pack(), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Default for Claims {
    fn default() -> Self {
        Claims::new()
    }
}

/// The low half of a cell's state. The epoch is the high half, so that one step looks at both.
const FREE: u32 = 0;
const FILLING: u32 = 1;
const READY: u32 = 2;
const TAKEN: u32 = 3;

const fn ready(epoch: u16) -> u32 {
    READY | (epoch as u32) << u16::BITS
}

const fn is_ready(state: u32) -> bool {
    state & u16::MAX as u32 == READY
}

#[derive(Debug)]
struct Cell<T> {
    state: AtomicU32,
    /// Only the owner that `state` says locks it, so `try_lock` never fails; it is here to need no unsafe code.
    content: Mutex<T>,
}

/// Cells for sealed datagrams. At most one is ready at a time: contents are fixed as late as can be.
#[derive(Debug)]
pub struct Cells<T> {
    cells: Box<[Cell<T>]>,
}

impl<T> Cells<T> {
    /// One for each dispatcher that may be stopped while it sends, one to be filled, one that is ready.
    pub fn for_dispatchers(dispatchers: usize, mut content: impl FnMut() -> T) -> Self {
        let cell = |_| Cell { state: AtomicU32::new(FREE), content: Mutex::new(content()) };
        Cells { cells: (0..dispatchers + 2).map(cell).collect() }
    }

    /// Whether a datagram waits for a slot of this epoch.
    pub fn any_ready(&self, epoch: u16) -> bool {
        self.cells.iter().any(|cell| cell.state.load(Ordering::Acquire) == ready(epoch))
    }

    /// Fills a free cell for a slot of this epoch. Only one caller at a time may, the one that holds what slots are
    /// built from. False: there is no free cell, or `fill` says that there is nothing to be sent.
    pub fn fill(&self, epoch: u16, fill: impl FnOnce(&mut T) -> bool) -> bool {
        for cell in &self.cells {
            if cell.state.compare_exchange(FREE, FILLING, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                let filled = cell.content.try_lock().is_ok_and(|mut content| fill(&mut content));
                cell.state.store(if filled { ready(epoch) } else { FREE }, Ordering::Release);
                return filled;
            }
        }
        false
    }

    /// Takes what is ready for this epoch and sends it; the cell is free again afterwards. None: nothing is ready.
    ///
    /// A dispatcher that was stopped between its claim and this call may be an epoch behind. What was built meanwhile
    /// has another length and another address, and is left for a slot of its own schedule.
    #[inline]
    pub fn take<R>(&self, epoch: u16, send: impl FnOnce(&mut T) -> R) -> Option<R> {
        let cell = self.cells.iter().find(|cell| cell.claim(ready(epoch)))?;
        let sent = cell.content.try_lock().ok().map(|mut content| send(&mut content));
        cell.state.store(FREE, Ordering::Release);
        sent
    }

    /// Frees what is ready, of whatever epoch: its own is over.
    pub fn discard(&self) {
        for cell in &self.cells {
            let state = cell.state.load(Ordering::Relaxed);
            if is_ready(state) && cell.claim(state) {
                cell.state.store(FREE, Ordering::Release);
            }
        }
    }
}

impl<T> Cell<T> {
    /// Takes the cell if its state is this one, some epoch's [`READY`].
    #[inline]
    fn claim(&self, expected: u32) -> bool {
        self.state.load(Ordering::Relaxed) == expected
            && self.state.compare_exchange(expected, TAKEN, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_claimed_once_and_a_late_claim_takes_what_was_passed() {
        let claims = Claims::new();
        assert_eq!(claims.claim(1, 0), None, "no such epoch");
        assert!(claims.begin_epoch(claims.position()));
        assert_eq!(claims.claim(1, 0), Some(0));
        assert_eq!(claims.claim(1, 0), None, "the other was first");
        assert_eq!(claims.claim(1, 4), Some(1), "1 to 3 were passed and are missed");
        assert_eq!(claims.position(), Position { epoch: 1, next: 5 });
    }

    #[test]
    fn an_epoch_ends_only_where_it_was_seen() {
        let claims = Claims::new();
        assert!(claims.begin_epoch(claims.position()));
        let seen = claims.position();
        assert_eq!(claims.claim(1, 0), Some(0));
        assert!(!claims.begin_epoch(seen));
        assert!(claims.begin_epoch(claims.position()));
        assert_eq!(claims.claim(1, 1), None, "the old schedule is over");
        assert_eq!(claims.claim(2, 0), Some(0));
    }

    #[test]
    fn epochs_wrap_around() {
        let claims = Claims::new();
        for _ in 0..=u32::from(u16::MAX) {
            assert!(claims.begin_epoch(claims.position()));
        }
        assert_eq!(claims.position(), Position { epoch: 0, next: 0 });
    }

    #[test]
    fn a_stopped_sender_and_a_stopped_builder_leave_cells_for_the_other() {
        let cells = Cells::for_dispatchers(2, || 0);
        let put = |value| cells.fill(1, |content| std::mem::replace(content, value) != value);
        assert!(put(1));
        // Stopped in the middle of sending, and in the middle of filling: the other goes on.
        let stopped = cells.take(1, |stopped| {
            assert!(cells.fill(1, |_| {
                for value in 2..50 {
                    assert!(put(value));
                    assert_eq!(cells.take(1, |content| *content), Some(value));
                    assert_eq!(cells.take(1, |content| *content), None, "one owner each");
                }
                true
            }));
            *stopped
        });
        assert_eq!(stopped, Some(1));
        assert!(cells.any_ready(1));
    }

    #[test]
    fn what_was_not_filled_is_not_sent() {
        let cells = Cells::for_dispatchers(2, || 0);
        assert!(!cells.fill(1, |_| false));
        assert!(!cells.any_ready(1) && cells.take(1, |_| ()).is_none());
        let all = (0..4).filter(|_| cells.fill(1, |_| true)).count();
        assert_eq!(all, 4, "every cell is free again");
    }

    #[test]
    fn what_was_built_for_one_schedule_leaves_in_no_other() {
        let cells = Cells::for_dispatchers(2, || 0);
        let put = |epoch, value| cells.fill(epoch, |content| std::mem::replace(content, value) != value);
        assert!(put(1, 10));
        assert_eq!(cells.take(2, |content| *content), None);
        assert!(cells.any_ready(1) && !cells.any_ready(2));
        cells.discard();
        assert!(!cells.any_ready(1));
        assert!(put(2, 20));
        // Whoever claimed a slot of the epoch before, and was stopped there, sends what is its own.
        assert_eq!(cells.take(1, |content| *content), None);
        assert_eq!(cells.take(2, |content| *content), Some(20));
        assert!(put(0, 30));
        assert_eq!(cells.take(u16::MAX, |content| *content), None, "epochs wrap around");
    }
}
