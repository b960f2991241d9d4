//! Both ends and the network between them, in virtual time: whatever is next happens next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use i405_proto::inbound::Role;

use crate::ledger::Slot;
use crate::machine::{Machine, look_at_sources};
use crate::network::{Network, stranger};
use crate::receiver::{Event, Receiver};
use crate::sender::Sender;
use crate::settings::{Direction, Faults, Load, MS, S, Settings};

pub const CLIENT: usize = 0;
pub const SERVER: usize = 1;

/// When a run begins: any instant but zero.
const BEGIN_NS: u64 = 1000 * S;
/// The wall clock then.
const WALL_MS: u64 = 1_700_000_000_000;

pub fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 1405))
}

pub struct End {
    pub address: SocketAddr,
    pub sender: Sender,
    pub receiver: Receiver,
    pub machine: Machine,
}

/// A datagram under way. Ordered by time, and what was sent first comes first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    at_ns: u64,
    order: u64,
    to: SocketAddr,
    from: SocketAddr,
    bytes: Vec<u8>,
    /// Of the one that is as it was sent: what is in it, and whose it is.
    slot: Option<(usize, Slot)>,
}

pub struct World {
    pub settings: Settings,
    pub now_ns: u64,
    pub ends: [End; 2],
    networks: [Network; 2],
    arrivals: BinaryHeap<Reverse<Arrival>>,
    order: u64,
    lives: u64,
    /// The newest datagram that has come from each end.
    newest: [u64; 2],
    /// Data datagrams that came after a later one of the same end.
    pub overtaken: usize,
    /// Datagrams that went from the client to the server, if they are recorded.
    pub recording: Option<Vec<Vec<u8>>>,
}

impl World {
    /// Two ends that have never heard of each other; the client's slots begin now.
    pub fn new(settings: Settings) -> Self {
        let (client, server) = (address(1), address(2));
        let end = |role, own, peer: SocketAddr, knows, out, into| End {
            address: own,
            sender: Sender::new(&settings, settings.wire(out), peer.into(), 0),
            receiver: Receiver::new(role, knows, settings.wire(into), WALL_MS - 5000),
            machine: Machine::new(role, 0),
        };
        let mut world = World {
            settings,
            now_ns: BEGIN_NS,
            ends: [
                end(Role::Client, client, server, Some(server), Direction::Up, Direction::Down),
                end(Role::Server, server, client, None, Direction::Down, Direction::Up),
            ],
            networks: [Network::new(&settings, Direction::Up), Network::new(&settings, Direction::Down)],
            arrivals: BinaryHeap::new(),
            order: 0,
            lives: 0,
            newest: [0; 2],
            overtaken: 0,
            recording: None,
        };
        world.ends[CLIENT].sender.start(BEGIN_NS);
        world
    }

    /// Two ends with a session, without the handshake that would have made it: carousels take long in a debug build.
    pub fn acquainted(settings: Settings) -> Self {
        let mut world = World::new(settings);
        world.introduce();
        world.run_until_connected();
        world
    }

    /// Two ends with a session that came of a handshake.
    pub fn connected(settings: Settings) -> Self {
        let mut world = World::new(settings);
        world.attempt();
        world.run_until_connected();
        world
    }

    pub fn wall_ms(&self) -> u64 {
        WALL_MS + (self.now_ns - BEGIN_NS) / MS
    }

    /// The client begins a handshake.
    pub fn attempt(&mut self) -> u64 {
        let stamp = self.wall_ms();
        let (client, server) = (&mut self.ends[CLIENT], address(2));
        client.machine.attempt(stamp, server, &mut client.sender, &mut client.receiver);
        stamp
    }

    /// The server forgets everything but what it is told about the floor.
    pub fn restart_server(&mut self, floor_ms: u64) {
        self.lives += 1;
        let (up, down) = (self.settings.up, self.settings.down);
        let server = &mut self.ends[SERVER];
        let old =
            std::mem::replace(&mut server.sender, Sender::new(&self.settings, down, address(1).into(), self.lives));
        server.receiver = Receiver::new(Role::Server, None, up, floor_ms);
        server.machine = Machine::new(Role::Server, self.lives);
        // The queue and the account of it go on; what was under way in the old server never comes.
        server.sender.traffic = old.traffic;
        server.sender.ledger = old.ledger;
        server.sender.ledger.abandon();
    }

    /// Whether both ends send under one session and have heard of each other.
    pub fn is_connected(&self) -> bool {
        let [client, server] = &self.ends;
        let id = |end: &End| end.sender.session().map(|(_, id)| id);
        id(client).is_some()
            && id(client) == id(server)
            && client.machine.is_confirmed()
            && client.sender.offering().is_none()
    }

    /// Runs until then, which must be within a simulated minute or two.
    pub fn run_until_connected(&mut self) {
        let limit_ns = self.now_ns + 120 * S;
        while !self.is_connected() {
            assert!(self.now_ns < limit_ns, "no session after two minutes");
            self.step();
        }
    }

    /// Runs until the client has sent so many more slots.
    pub fn run_slots(&mut self, slots: usize) {
        let until = self.ends[CLIENT].sender.log.len() + slots;
        while self.ends[CLIENT].sender.log.len() < until {
            self.step();
        }
    }

