//! Both hosts and the network between them: whatever is next happens next.

mod arrival;
mod calm;
mod checks;
mod lengths;
mod slots;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::net::SocketAddr;

use i405_random::Random;
use i405_rt::Event;
use i405_rt::simulation::{Sent, Unmanned};

use crate::attacker::{Attacker, Forged};
use crate::host::{Host, Life, Queued, REPORT_NS};
use crate::ledger::Ledger;
use crate::network::Network;
use crate::script::{Deed, Phase, Script};
use crate::settings::{CLIENT, MS, SERVER, Settings};
use crate::sink::Mailbox;
use crate::tap::Tap;

use arrival::Arrival;
use calm::Calm;
pub use calm::Figures;

/// Why JavaScript is entered.
pub enum Entry {
    /// Events of an end's tunnel.
    Events(usize, Vec<Event>),
    /// The timer of an end that is due first.
    Timer(usize),
    /// The process of an end was killed.
    Killed(usize),
    /// The process of an end is started.
    Started(usize),
    /// The run is over.
    Over,
}

/// What may be next.
#[derive(Clone, Copy)]
enum Next {
    Over,
    Phase,
    Deed,
    Arrival,
    Queued(usize),
    Start(usize),
    Receiver(usize),
    Slot(usize),
    Report(usize),
    Events(usize),
    Timer(usize),
}

/// A slot that was called.
#[derive(Clone, Copy)]
pub struct Noted {
    /// Which deadline of its process it had, counted from 0 with those that were missed.
    pub number: u64,
    /// CLOCK_MONOTONIC.
    pub deadline_ns: u64,
    /// UDP payload, bytes.
    pub length: u64,
}

/// The whole simulation.
pub struct World {
    settings: Settings,
    script: Script,
    phase: usize,
    deed: usize,
    now_ns: u64,
    hosts: [Host; 2],
    taps: [Tap; 2],
    /// Packets up and down.
    ledgers: [Ledger; 2],
    networks: [Network; 2],
    attacker: Attacker,
    arrivals: BinaryHeap<Reverse<Arrival>>,
    order: u64,
    stamps: HashSet<u64>,
    /// The newest stamp that a server has acted on, in any of its lives.
    acted: Option<u64>,
    calm: Calm,
    program: Random,
    sent: Vec<Sent>,
    /// The datagrams' lengths that there may be, up and down.
    rungs: [HashSet<usize>; 2],
    timetables: [Vec<Noted>; 2],
    packet: Vec<u8>,
    planted: bool,
    figures: Figures,
}

impl World {
    /// Nobody runs yet: both ends are started at once, the server first.
    pub fn new(settings: Settings) -> Self {
        let (script, seed) = (Script::new(&settings), settings.seed);
        let address = |last| SocketAddr::from(([192, 0, 2, last], 1405));
        let host = |end: usize| Host::new(seed, end, address(1 + end as u8), script.wall_offset_ms[end]);
        let mut hosts = [host(CLIENT), host(SERVER)];
        for host in &mut hosts {
            host.revive_ns = Some(0);
        }
        for (host, route_mtu) in hosts.iter_mut().zip(script.phases[0].way.routes) {
            host.route_mtu = route_mtu;
        }
        World {
            settings,
            phase: 0,
            deed: 0,
            now_ns: 0,
            hosts,
            taps: [Tap::new(), Tap::new()],
            ledgers: [Ledger::new(seed, "packets up"), Ledger::new(seed, "packets down")],
            networks: [Network::new(seed, 0), Network::new(seed, 1)],
            attacker: Attacker::new(seed),
            arrivals: BinaryHeap::new(),
            order: 0,
            stamps: HashSet::new(),
            acted: None,
            calm: Calm::default(),
            program: Random::stream(seed, "program"),
            sent: Vec::new(),
            rungs: [HashSet::new(), HashSet::new()],
            timetables: [Vec::new(), Vec::new()],
            packet: Vec::new(),
            planted: false,
            figures: Figures::default(),
            script,
        }
    }

    fn phase(&self) -> &Phase {
        &self.script.phases[self.phase]
    }

    /// World time, ns since the begin of the run.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// What runs in JavaScript next runs on this host.
    pub fn enter(&self, end: usize) {
        self.hosts[end].enter(self.now_ns);
    }

    /// An end's wall clock.
    pub fn wall_ms(&self, end: usize) -> u64 {
        self.hosts[end].clocks(self.now_ns).realtime_ns / MS
    }

    /// JavaScript has opened this end's tunnel.
    pub fn adopt(&mut self, end: usize, unmanned: Unmanned, mailbox: Mailbox) {
        self.ledgers[end].restarted();
        self.hosts[end].has_run = true;
        self.hosts[end].life = Some(Life::new(unmanned, mailbox, self.now_ns));
    }

