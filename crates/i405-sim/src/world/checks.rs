//! What must hold besides what each datagram and each packet shows: who may send, and who finds whom again.

use i405_rt::Event;
use i405_rt::config::PairingKeys;
use i405_rt::tunnel::NewKeys;

use super::calm::Calm;
use super::calm::Figures;
use super::{Noted, World};
use crate::plant::Plant;
use crate::settings::{CLIENT, S, SERVER, Settings};

/// What comes from either end at least this often while both are up.
const FRESH_NS: u64 = S / 2;
/// They have found each other once that has been so for this long: a timeout that ran out just before shows by then.
const STABLE_NS: u64 = S;
/// Packets begun so long after that, and so long before a calm phase ends, all come.
const SETTLE_NS: u64 = S;
/// Beside one attempt: a client that climbs leaves a packet half sent meanwhile.
const TAIL_NS: u64 = 3 * S;

impl World {
    pub(super) fn explain(&self, what: &str) -> String {
        let ms = self.now_ns as f64 / 1e6;
        let kind = if self.phase().calm { "calm" } else { "bad" };
        format!("at {ms:.3} ms, in {kind} phase {}: {what}", self.phase)
    }

    /// What the run did.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// An end's slots.
    pub fn timetable(&self, end: usize) -> &[Noted] {
        &self.timetables[end]
    }

    /// Inner packets that came, up and down.
    pub fn delivered(&self) -> [u64; 2] {
        [self.ledgers[0].count, self.ledgers[1].count]
    }

    /// Datagrams that left: data, handshake, cover; both ends.
    pub fn sights(&self) -> [u64; 3] {
        let [up, down] = [self.taps[0].counts, self.taps[1].counts];
        [0, 1, 2].map(|kind| up[kind] + down[kind])
    }

    pub(super) fn begin_calm(&mut self) {
        self.calm = Calm::default();
    }

    pub(super) fn end_calm(&mut self) -> Result<(), String> {
        let Calm { from: Some(from), to: Some(to), .. } = self.calm else { return Ok(()) };
        for direction in [CLIENT, SERVER] {
            self.ledgers[direction].all_came(from[direction], to[direction])?;
        }
        Ok(())
    }

    fn is_linked(&self) -> bool {
        self.hosts.iter().all(|host| {
            let monotonic_ns = host.clocks(self.now_ns).monotonic_ns;
            host.life.as_ref().is_some_and(|life| {
                let opened_ns = life.unmanned.counters().receive.last_opened_ns.get();
                life.connected
                    && monotonic_ns.saturating_sub(opened_ns) < FRESH_NS
                    && self.now_ns - life.data_sent_ns < FRESH_NS
            })
        })
    }

    pub(super) fn look_whether_linked(&mut self) -> Result<(), String> {
        let phase = *self.phase();
        if !phase.calm {
            return Ok(());
        }
        let now_ns = self.now_ns;
        let Settings { bound_ns, narrow_bound_ns, attempt_ns, .. } = self.settings;
        let bound_ns = if phase.way.is_wide() { bound_ns } else { narrow_bound_ns };
        if !self.is_linked() {
            self.calm.hearing_ns = None;
        } else if self.calm.hearing_ns.is_none() {
            self.calm.hearing_ns = Some(now_ns);
        }
        if self.settings.plant == Plant::LostSession && self.calm.from.is_some() {
            return self.note_disconnected(SERVER, "silent");
        }
        let begun = || [self.ledgers[0].begun_so_far(), self.ledgers[1].begun_so_far()];
        match self.calm.linked_ns {
            None if self.calm.hearing_ns.is_some_and(|hearing_ns| now_ns - hearing_ns >= STABLE_NS) => {
                self.calm.linked_ns = Some(now_ns);
                let took_ns = now_ns - STABLE_NS - phase.from_ns;
                self.figures.heals += 1;
                self.figures.slowest_heal_ns = self.figures.slowest_heal_ns.max(took_ns);
            }
            None if self.calm.hearing_ns.is_none() && now_ns > phase.from_ns + bound_ns => {
                let states = self.hosts.each_ref().map(|host| host.life.as_ref().is_some_and(|life| life.connected));
                return Err(format!(
                    "not connected {} s after the network healed (client {}, server {})",
                    bound_ns / S,
                    states[0],
                    states[1]
                ));
            }
            Some(linked_ns) if self.calm.from.is_none() && now_ns > linked_ns + SETTLE_NS => {
                self.calm.from = Some(begun());
            }
            Some(_)
                if self.calm.from.is_some()
                    && self.calm.to.is_none()
                    && now_ns + TAIL_NS + attempt_ns > phase.until_ns =>
            {
                self.calm.to = Some(begun());
            }
            _ => {}
        }
        Ok(())
    }