    pub fn run_for(&mut self, duration_ns: u64) {
        let until_ns = self.now_ns + duration_ns;
        while self.next_ns().is_some_and(|next_ns| next_ns <= until_ns) {
            self.step();
        }
        self.now_ns = until_ns;
    }

    /// Nothing more is offered: runs until everything is out, has arrived, and nobody waits for anything.
    pub fn drain(&mut self) {
        for end in &mut self.ends {
            end.sender.traffic.load = Load::Idle;
        }
        let limit_ns = self.now_ns + 3600 * S;
        while !self.ends.iter().all(|end| end.sender.is_empty()) {
            assert!(self.now_ns < limit_ns, "something is never sent");
            self.step();
        }
        let slowest_ns = self.settings.up.timing.interval_ns().max(self.settings.down.timing.interval_ns());
        let intervals = if self.settings.faults.held_back > 0 { 320 } else { 20 };
        self.run_for(self.settings.faults.latency_ns + intervals * slowest_ns);
    }

    /// From here on the network is another.
    pub fn set_faults(&mut self, faults: Faults) {
        self.settings.faults = faults;
        self.networks = [Network::new(&self.settings, Direction::Up), Network::new(&self.settings, Direction::Down)];
    }

    /// When something happens next, and what: a slot, an arrival or a timer.
    fn next_ns(&self) -> Option<u64> {
        let calls = self.ends.iter().filter_map(|end| end.sender.next_call_ns());
        let timers = self.ends.iter().filter_map(|end| end.receiver.inbound.next_timer_ns());
        let arrival = self.arrivals.peek().map(|Reverse(arrival)| arrival.at_ns);
        calls.chain(timers).chain(arrival).min()
    }

    /// The next thing happens.
    pub fn step(&mut self) {
        let next_ns = self.next_ns().expect("the client's slots go on for ever");
        assert!(next_ns >= self.now_ns, "time runs backwards");
        self.now_ns = next_ns;
        if self.arrivals.peek().is_some_and(|Reverse(arrival)| arrival.at_ns == next_ns) {
            let Reverse(arrival) = self.arrivals.pop().expect("just seen");
            self.arrive(arrival);
            return;
        }
        for end in [CLIENT, SERVER] {
            if self.ends[end].receiver.inbound.next_timer_ns().is_some_and(|timer_ns| timer_ns <= next_ns) {
                let events = self.ends[end].receiver.on_timer(next_ns);
                self.handle(end, events);
                return;
            }
            if self.ends[end].sender.next_call_ns() == Some(next_ns) {
                self.send(end);
                return;
            }
        }
    }

    fn send(&mut self, end: usize) {
        let datagram = self.ends[end].sender.slot();
        let from = self.ends[end].address;
        if let Some(recording) = self.recording.as_mut().filter(|_| end == CLIENT) {
            recording.push(datagram.bytes.clone());
        }
        let carried = self.networks[end].carry(self.now_ns, &datagram.bytes);
        match carried.intact_ns {
            Some(at_ns) => {
                let slot = datagram.slot.map(|slot| (end, slot));
                self.post(at_ns, datagram.to, from, datagram.bytes, slot);
            }
            None => datagram.slot.into_iter().for_each(|slot| self.ends[end].sender.ledger.lose(slot)),
        }
        for (at_ns, others, bytes) in carried.others {
            self.post(at_ns, datagram.to, if others { stranger() } else { from }, bytes, None);
        }
    }

    fn post(&mut self, at_ns: u64, to: SocketAddr, from: SocketAddr, bytes: Vec<u8>, slot: Option<(usize, Slot)>) {
        self.order += 1;
        self.arrivals.push(Reverse(Arrival { at_ns, order: self.order, to, from, bytes, slot }));
    }

    fn arrive(&mut self, arrival: Arrival) {
        let at = self.ends.iter().position(|end| end.address == arrival.to);
        if let Some((from, _)) = arrival.slot {
            self.overtaken += usize::from(arrival.order < self.newest[from]);
            self.newest[from] = self.newest[from].max(arrival.order);
        }
        if let Some((from, slot)) = arrival.slot
            && at.is_none_or(|end| !self.ends[end].receiver.knows(slot.0))
        {
            // Nobody is there, or nobody has the key any more.
            self.ends[from].sender.ledger.lose(slot);
        }
        let Some(end) = at else { return };
        let wall_ms = self.wall_ms();
        let events = self.ends[end].receiver.receive(self.now_ns, wall_ms, arrival.from, &arrival.bytes);
        self.handle(end, events);
    }

    fn handle(&mut self, end: usize, events: Vec<Event>) {
        for event in events {
            if let Event::Packet(packet) = event {
                self.ends[1 - end].sender.ledger.deliver(&packet);
            } else {
                let End { sender, receiver, machine, .. } = &mut self.ends[end];
                machine.handle(self.now_ns, event, sender, receiver);
            }
        }
        let End { sender, receiver, .. } = &mut self.ends[end];
        look_at_sources(sender, receiver);
    }
}
