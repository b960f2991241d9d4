//! Whether slots are held by the kernel's spin loop. Once a second it is seen whether there is a hook on their way, and whether
//! it counts them. Nothing here depends on what slots hold.

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
/// After slots that were not held it is tried again so much later, and ever later while that goes on.
const FIRST_REST_NS: u64 = 10 * SECOND_NS;
const LONGEST_REST_NS: u64 = 600 * SECOND_NS;

/// What the looks before this one have told.
#[derive(Debug, Default)]
pub struct SpinWatch {
    looked_ns: u64,
    refused: u64,
    tally: Tally,
    /// How long the next rest is; None: the last slots that were judged were held.
    rest_ns: Option<u64>,
    resting_until_ns: u64,
    /// The user knows that slots leave by the call.
    told: bool,
}

/// Slots that were launched, as the dispatcher counts them, and those that came by the hook, as the program does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    launched: u64,
    came_by: u64,
}

impl Tally {
    /// Whether the slots since the tally before were held; None: too few to tell.
    fn held_since(self, before: Tally) -> Option<bool> {
        let launched = self.launched.saturating_sub(before.launched);
        let came_by = self.came_by.saturating_sub(before.came_by);
        // Copies of a handshake may go to several places, and some of them another way.
        (launched >= ROUND).then_some(came_by >= launched / 2)
    }
}

impl SpinWatch {
    /// A look, if it is time for one.
    pub fn look(&mut self, clock: &impl Clock, shared: &Shared, tell: &mut Vec<Event>) {
        let Some(spin) = &shared.kernel_spin else { return };
        let now_ns = clock.monotonic_ns();
        if now_ns < self.looked_ns + SECOND_NS {
            return;
        }
        self.looked_ns = now_ns;
        let refused = spin.refused();
        shared.counters.departure.launches_missed.add(refused - std::mem::replace(&mut self.refused, refused));
        // Held throughout, so that what is commanded here and by a schedule that begins isn't mixed up.
        let mut launching = lock(&shared.launching);
        let Some(launching) = launching.as_mut() else { return };
        let tally = Tally {
            launched: shared.counters.dispatched(|each| &each.launched_into_spin),
            came_by: spin.held() + refused,
        };
        if !launching.on || !spin.is_on_the_way(launching.to) {
            if now_ns >= self.resting_until_ns {
                self.follow(spin, launching, shared, tell);
            }
            self.tally = tally;
            return;
        }
        let Some(held) = tally.held_since(self.tally) else { return };
        self.tally = tally;
        if held {
            (self.rest_ns, self.told) = (None, false);
            return;
        }
        let rest_ns = self.rest_ns.unwrap_or(FIRST_REST_NS);
        self.resting_until_ns = now_ns + rest_ns;
        self.rest_ns = Some((2 * rest_ns).min(LONGEST_REST_NS));
        launching.on = false;
        command(None, shared);
        self.say(warnings::kernel_spin_passed_by(), tell);
    }

    /// The hook goes where the way leads, or slots leave by the call until it can.
    fn follow(&mut self, spin: &KernelSpin, launching: &mut Launching, shared: &Shared, tell: &mut Vec<Event>) {
        let attached = spin.attach_towards(launching.to);
        let was_on = std::mem::replace(&mut launching.on, attached.is_ok());
        match attached {
            Ok(()) if !was_on => command(Some(launching.launch), shared),
            Ok(()) => {}
            Err(refused) => {
                if was_on {
                    command(None, shared);
                    self.say(warnings::no_kernel_spin(refused), tell);
                }
            }
        }
    }

    fn say(&mut self, warning: Event, tell: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.told, true) {
            tell.push(warning);
        }
    }
}

fn command(launch: Option<Launch>, shared: &Shared) {
    // Refused only if the dispatcher is dead, and then it sends nothing by any means.
    let _ = shared.command(SendCommand::Launch(launch));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_that_came_by_no_hook_are_noticed_and_few_tell_nothing() {
        let before = Tally { launched: 1_000, came_by: 400 };
        let after = |launched: u64, came_by: u64| {
            Tally { launched: 1_000 + launched, came_by: 400 + came_by }.held_since(before)
        };
        assert_eq!(after(15, 0), None);
        assert_eq!(
            (after(16, 16), after(16, 8), after(16, 7), after(16, 0)),
            (Some(true), Some(true), Some(false), Some(false))
        );
        // Slots that leave by the call, or that the kernel refuses, are launched by nobody.
        assert_eq!(after(0, 0), None);
    }
}
