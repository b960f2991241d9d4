//! The thread of `spinny`: dispatcher, receiver and ingress in turns. It polls, and never sleeps but for its pause.
//!
//! - A turn handles one datagram, or one packet that came out of one, and one device read. No turn begins when the
//!   deadline is nearer than the p99.9 of what turns have taken, so input never moves a send.
//! - The kernel's real-time throttle takes a SCHED_FIFO thread that never sleeps off the core for 50 ms of every
//!   second. What keeps the thread off it (`breath`) comes right after a slot and follows from the schedule alone.
//! - Without a schedule (a server that waits for its client) there is nothing to be exact for, so it sleeps until
//!   something comes.

use std::hint::spin_loop;
use std::os::fd::BorrowedFd;
use std::thread;
use std::time::Duration;

use crate::platform::clock::{System, monotonic_ns};
use crate::platform::wait::spin_until_warm;
use crate::platform::waker::Waker;
use crate::realtime::breath::{Breath, Breather};
use crate::realtime::timed_thread::Throttle;
use crate::realtime::turn_cost::TurnCost;
use crate::receive::ingress::Ingress;
use crate::receive::receiving::Receiving;
use crate::send::slots::Slots;

/// Assembling begins this long before the deadline: the build takes 1 to 3 us warm, 10 us with cold caches.
const LEAD_NS: u64 = 20_000;
/// A gap in the clock readings that only the throttle explains. The throttle takes 50 ms at a time; other things of the
/// kernel, and most of the hypervisor's, take less than this.
const STALL_NS: u64 = 30_000_000;
/// Commands are looked for this often while nothing else happens.
const TURNS_PER_COMMAND_CHECK: u32 = 64;
/// Longest wait without a schedule before the thread looks whether it is to end.
const IDLE_WAIT_NS: u64 = 100_000_000;
/// Pause before a broken descriptor is tried again.
const BROKEN_PAUSE: Duration = Duration::from_millis(100);

/// What runs on the thread.
pub struct Spinner<'a, S> {
    /// The dispatcher's part.
    pub slots: S,
    /// The receiver's.
    pub receiving: Receiving,
    /// The ingress's, with a TUN.
    pub ingress: Option<Ingress>,
    /// Stops it, and wakes it where it sleeps.
    pub waker: &'a Waker,
    /// What it keeps to, under SCHED_FIFO.
    pub throttle: Option<Throttle>,
    /// How long before its deadline a slot's contents are fixed.
    pub finalize_ns: Option<u64>,
    /// Carries out what keeps it off the limit.
    pub breather: Breather,
}

impl<S: Slots> Spinner<'_, S> {
    /// Runs until it is told to stop.
    pub fn run(mut self) {
        let mut cost = TurnCost::new();
        let mut last_ns = monotonic_ns();
        let mut idle_turns = 0u32;
        self.apply_commands();
        while !(self.waker.stopped() || self.slots.stopped()) {
            let (Some(deadline_ns), Some(interval_ns)) = (self.slots.deadline_ns(), self.slots.interval_ns()) else {
                self.breather.rest();
                self.wait_idle();
                self.apply_commands();
                last_ns = monotonic_ns();
                continue;
            };
            let now_ns = monotonic_ns();
            if now_ns.saturating_sub(last_ns) > STALL_NS && self.throttle.is_some() {
                self.slots.count_throttle_stall();
            }
            last_ns = now_ns;

            let lead_ns = self.finalize_ns.unwrap_or(LEAD_NS).min(interval_ns / 4);
            if now_ns + lead_ns >= deadline_ns {
                self.apply_commands();
                if !self.slots.assemble() {
                    continue;
                }
                let called_ns = spin_until_warm(deadline_ns, || self.slots.warm());
                let through_ns = self.slots.dispatch(called_ns);
                if self.breather.after_slot(Breath::of(self.throttle, interval_ns), through_ns) {
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

    /// One datagram or one packet out of it, one packet into the tunnel, one timer at most. False: there was nothing.
    fn turn(&mut self, now_ns: u64) -> bool {
        let mut worked = self.receiving.turn(&System);
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
        self.receiving.apply_commands(&System);
        self.slots.apply_commands();
    }

    fn wait_idle(&mut self) {
        let socket = self.receiving.socket();
        let tun = self.ingress.as_ref().map(Ingress::tun);
        let mut descriptors: [BorrowedFd<'_>; 2] = [socket.as_fd(); 2];
        if let Some(tun) = &tun {
            descriptors[1] = tun.as_fd();
        }
        if !self.receiving.has_backlog()
            && !self.waker.wait(&descriptors, Some(IDLE_WAIT_NS))
            && !self.receiving.drain_departures()
        {
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
