//! The thread of `spinny`: dispatcher, receiver and ingress in turns, polling, never asleep but for its pause.
//!
//! - A turn handles one datagram and one device read, and none begins when the deadline is nearer than the p99.9 of
//!   what turns have taken: input never moves a send.
//! - The pause keeps the thread off the kernel's real-time throttle, which takes a SCHED_FIFO thread that never sleeps
//!   off the core for 50 ms of every second. It comes right after a slot, its length is a constant of the schedule,
//!   and it is the same whatever the slot held.
//! - Without a schedule (a server that waits for its client) there is nothing to be exact for, and it waits asleep.

use std::hint::spin_loop;
use std::os::fd::BorrowedFd;
use std::thread;
use std::time::Duration;

use crate::breath::Breath;
use crate::clock::monotonic_ns;
use crate::ingress::Ingress;
use crate::realtime::Throttle;
use crate::receiving::Receiving;
use crate::sending::{Sending, transmit};
use crate::turn_cost::TurnCost;
use crate::wait::{sleep_until, spin_until};
use crate::waker::Waker;

/// Assembling begins this long before the deadline: the build takes 1 to 3 us warm, 10 us with cold caches.
const LEAD_NS: u64 = 20_000;
/// A gap in the clock readings from which on only the throttle explains it: it takes 50 ms at a time, other things of
/// the kernel and most of the hypervisor's less than this.
const STALL_NS: u64 = 30_000_000;
/// Commands are looked for this often while nothing else happens.
const TURNS_PER_COMMAND_CHECK: u32 = 64;
/// Longest wait without a schedule before the thread looks whether it is to end.
const IDLE_WAIT_NS: u64 = 100_000_000;
/// Pause before a broken descriptor is tried again.
const BROKEN_PAUSE: Duration = Duration::from_millis(100);

/// What runs on the thread.
pub struct Spinner<'a> {
    /// The dispatcher's part.
    pub sending: Sending,
    /// The receiver's.
    pub receiving: Receiving,
    /// The ingress's, with a TUN.
    pub ingress: Option<Ingress>,
    /// Stops it, and wakes it where it sleeps.
    pub waker: &'a Waker,
    /// The kernel's limit, if the thread is under it.
    pub throttle: Option<Throttle>,
    /// How long before its deadline a slot's contents are fixed.
    pub finalize_ns: Option<u64>,
}

impl Spinner<'_> {
    /// Runs until it is told to stop.
    pub fn run(mut self) {
        let socket = self.sending.socket();
        let mut cost = TurnCost::new();
        let mut slots = 0u64;
        let mut last_ns = monotonic_ns();
        let mut idle_turns = 0u32;
        self.apply_commands();
        while !(self.waker.stopped() || self.sending.stopped()) {
            let (Some(deadline_ns), Some(interval_ns)) = (self.sending.deadline_ns(), self.sending.interval_ns())
            else {
                self.wait_idle();
                self.apply_commands();
                last_ns = monotonic_ns();
                continue;
            };
            let now_ns = monotonic_ns();
            if now_ns.saturating_sub(last_ns) > STALL_NS && self.throttle.is_some() {
                self.sending.count_throttle_stall();
            }
            last_ns = now_ns;

            let lead_ns = self.finalize_ns.unwrap_or(LEAD_NS).min(interval_ns / 4);
            if now_ns + lead_ns >= deadline_ns {
                self.apply_commands();
                let Some(slot) = self.sending.assemble() else { continue };
                let called_ns = spin_until(deadline_ns);
                let outcome = transmit(&socket, slot, called_ns);
                self.sending.finish(&outcome);
                slots += 1;
                if let Some(breath) = Breath::of(self.throttle, interval_ns)
                    && slots.is_multiple_of(breath.every_slots)
                {
                    sleep_until(called_ns + breath.pause_ns);
                    last_ns = monotonic_ns();
                }
                continue;
            }
            let guard_ns = cost.guard_ns().min(interval_ns / 2);
            if now_ns + lead_ns + guard_ns >= deadline_ns {
                spin_loop();
                continue;
            }
            if self.turn(now_ns) {
                let after_ns = monotonic_ns();
                cost.record(after_ns - now_ns);
                idle_turns = 0;
            } else {
                idle_turns += 1;
                if idle_turns.is_multiple_of(TURNS_PER_COMMAND_CHECK) {
                    self.apply_commands();
                }
            }
        }
    }

    /// One datagram, one inner packet, one timer at most. False: there was nothing.
    fn turn(&mut self, now_ns: u64) -> bool {
        let mut worked = self.receiving.turn();
        if let Some(ingress) = &mut self.ingress {
            worked |= ingress.turn();
        }
        if self.receiving.timer_ns().is_some_and(|due_ns| due_ns <= now_ns) {
            self.receiving.on_timer(now_ns);
            worked = true;
        }
        worked
    }

    fn apply_commands(&mut self) {
        self.receiving.apply_commands();
        self.sending.apply_commands();
    }

    fn wait_idle(&mut self) {
        let socket = self.receiving.socket();
        let tun = self.ingress.as_ref().map(Ingress::tun);
        let mut descriptors: [BorrowedFd<'_>; 2] = [socket.as_fd(); 2];
        if let Some(tun) = &tun {
            descriptors[1] = tun.as_fd();
        }
        if !self.waker.wait(&descriptors, Some(IDLE_WAIT_NS)) && !self.receiving.drain_departures() {
            thread::sleep(BROKEN_PAUSE);
        }
        // Bounded: a flood must not keep commands waiting.
        for _ in 0..TURNS_PER_COMMAND_CHECK {
            if !self.turn(monotonic_ns()) {
                break;
            }
        }
    }
}