    /// Goes on until JavaScript is to do something. `timers`: when its next one is due, by end, CLOCK_MONOTONIC.
    ///
    /// # Errors
    /// An invariant that is broken.
    pub fn run(&mut self, timers: [Option<u64>; 2]) -> Result<Entry, String> {
        let calm = self.phase().calm;
        for host in &mut self.hosts {
            let now_ns = self.now_ns;
            host.enter(now_ns);
            if let Some(life) = &mut host.life {
                life.unmanned.wake_receiver();
                if life.call.is_none() {
                    life.unmanned.release(0);
                }
            }
            host.plan(calm, self.settings.waking);
        }
        loop {
            let (at_ns, next) = self.next(timers);
            self.now_ns = self.now_ns.max(at_ns);
            if let Some(entry) = self.happen(next).map_err(|what| self.explain(&what))? {
                return Ok(entry);
            }
        }
    }

    fn next(&self, timers: [Option<u64>; 2]) -> (u64, Next) {
        let mut first = (self.settings.duration_ns, Next::Over);
        let mut consider = |at_ns: u64, next: Next| {
            if at_ns < first.0 {
                first = (at_ns, next);
            }
        };
        if let Some(phase) = self.script.phases.get(self.phase + 1) {
            consider(phase.from_ns, Next::Phase);
        }
        if let Some((at_ns, _)) = self.script.deeds.get(self.deed) {
            consider(*at_ns, Next::Deed);
        }
        if let Some(Reverse(arrival)) = self.arrivals.peek() {
            consider(arrival.at_ns, Next::Arrival);
        }
        for end in [CLIENT, SERVER] {
            let host = &self.hosts[end];
            if let Some(revive_ns) = host.revive_ns {
                consider(revive_ns, Next::Start(end));
            }
            let Some(life) = &host.life else { continue };
            if !host.queued.is_empty() {
                consider(host.stalled_until_ns, Next::Queued(end));
            }
            if let Some(timer_ns) = life.unmanned.timer_ns() {
                consider(host.world_ns(timer_ns), Next::Receiver(end));
            }
            if let Some((_, called_ns)) = life.call {
                consider(host.world_ns(called_ns), Next::Slot(end));
            }
            consider(life.next_report_ns.max(host.stalled_until_ns), Next::Report(end));
            let program_ns = host.program_until_ns.max(host.stalled_until_ns);
            if let Some(hand_over_ns) = life.hand_over_ns {
                consider(hand_over_ns.max(program_ns), Next::Events(end));
            }
            if let Some(timer_ns) = timers[end] {
                consider(host.world_ns(timer_ns).max(program_ns), Next::Timer(end));
            }
        }
        first
    }

    fn happen(&mut self, next: Next) -> Result<Option<Entry>, String> {
        let now_ns = self.now_ns;
        match next {
            Next::Over => {
                self.end_calm()?;
                return Ok(Some(Entry::Over));
            }
            Next::Phase => {
                self.end_calm()?;
                self.phase += 1;
                let routes = self.phase().way.routes;
                for (host, route_mtu) in self.hosts.iter_mut().zip(routes) {
                    host.route_mtu = route_mtu;
                }
                self.begin_calm();
            }
            Next::Deed => {
                let (_, deed) = self.script.deeds[self.deed];
                self.deed += 1;
                return Ok(self.act(deed));
            }
            Next::Arrival => {
                if let Some(Reverse(arrival)) = self.arrivals.pop() {
                    self.arrive(arrival)?;
                }
            }
            Next::Queued(end) => {
                if let Some(queued) = self.hosts[end].queued.pop_front() {
                    self.receive(end, queued)?;
                }
            }
            Next::Start(end) => {
                let host = &mut self.hosts[end];
                host.revive_ns = None;
                if !self.settings.state_files || !host.has_run {
                    // Without anything in a state file the wall clock has to be right when an end starts.
                    host.wall_offset_ms = self.script.wall_offset_ms[end];
                }
                self.enter(end);
                return Ok(Some(Entry::Started(end)));
            }
            Next::Receiver(end) => {
                let clocks = self.hosts[end].enter(now_ns);
                if let Some(life) = &mut self.hosts[end].life {
                    life.unmanned.on_timer(clocks.monotonic_ns);
                }
                self.take_packets(end)?;
            }
            Next::Slot(end) => self.slot(end)?,
            Next::Report(end) => self.report(end)?,
            Next::Events(end) => {
                let Some(life) = &mut self.hosts[end].life else { return Ok(None) };
                life.hand_over_ns = None;
                let events = life.mailbox.take();
                self.check_events(end, &events)?;
                self.enter(end);
                return Ok(Some(Entry::Events(end, events)));
            }
            Next::Timer(end) => {
                self.enter(end);
                return Ok(Some(Entry::Timer(end)));
            }
        }
        Ok(None)
    }