    /// JavaScript installs a session.
    pub fn note_session(&mut self, end: usize, keys: &NewKeys) -> Result<(), String> {
        self.taps[end].session(keys.aead, &keys.send).map_err(|what| self.explain(&what))
    }

    /// The client offers an initiation.
    pub fn note_stamp(&mut self, stamp: u64) {
        self.stamps.insert(stamp);
    }

    /// The keys under which this end wraps.
    pub fn note_pairing(&mut self, end: usize, pairing: &PairingKeys) {
        self.taps[end].pairing(&pairing.send_wrap, &pairing.send_mask);
    }

    pub fn note_connected(&mut self, end: usize) {
        self.figures.connections += 1;
        if end == CLIENT {
            self.count_rung();
        }
        if let Some(life) = &mut self.hosts[end].life {
            life.connected = true;
        }
    }

    /// A session ended. In a calm network none does but to be replaced.
    pub fn note_disconnected(&mut self, end: usize, reason: &str) -> Result<(), String> {
        let monotonic_ns = self.hosts[end].clocks(self.now_ns).monotonic_ns;
        if let Some(life) = &mut self.hosts[end].life {
            life.connected = reason == "replaced";
            life.reason_ns = life.reason_ns.max(Some(monotonic_ns));
        }
        if reason != "replaced" && self.phase().calm && self.calm.linked_ns.is_some() {
            let who = ["client", "server"][end];
            return Err(self.explain(&format!("the {who} lost its session in a quiet network: {reason}")));
        }
        Ok(())
    }

    /// Without a session the server sends only for a while after somebody genuine asked.
    pub(super) fn check_reason(&self, monotonic_ns: u64) -> Result<(), String> {
        let Some(life) = &self.hosts[SERVER].life else { return Ok(()) };
        let until_ns = life.reason_ns.map(|reason_ns| reason_ns + self.settings.unconfirmed_ns);
        if life.connected || self.settings.own_start || until_ns.is_some_and(|until_ns| monotonic_ns <= until_ns) {
            return Ok(());
        }
        Err("the server still sends, long after the only reason for it".to_owned())
    }

    /// What JavaScript is about to hear.
    pub(super) fn check_events(&mut self, end: usize, events: &[Event]) -> Result<(), String> {
        let monotonic_ns = self.hosts[end].clocks(self.now_ns).monotonic_ns;
        let Some(life) = &mut self.hosts[end].life else { return Ok(()) };
        // With a state file that holds over restarts.
        let before = if self.settings.state_files { self.acted } else { life.newest_stamp };
        for event in events {
            match event {
                Event::Handshake { stamp, .. } if end == SERVER => {
                    if !self.stamps.contains(stamp) {
                        return Err(format!("an initiation with stamp {stamp} came that the client never made"));
                    }
                    if before.max(life.newest_stamp).is_some_and(|newest| *stamp <= newest) {
                        return Err(format!("an initiation with stamp {stamp} was handed over a second time, or late"));
                    }
                    life.newest_stamp = Some(*stamp);
                    self.acted = self.acted.max(Some(*stamp));
                    life.reason_ns = Some(monotonic_ns);
                }
                Event::OtherVersion { .. } | Event::Failed { .. } | Event::Dropped { .. } => {
                    return Err(format!("unexpected: {event:?}"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
