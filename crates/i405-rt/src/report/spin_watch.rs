//! Whether slots are held by the kernel's spin loop. Once a second it is seen whether they still leave by the interface
//! where that is attached, and whether it counts them. Nothing here depends on what slots hold.

use std::sync::atomic::Ordering;

use crate::platform::clock::{Clock, SECOND_NS};
use crate::platform::kernel_spin::KernelSpin;
use crate::platform::launch::{Launch, Launching};
use crate::platform::lock::lock;
use crate::report::shared::Shared;
use crate::report::warnings;
use crate::rings::command::SendCommand;
use crate::rings::event::Event;

/// Slots that are judged together at least.
const ROUND: u64 = 16;

/// Counters as they were.
#[derive(Debug, Default)]
pub struct SpinWatch {
    looked_ns: u64,
    sent: u64,
    held: u64,
    refused: u64,
    /// Slots leave by the call: where they go there is no hook.
    off: bool,
}

impl SpinWatch {
    /// A look, if it is time for one.
    pub fn look(&mut self, clock: &impl Clock, shared: &Shared, tell: &mut Vec<Event>) {
        let Some(spin) = &shared.kernel_spin else { return };
        let now_ns = clock.monotonic_ns();
        if now_ns < self.looked_ns + SECOND_NS || shared.distrusts_launches.load(Ordering::Acquire) {
            return;
        }
        self.looked_ns = now_ns;
        let sent = shared.counters.dispatched(|each| &each.sent);
        let refused = spin.refused();
        shared.counters.departure.launches_missed.add(refused - std::mem::replace(&mut self.refused, refused));
        let held = spin.held() + refused;
        let Some(Launching { launch, to }) = *lock(&shared.launching) else {
            (self.sent, self.held) = (sent, held);
            return;
        };
        if self.off || !spin.is_on_the_way(to) {
            self.follow(spin, Launching { launch, to }, shared, tell);
            (self.sent, self.held) = (sent, held);
            return;
        }
        let (new_sent, new_held) = (sent - self.sent, held - self.held);
        if new_sent < ROUND {
            return;
        }
        (self.sent, self.held) = (sent, held);
        // Slots of a handshake may go to several places, and some of them another way.
        if new_held < new_sent / 2 {
            shared.distrusts_launches.store(true, Ordering::Release);
            command(None, shared);
            tell.push(warnings::kernel_spin_passed_by());
        }
    }

    /// The way has changed: the hook goes along, or slots leave by the call until it can.
    fn follow(&mut self, spin: &KernelSpin, to: Launching, shared: &Shared, tell: &mut Vec<Event>) {
        let attached = spin.attach_towards(to.to);
        let was_off = std::mem::replace(&mut self.off, attached.is_err());
        match attached {
            Ok(()) if was_off => command(Some(to.launch), shared),
            Err(refused) if !was_off => {
                command(None, shared);
                tell.push(warnings::no_kernel_spin(refused));
            }
            _ => {}
        }
    }
}

fn command(launch: Option<Launch>, shared: &Shared) {
    // Refused only if the dispatcher is dead, and then it sends nothing by any means.
    let _ = shared.command(SendCommand::Launch(launch));
}
