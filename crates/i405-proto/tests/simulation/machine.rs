//! The handshake machine that TypeScript is, as small as it can be: attempts, responses, confirmation, rekey, expiry.

use std::net::SocketAddr;

use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::{KIND_INITIATION, KIND_RESPONSE};
use i405_proto::inbound::Role;
use i405_proto::packer::CONTROL_CLOSE;

use crate::receiver::{Event, Receiver};
use crate::secrets::{self, SessionId};
use crate::sender::{Carousel, Sender};
use crate::settings::MS;
use crate::world::{CLIENT, End, SERVER, World};

/// The server's first deadline is so long after the initiation, and one drawn interval.
const START_DELAY_NS: u64 = 500 * MS;
/// While an older session is alive, every so many slots are the handshake's.
const BESIDE_A_SESSION: u32 = 8;

pub struct Machine {
    role: Role,
    /// Restarts so far: a restarted server makes other sessions of the same stamps.
    life: u64,
    newest: u32,
    stamps: [Option<u64>; 2],
    confirmed: Option<u32>,
    /// What came, for the tests.
    pub attempts_heard: Vec<u64>,
    pub stale: Vec<u64>,
    pub sources: Vec<Endpoint>,
    pub closes: u32,
}

impl Machine {
    pub fn new(role: Role, life: u64) -> Self {
        Machine {
            role,
            life,
            newest: 0,
            stamps: [None; 2],
            confirmed: None,
            attempts_heard: Vec::new(),
            stale: Vec::new(),
            sources: Vec::new(),
            closes: 0,
        }
    }

    /// Whether a datagram of the peer's opened under the newest generation.
    pub fn is_confirmed(&self) -> bool {
        self.confirmed == Some(self.newest)
    }

    /// Client: a fresh handshake, in every slot.
    pub fn attempt(&mut self, stamp: u64, server: SocketAddr, sender: &mut Sender, receiver: &mut Receiver) {
        self.stamps = [Some(stamp), self.stamps[0]];
        receiver.inbound.expect_stamps(self.stamps);
        sender.offer(Some(Carousel {
            kind: KIND_INITIATION,
            stamp,
            message: secrets::initiation(stamp),
            every: 1,
            endpoint: server.into(),
        }));
    }

    pub fn handle(&mut self, now_ns: u64, event: Event, sender: &mut Sender, receiver: &mut Receiver) {
        match event {
            Event::Handshake { stamp, message, source, received_ns } if self.role == Role::Server => {
                assert!(message == secrets::initiation(stamp), "an initiation came altered");
                self.attempts_heard.push(stamp);
                self.answer(now_ns, stamp, source, sender, receiver);
                sender.start(received_ns + START_DELAY_NS);
            }
            Event::Handshake { stamp, message, .. } => {
                assert!(self.stamps.contains(&Some(stamp)), "a response to what nobody asked");
                self.stamps = [None; 2];
                receiver.inbound.expect_stamps(self.stamps);
                sender.offer(None);
                let id = secrets::session_of(&message);
                let generation = self.install(now_ns, id, receiver);
                sender.send_under(Some((generation, id)), Some(stamp));
            }
            Event::Opened(generation, source) => {
                self.confirmed = Some(generation);
                receiver.set_current(generation);
                sender.opened(generation);
                if self.role == Role::Server {
                    receiver.inbound.ask(generation, source, now_ns);
                    sender.offer(None);
                    let id = receiver.session(generation).expect("it has just opened");
                    sender.send_under(Some((generation, id)), None);
                }
            }
            Event::Sources(sources) => {
                sender.move_carousel(&sources);
                self.sources = sources;
            }
            Event::Challenged(token) => sender.echo(token),
            Event::Control(kind) => self.closes += u32::from(kind == CONTROL_CLOSE),
            Event::Stale(stamp) => self.stale.push(stamp),
            Event::Packet(_) => unreachable!("packets are the ledger's"),
        }
    }

    /// Server: the response goes round until something opens under the pending key.
    fn answer(&mut self, now_ns: u64, stamp: u64, source: Endpoint, sender: &mut Sender, receiver: &mut Receiver) {
        let id = stamp << 8 | self.life;
        self.install(now_ns, id, receiver);
        sender.offer(Some(Carousel {
            kind: KIND_RESPONSE,
            stamp,
            message: secrets::response(id),
            every: if sender.session().is_some() { BESIDE_A_SESSION } else { 1 },
            endpoint: source,
        }));
    }

    fn install(&mut self, now_ns: u64, id: SessionId, receiver: &mut Receiver) -> u32 {
        self.newest += 1;
        receiver.install(self.newest, id, now_ns);
        self.newest
    }
}

/// What the reporter does with what the receiver knows of where the client is.
pub fn look_at_sources(sender: &mut Sender, receiver: &mut Receiver) {
    if let Some(challenges) = receiver.inbound.take_challenges() {
        sender.challenge(challenges);
    }
    if let Some(believed) = receiver.inbound.take_believed() {
        sender.endpoint = believed.source;
    }
}

impl World {
    /// What is left of a handshake once its messages have come: the client sends under the new key and announces its
    /// stamp, the server waits for that.
    pub fn introduce(&mut self) {
        let stamp = self.wall_ms();
        let (id, now_ns) = (stamp << 8, self.now_ns);
        let [client, server] = &mut self.ends;
        server.machine.install(now_ns, id, &mut server.receiver);
        server.sender.start(now_ns);
        let generation = client.machine.install(now_ns, id, &mut client.receiver);
        client.sender.send_under(Some((generation, id)), Some(stamp));
    }

    /// What a rekey does once its messages are exchanged: both ends have the new key for receiving, the client sends
    /// under it at once, the server when a datagram of it has opened.
    pub fn rekey(&mut self) {
        let id = 1 << 63 | self.now_ns;
        let now_ns = self.now_ns;
        let [client, server] = &mut self.ends;
        server.machine.install(now_ns, id, &mut server.receiver);
        let generation = client.machine.install(now_ns, id, &mut client.receiver);
        client.sender.send_under(Some((generation, id)), None);
    }

    /// Both ends forget their keys.
    pub fn expire(&mut self) {
        for end in [CLIENT, SERVER] {
            let End { sender, receiver, machine, .. } = &mut self.ends[end];
            (1..=machine.newest).for_each(|generation| receiver.forget(generation));
            sender.send_under(None, None);
        }
    }
}
