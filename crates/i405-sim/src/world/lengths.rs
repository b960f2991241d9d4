//! Which lengths there may be on the wire: the configured one, and those of the ladder below it (docs/reconnecting.md,
//! "Lengths").

use i405_rt::simulation::header_overhead;

use super::World;
use crate::orders::{Asked, InForce};
use crate::settings::{CLIENT, SERVER};

/// From the document, so that another list in the product is found.
const RUNGS: [usize; 4] = [1492, 1420, 1400, 1280];

impl World {
    fn overhead(&self) -> usize {
        header_overhead(self.hosts[SERVER].address)
    }

    /// A process was started that asks for these lengths, IP bytes, up and down.
    pub fn note_wire(&mut self, configured: [usize; 2]) {
        let overhead = self.overhead();
        let top = configured[0].max(configured[1]);
        for rung in RUNGS.into_iter().filter(|rung| *rung < top).chain([top]) {
            for direction in [CLIENT, SERVER] {
                self.rungs[direction].insert(configured[direction].min(rung) - overhead);
            }
        }
    }

    /// Every length that an end asks its core for is a rung's. A server says no to more than its route carries in
    /// datagrams of what that carries.
    fn check_rung(&self, end: usize, length: usize) -> Result<(), String> {
        let route_mtu = self.hosts[end].route_mtu.unwrap_or(0) as usize;
        if self.rungs[end].contains(&length) || (end == SERVER && length + self.overhead() == route_mtu) {
            return Ok(());
        }
        let who = ["client", "server"][end];
        Err(self.explain(&format!("the {who} goes on with {length} bytes, which is no rung of the ladder")))
    }

    /// JavaScript wants a schedule.
    ///
    /// # Errors
    /// It must not.
    pub fn note_schedule(&mut self, end: usize, asked: Asked, first_ns: Option<u64>) -> Result<(), String> {
        self.check_rung(end, asked.length)?;
        let now_ns = self.hosts[end].clocks(self.now_ns).monotonic_ns;
        let Some(life) = &mut self.hosts[end].life else { return Ok(()) };
        life.orders.start(asked, first_ns, now_ns);
        if end == SERVER && life.newest_stamp.is_none() && !self.settings.own_start {
            return Err(self.explain("the server begins to send, and nobody has asked it"));
        }
        Ok(())
    }

    /// JavaScript wants the schedule at another length.
    ///
    /// # Errors
    /// It must not.
    pub fn note_redirect(&mut self, end: usize, length: usize) -> Result<(), String> {
        self.check_rung(end, length)?;
        let Some(life) = &mut self.hosts[end].life else { return Ok(()) };
        let before = life.orders.newest().map_or(length, |asked| asked.length);
        self.figures.downs += u64::from(length < before);
        self.figures.ups += u64::from(length > before);
        life.orders.redirect(length);
        Ok(())
    }

    /// The client has a session at the length that it asks for now.
    pub(super) fn count_rung(&mut self) {
        let Some(life) = &mut self.hosts[CLIENT].life else { return };
        let Some(Asked { length, .. }) = life.orders.newest() else { return };
        let before = life.answered_length.replace(length);
        self.figures.descents += u64::from(before.is_some_and(|before| length < before));
        self.figures.climbs += u64::from(before.is_some_and(|before| length > before));
    }
}

/// A datagram has the length that was in force when it was built.
pub(super) fn check_length(in_force: Option<InForce>, length: usize) -> Result<(), String> {
    match in_force {
        Some(InForce { asked, before, .. }) if asked.length == length || before == Some(length) => Ok(()),
        Some(InForce { asked, .. }) => {
            Err(format!("a datagram of {length} bytes left, and {} were in force", asked.length))
        }
        None => Err(format!("a datagram of {length} bytes left, and nobody had asked for any")),
    }
}
