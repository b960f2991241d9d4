//! A slot of either end: the dispatcher wakes up, sends, and everything that leaves is looked at.

use std::net::SocketAddr;

use i405_rt::simulation::{Sent, header_overhead, take_sent};

use super::lengths::check_length;
use super::{Noted, World};
use crate::host::LastSlot;
use crate::orders::{Asked, InForce};
use crate::plant::Plant;
use crate::settings::{CLIENT, SERVER};
use crate::tap::Sight;

impl World {
    pub(super) fn slot(&mut self, end: usize) -> Result<(), String> {
        let calm = self.phase().calm;
        let called_ns = self.hosts[end].enter(self.now_ns).monotonic_ns;
        let host = &mut self.hosts[end];
        let early = host.early;
        let Some(life) = &mut host.life else { return Ok(()) };
        let Some((deadline_ns, _)) = life.call.take() else { return Ok(()) };
        if !life.assembled {
            life.unmanned.release(0);
            if life.unmanned.deadline_ns(0) != Some(deadline_ns) || !life.unmanned.assemble(0) {
                host.plan(calm, self.settings.waking);
                return Ok(());
            }
            life.in_force = life.orders.in_force(deadline_ns);
        }
        let in_force = life.in_force;
        life.unmanned.dispatch(0, called_ns);
        life.assembled = false;
        let missed = life.unmanned.counters().missed();
        let passed = missed - std::mem::replace(&mut life.missed, missed);
        let begun = life.unmanned.counters().dispatched(|each| &each.inner_packets);
        let begins = begun > std::mem::replace(&mut life.begun, begun);
        let length = in_force.map_or(0, |InForce { asked, .. }| asked.length);
        let last = life.last_slot.replace(LastSlot { deadline_ns, called_ns, passed, begins, length });
        let number = life.deadlines;
        life.deadlines += 1 + passed;
        let [moved_ns, shortened] = last.map_or([0; 2], |last| planted(self.settings.plant, last, length));
        let noted = Noted { number, deadline_ns: deadline_ns + moved_ns, length: length as u64 - shortened };
        self.timetables[end].push(noted);
        if let (Some(mut last), Some(InForce { asked, fresh: false, .. })) = (last, in_force) {
            if self.settings.plant == Plant::LateSlot && self.figures.slots > 1000 {
                last.deadline_ns -= asked.interval_ns;
            }
            check_deadline(last, deadline_ns, asked)?;
        }
        self.figures.slots += 1;
        self.figures.missed += passed;
        self.leave(end, in_force)?;
        let host = &mut self.hosts[end];
        if let Some(life) = &mut host.life
            && early
        {
            life.unmanned.release(0);
            if let Some(deadline_ns) = life.unmanned.deadline_ns(0) {
                life.assembled = life.unmanned.assemble(0);
                life.in_force = life.orders.in_force(deadline_ns);
            }
        }
        host.plan(calm, self.settings.waking);
        Ok(())
    }

    /// What a slot handed to the wire.
    fn leave(&mut self, end: usize, in_force: Option<InForce>) -> Result<(), String> {
        let now_ns = self.now_ns;
        let mut sent = std::mem::take(&mut self.sent);
        sent.clear();
        take_sent(&mut sent);
        self.plant_in(end, &mut sent);
        if sent.len() != 1 {
            return Err(format!("a slot sent {} datagrams", sent.len()));
        }
        let Some(Sent { to, datagram, refused }) = sent.pop() else { return Ok(()) };
        self.sent = sent;
        check_length(in_force, datagram.len())?;
        if end == SERVER {
            let since_ns = self.hosts[SERVER].clocks(now_ns).monotonic_ns;
            self.check_reason(since_ns)?;
        }
        let sight = self.taps[end].watch(&datagram)?;
        let Some(life) = &mut self.hosts[end].life else { return Ok(()) };
        if let Sight::Data(_) = sight {
            life.data_sent_ns = now_ns;
        }
        let begun = life.unmanned.counters().dispatched(|each| &each.inner_packets);
        self.ledgers[end].begun(begun, self.taps[end].newest_used(), now_ns);
        self.figures.mix(now_ns, &datagram);
        if refused {
            self.figures.too_long += 1;
            return Ok(());
        }
        self.attacker.record(end, &datagram);
        self.travel(end, to, datagram);
        Ok(())
    }

    fn travel(&mut self, end: usize, to: SocketAddr, bytes: Vec<u8>) {
        let peer = 1 - end;
        let from = self.hosts[end].address;
        if to != self.hosts[peer].address {
            // To where the client was before it moved, or to who replayed something.
            self.figures.astray += 1;
            return;
        }
        if self.settings.plant == Plant::NeverHeals {
            return;
        }
        let phase = self.script.phases[self.phase];
        let overhead = header_overhead(to);
        self.figures.too_long += u64::from(bytes.len() + overhead > phase.way.passes[end] as usize);
        let [first, second] = self.networks[end].carry(self.now_ns, &phase, &bytes, overhead);
        if let Some(copy) = second {
            self.post(copy.at_ns, peer, from, bytes.clone());
        }
        if let Some(carried) = first {
            self.post(carried.at_ns, peer, from, carried.spoilt.unwrap_or(bytes));
        }
    }

    /// Planted mistakes of the wire, once the client has a session.
    fn plant_in(&mut self, end: usize, sent: &mut Vec<Sent>) {
        if self.planted || end != CLIENT || self.taps[end].counts[0] < 100 {
            return;
        }
        let Some(first) = sent.first_mut() else { return };
        match self.settings.plant {
            Plant::DoubleDatagram => {
                let (to, datagram) = (first.to, first.datagram.clone());
                sent.push(Sent { to, datagram, refused: false });
            }
            Plant::ReusedCounter => {
                let Some(forged) = self.taps[end].forge(first.datagram.len()) else { return };
                first.datagram = forged;
            }
            Plant::ShortDatagram => {
                first.datagram.pop();
            }
            Plant::SkippedSlot => sent.clear(),
            _ => return,
        }
        self.planted = true;
    }
}

/// Planted mistakes of the schedule: what the slot after this one is moved and shortened by.
fn planted(plant: Plant, last: LastSlot, length: usize) -> [u64; 2] {
    match plant {
        Plant::MovedByTraffic => [last.begins.into(), 0],
        Plant::MovedByLateness => [last.called_ns.saturating_sub(last.deadline_ns), 0],
        Plant::MovedByLength => [(last.length != length).into(), 0],
        Plant::LengthByTraffic => [0, last.begins.into()],
        _ => [0, 0],
    }
}

/// Each deadline once, none in a burst, and each interval within the timing's.
fn check_deadline(last: LastSlot, deadline_ns: u64, asked: Asked) -> Result<(), String> {
    let Asked { interval_ns, jitter_ns, .. } = asked;
    if deadline_ns <= last.deadline_ns || deadline_ns < last.called_ns {
        return Err("a second datagram for deadlines that had passed".to_owned());
    }
    let gap_ns = deadline_ns - last.deadline_ns;
    let intervals = last.passed + 1;
    let bounds = intervals * (interval_ns - jitter_ns)..=intervals * (interval_ns + jitter_ns);
    if !bounds.contains(&gap_ns) {
        return Err(format!("{gap_ns} ns between two deadlines, {} missed between them", last.passed));
    }
    Ok(())
}
