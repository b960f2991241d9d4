//! A slot of either end: the dispatcher wakes up, sends, and everything that leaves is looked at.

use std::net::SocketAddr;

use i405_rt::simulation::take_sent;

use super::World;
use crate::host::{Asked, LastSlot};
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
        }
        life.unmanned.dispatch(0, called_ns);
        life.assembled = false;
        let missed = life.unmanned.counters().missed();
        let passed = missed - std::mem::replace(&mut life.missed, missed);
        let begun = life.unmanned.counters().dispatched(|each| &each.inner_packets);
        let begins = begun > std::mem::replace(&mut life.begun, begun);
        let last = life.last_slot.replace(LastSlot { deadline_ns, called_ns, passed, begins });
        let number = life.deadlines;
        life.deadlines += 1 + passed;
        let noted_ns = deadline_ns + last.map_or(0, |last| moved_ns(self.settings.plant, last));
        self.timetables[end].push((number, noted_ns));
        if let (Some(mut last), Some(asked)) = (last, life.asked) {
            if self.settings.plant == Plant::LateSlot && self.figures.slots > 1000 {
                last.deadline_ns -= asked.interval_ns;
            }
            check_deadline(last, deadline_ns, asked)?;
        }
        self.figures.slots += 1;
        self.figures.missed += passed;
        self.leave(end)?;
        let host = &mut self.hosts[end];
        if let Some(life) = &mut host.life
            && early
        {
            life.unmanned.release(0);
            life.assembled = life.unmanned.deadline_ns(0).is_some() && life.unmanned.assemble(0);
        }
        host.plan(calm, self.settings.waking);
        Ok(())
    }

    /// What a slot handed to the wire.
    fn leave(&mut self, end: usize) -> Result<(), String> {
        let now_ns = self.now_ns;
        let mut sent = std::mem::take(&mut self.sent);
        sent.clear();
        take_sent(&mut sent);
        self.plant_in(end, &mut sent);
        if sent.len() != 1 {
            return Err(format!("a slot sent {} datagrams", sent.len()));
        }
        let Some(datagram) = sent.pop() else { return Ok(()) };
        self.sent = sent;
        let Some(life) = &mut self.hosts[end].life else { return Ok(()) };
        let length = datagram.datagram.len();
        if life.asked.is_none_or(|asked| asked.length != length) {
            return Err(format!("a datagram of {length} bytes left"));
        }
        if end == SERVER {
            let since_ns = self.hosts[SERVER].clocks(now_ns).monotonic_ns;
            self.check_reason(since_ns)?;
        }
        let sight = self.taps[end].watch(&datagram.datagram)?;
        let Some(life) = &mut self.hosts[end].life else { return Ok(()) };
        if let Sight::Data(_) = sight {
            life.data_sent_ns = now_ns;
        }
        let begun = life.unmanned.counters().dispatched(|each| &each.inner_packets);
        self.ledgers[end].begun(begun, self.taps[end].newest_used(), now_ns);
        self.figures.mix(now_ns, &datagram.datagram);
        self.attacker.record(end, &datagram.datagram);
        self.travel(end, datagram.to, datagram.datagram);
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
        let [first, second] = self.networks[end].carry(self.now_ns, &phase, &bytes);
        if let Some(copy) = second {
            self.post(copy.at_ns, peer, from, bytes.clone());
        }
        if let Some(carried) = first {
            self.post(carried.at_ns, peer, from, carried.spoilt.unwrap_or(bytes));
        }
    }

    /// Planted mistakes of the wire, once the client has a session.
    fn plant_in(&mut self, end: usize, sent: &mut Vec<i405_rt::simulation::Sent>) {
        if self.planted || end != CLIENT || self.taps[end].counts[0] < 100 {
            return;
        }
        let Some(first) = sent.first_mut() else { return };
        match self.settings.plant {
            Plant::DoubleDatagram => {
                let (to, datagram) = (first.to, first.datagram.clone());
                sent.push(i405_rt::simulation::Sent { to, datagram });
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

/// Planted mistakes of the schedule: what it is moved by after this slot.
fn moved_ns(plant: Plant, last: LastSlot) -> u64 {
    match plant {
        Plant::MovedByTraffic => last.begins.into(),
        Plant::MovedByLateness => last.called_ns.saturating_sub(last.deadline_ns),
        _ => 0,
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
