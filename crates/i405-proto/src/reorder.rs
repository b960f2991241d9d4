//! The reorder window (RFC 9347 section 2.2.3): puts payloads back in order of their counters.
//!
//! A missing payload is given up when as many later ones as the window has are held, or when the first of those has
//! waited for as long as patience lasts (the lost-packet timer). Payloads in order pass through without being copied.

/// Largest window, in payloads.
pub const MAX_WINDOW: usize = 64;

/// A payload that waits for one before it.
#[derive(Debug)]
struct Held {
    counter: u64,
    arrived_ns: u64,
    /// Which of the buffers it is in.
    place: usize,
    length: usize,
}

/// Reorders the payloads of one key, whose counters begin at 0. Allocates in `new` only.
#[derive(Debug)]
pub struct ReorderWindow {
    window: usize,
    payload_capacity: usize,
    patience_ns: u64,
    /// The counter that is to come; 64 bits, so that the last one has a successor.
    next: u64,
    /// In order of their counters, all above `next`.
    held: Vec<Held>,
    /// Buffers that hold nothing.
    free: Vec<usize>,
    buffers: Box<[u8]>,
    lost: u64,
}

impl ReorderWindow {
    /// `window`: later payloads held before a missing one is given up, 0 to 64; 0 and 1 both mean at once.
    /// `payload_capacity`: bytes of the longest payload.
    pub fn new(window: usize, payload_capacity: usize, patience_ns: u64) -> ReorderWindow {
        let window = window.clamp(1, MAX_WINDOW);
        ReorderWindow {
            window,
            payload_capacity,
            patience_ns,
            next: 0,
            held: Vec::with_capacity(window),
            free: (0..window).collect(),
            // Not zeros: writing brings the pages in now, not in the middle of a turn.
            buffers: vec![1; window * payload_capacity].into_boxed_slice(),
            lost: 0,
        }
    }

    /// Takes a payload and hands out those whose turn it is, by `out(payload, contiguous)`. `contiguous` says that no
    /// payload is missing directly before this one. A payload is ignored if it comes after it was given up, or a second
    /// time, or if it is longer than the capacity.
    pub fn insert(&mut self, counter: u32, payload: &[u8], now_ns: u64, out: &mut impl FnMut(&[u8], bool)) {
        let counter = u64::from(counter);
        if counter < self.next || payload.len() > self.payload_capacity {
            return;
        }
        if counter == self.next {
            out(payload, true);
            self.next += 1;
            self.hand_out_run(true, out);
            return;
        }
        let Err(index) = self.held.binary_search_by_key(&counter, |held| held.counter) else { return };
        // There is a free one: a full window is emptied below.
        let Some(place) = self.free.pop() else { return };
        let start = place * self.payload_capacity;
        self.buffers[start..start + payload.len()].copy_from_slice(payload);
        self.held.insert(index, Held { counter, arrived_ns: now_ns, place, length: payload.len() });
        if self.held.len() >= self.window {
            self.give_up(out);
        }
    }

    /// Whether a payload with this counter would be handed out at once.
    pub fn is_next(&self, counter: u32) -> bool {
        u64::from(counter) == self.next
    }

    /// Gives up what has been waited for long enough by `now_ns`.
    pub fn expire(&mut self, now_ns: u64, out: &mut impl FnMut(&[u8], bool)) {
        while self.deadline_ns().is_some_and(|deadline_ns| deadline_ns <= now_ns) {
            self.give_up(out);
        }
    }

    /// When `expire` has something to do; `None` while nothing is missing.
    pub fn deadline_ns(&self) -> Option<u64> {
        let first_arrival = self.held.iter().map(|held| held.arrived_ns).min()?;
        Some(first_arrival.saturating_add(self.patience_ns))
    }

    /// How many payloads were given up.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Gives up the payloads missing before the first one held.
    fn give_up(&mut self, out: &mut impl FnMut(&[u8], bool)) {
        let Some(first) = self.held.first() else { return };
        self.lost += first.counter - self.next;
        self.next = first.counter;
        self.hand_out_run(false, out);
    }

    /// Hands out the held payloads from `next` on, up to the next gap. `contiguous` is the first one's.
    fn hand_out_run(&mut self, mut contiguous: bool, out: &mut impl FnMut(&[u8], bool)) {
        let mut run = 0;
        while let Some(held) = self.held.get(run)
            && held.counter == self.next
        {
            let start = held.place * self.payload_capacity;
            out(&self.buffers[start..start + held.length], contiguous);
            self.free.push(held.place);
            self.next += 1;
            contiguous = true;
            run += 1;
        }
        self.held.drain(..run);
    }
}