    fn act(&mut self, deed: Deed) -> Option<Entry> {
        let now_ns = self.now_ns;
        self.figures.deeds += 1;
        match deed {
            Deed::Restart { end, down_ns } => {
                self.hosts[end].life.as_ref()?;
                self.start_later(end, down_ns);
                self.figures.restarts += 1;
                return Some(Entry::Killed(end));
            }
            Deed::Suspend { end, for_ns } => self.hosts[end].suspend(now_ns, for_ns),
            Deed::Stall { end, for_ns } => self.hosts[end].stall(now_ns, for_ns),
            Deed::SlowProgram { end, for_ns } => self.hosts[end].program_until_ns = now_ns + for_ns,
            Deed::StepWall { end, offset_ms } => {
                self.hosts[end].wall_offset_ms = self.script.wall_offset_ms[end] + offset_ms;
            }
            Deed::Roam => {
                self.figures.moves += 1;
                let host = (self.figures.moves % 250) as u8;
                self.hosts[CLIENT].address = SocketAddr::from(([198, 51, 100, host], 2000 + self.figures.moves as u16));
            }
            Deed::Replay { .. } | Deed::Reflect { .. } | Deed::Garbage { .. } => {
                let addresses = [self.hosts[CLIENT].address, self.hosts[SERVER].address];
                let length = self.hosts[CLIENT]
                    .life
                    .as_ref()
                    .and_then(|life| life.orders.newest())
                    .map_or(172, |asked| asked.length);
                for Forged { after_ns, to, from, bytes } in self.attacker.act(deed, addresses, length) {
                    self.figures.forged += 1;
                    self.post(now_ns + after_ns, to, from, bytes);
                }
            }
        }
        None
    }

    /// This end's process is over, and another one is started after this time.
    pub fn start_later(&mut self, end: usize, down_ns: u64) {
        self.hosts[end].die(self.now_ns + down_ns);
    }

    fn post(&mut self, at_ns: u64, to: usize, from: SocketAddr, bytes: Vec<u8>) {
        self.order += 1;
        let address = self.hosts[to].address;
        self.arrivals.push(Reverse(Arrival { at_ns, order: self.order, to, address, from, bytes }));
    }

    fn arrive(&mut self, Arrival { to, address, from, bytes, .. }: Arrival) -> Result<(), String> {
        let host = &mut self.hosts[to];
        if host.life.is_none() || host.address != address {
            return Ok(());
        }
        let queued = Queued { from, bytes, received_realtime_ns: host.clocks(self.now_ns).realtime_ns };
        if host.stalled_until_ns > self.now_ns || !host.queued.is_empty() {
            host.queued.push_back(queued);
            return Ok(());
        }
        self.receive(to, queued)
    }

    fn receive(&mut self, end: usize, Queued { from, bytes, received_realtime_ns }: Queued) -> Result<(), String> {
        self.enter(end);
        if let Some(life) = &mut self.hosts[end].life {
            life.unmanned.receive(from, bytes, received_realtime_ns);
        }
        self.take_packets(end)
    }

    fn take_packets(&mut self, end: usize) -> Result<(), String> {
        let Some(life) = &mut self.hosts[end].life else { return Ok(()) };
        while life.unmanned.pop_packet(&mut self.packet) {
            self.ledgers[1 - end].hand_over(&mut self.packet, self.now_ns, self.settings.plant)?;
        }
        Ok(())
    }

    /// A period of the reporter's, and of the program that writes packets.
    fn report(&mut self, end: usize) -> Result<(), String> {
        let now_ns = self.now_ns;
        self.enter(end);
        let delay_ns = self.program.below(2 * MS);
        let Some(life) = &mut self.hosts[end].life else { return Ok(()) };
        let length = life.orders.newest().map_or(0, |asked| asked.length);
        for _ in 0..self.ledgers[end].offered(now_ns, self.settings.load, length) {
            if life.unmanned.write(self.ledgers[end].next_packet()) {
                self.ledgers[end].taken();
            }
        }
        life.unmanned.report();
        if life.hand_over_ns.is_none() && !life.mailbox.is_empty() {
            life.hand_over_ns = Some(now_ns + delay_ns);
        }
        // A thread that was stopped doesn't make up for its periods.
        life.next_report_ns = now_ns + REPORT_NS;
        self.look_whether_linked()
    }
}
