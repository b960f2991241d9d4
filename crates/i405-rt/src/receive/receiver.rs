//! The threads of `sleepy` and `dozy` that wait for input: receiver and ingress, ordinary priority.

use std::thread;
use std::time::Duration;

use crate::platform::clock::{Clock, System};
use crate::platform::waker::Waker;
use crate::receive::ingress::Ingress;
use crate::receive::receiving::Receiving;

/// Pause before a broken descriptor is tried again, so that a deleted interface does not make a thread spin.
const BROKEN_PAUSE: Duration = Duration::from_millis(100);

/// Receives datagrams until stopped, and asks the reporter to look where there is something for it.
pub fn run(mut receiving: Receiving, waker: &Waker, reporter: &Waker) {
    let socket = receiving.socket();
    while !waker.stopped() {
        receiving.apply_commands(&System);
        let received = receiving.turn(&System);
        let due_ns = receiving.timer_ns();
        let now_ns = due_ns.map(|_| System.monotonic_ns()).unwrap_or_default();
        let is_due = due_ns.is_some_and(|due_ns| due_ns <= now_ns);
        if is_due {
            receiving.on_timer(now_ns);
        }
        if receiving.has_told() {
            reporter.wake();
        }
        if is_due {
            continue;
        }
        if !received
            && !waker.wait(&[socket.as_fd()], due_ns.map(|due_ns| due_ns - now_ns))
            && !receiving.drain_departures()
        {
            thread::sleep(BROKEN_PAUSE);
        }
    }
}

/// Reads the device until stopped.
pub fn run_ingress(mut ingress: Ingress, waker: &Waker) {
    let tun = ingress.tun();
    while !waker.stopped() {
        while ingress.turn() {
            if waker.stopped() {
                return;
            }
        }
        if !waker.wait(&[tun.as_fd()], None) {
            thread::sleep(BROKEN_PAUSE);
        }
    }
}
