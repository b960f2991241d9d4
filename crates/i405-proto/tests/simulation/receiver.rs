//! The receiving half of an end, and what came out of it.

use std::net::SocketAddr;

use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::INITIATION_IKPSK2;
use i405_proto::inbound::{
    HandshakeMessage, Inbound, InboundConfig, InboundSink, NewSession, OpenedDatagram, OtherVersion, ReceivingKey, Role,
};

use crate::secrets::{self, SessionId};
use crate::settings::Wire;

/// How many later payloads are held before a missing one is given up: the default.
pub const REORDER_WINDOW: usize = 3;

/// What the machine hears of.
#[derive(Debug)]
pub enum Event {
    Packet(Vec<u8>),
    Control(u8),
    Handshake { stamp: u64, message: Vec<u8>, source: Endpoint, received_ns: u64 },
    Stale(u64),
    Opened(u32, Endpoint),
    Sources(Vec<Endpoint>),
    Challenged(u64),
}

#[derive(Default)]
struct Recorder(Vec<Event>);

impl InboundSink for Recorder {
    fn packet(&mut self, inner: &[u8]) {
        self.0.push(Event::Packet(inner.to_vec()));
    }
    fn control(&mut self, _generation: u32, kind: u8, _body: &[u8]) {
        self.0.push(Event::Control(kind));
    }
    fn handshake(&mut self, message: HandshakeMessage<'_>) {
        self.0.push(Event::Handshake {
            stamp: message.stamp,
            message: message.message.to_vec(),
            source: message.source,
            received_ns: message.received_ns,
        });
    }
    fn other_version(&mut self, initiation: OtherVersion) {
        panic!("nobody sent another version: {initiation:?}");
    }
    fn stale(&mut self, stamp: u64, _floor_ms: u64) {
        self.0.push(Event::Stale(stamp));
    }
    fn opened(&mut self, generation: u32, source: Endpoint, _received_ns: u64) {
        self.0.push(Event::Opened(generation, source));
    }
    fn handshake_sources(&mut self, _stamp: u64, sources: &mut dyn Iterator<Item = Endpoint>) {
        self.0.push(Event::Sources(sources.collect()));
    }
    fn challenged(&mut self, token: u64) {
        self.0.push(Event::Challenged(token));
    }
    fn heard(&mut self, _datagram: OpenedDatagram) {}
}

pub struct Receiver {
    pub inbound: Inbound,
    wire: Wire,
    /// Generations that open, with their sessions, upwards.
    live: Vec<(u32, SessionId)>,
    current: Option<u32>,
}

impl Receiver {
    /// `wire` is the direction that comes in.
    pub fn new(role: Role, peer: Option<SocketAddr>, wire: Wire, floor_ms: u64) -> Self {
        let inbound = Inbound::new(InboundConfig {
            role,
            peer,
            unwrapper: secrets::unwrapper(wire.direction),
            initiation_length: INITIATION_IKPSK2,
            floor_ms,
            max_stamp_age_ms: None,
            max_datagram: 1472,
            seed: [0x33; 32],
        });
        Receiver { inbound, wire, live: Vec::new(), current: None }
    }

    pub fn receive(&mut self, now_ns: u64, wall_ms: u64, source: SocketAddr, datagram: &[u8]) -> Vec<Event> {
        let mut recorder = Recorder::default();
        self.inbound.receive(now_ns, now_ns, wall_ms, source, datagram, &mut recorder);
        recorder.0
    }

    pub fn on_timer(&mut self, now_ns: u64) -> Vec<Event> {
        let mut recorder = Recorder::default();
        self.inbound.on_timer(now_ns, &mut recorder);
        assert!(self.inbound.next_timer_ns().is_none_or(|next_ns| next_ns > now_ns), "the timer stands still");
        recorder.0
    }

    pub fn install(&mut self, generation: u32, id: SessionId, now_ns: u64) {
        let session = NewSession {
            generation,
            aead: self.wire.aead,
            keys: secrets::session_keys(id, self.wire.direction),
            receive_length: self.wire.length,
            receive_interval_ns: self.wire.timing.interval_ns(),
        };
        let key = Box::new(ReceivingKey::new(session, REORDER_WINDOW).unwrap());
        self.inbound.install(key, now_ns).unwrap();
        self.live.push((generation, id));
    }

    /// The key that is replaced stays, those before it don't.
    pub fn set_current(&mut self, generation: u32) {
        self.inbound.set_current(generation);
        let replaced = self.current.replace(generation);
        self.live.retain(|(other, _)| *other >= generation || Some(*other) == replaced);
    }

    pub fn forget(&mut self, generation: u32) {
        self.inbound.forget(generation);
        self.live.retain(|(other, _)| *other != generation);
        self.current = self.current.filter(|current| *current != generation);
    }

    /// Whether datagrams of this session open.
    pub fn knows(&self, id: SessionId) -> bool {
        self.live.iter().any(|(_, live)| *live == id)
    }

    pub fn session(&self, generation: u32) -> Option<SessionId> {
        self.live.iter().find(|(live, _)| *live == generation).map(|(_, id)| *id)
    }
}
