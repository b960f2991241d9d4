//! A peer to receive from, and a sink that writes down what it is told.

use std::net::SocketAddr;

use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::{Head, INITIATION_IKPSK2, KIND_INITIATION, Unwrapper, VERSION, Wrapper, fragments};
use i405_proto::inbound::{
    HandshakeMessage, Inbound, InboundConfig, InboundCounters, InboundSink, InstallError, NewSession, OpenedDatagram,
    OtherVersion, ReceivingKey, Role,
};
use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::seal::Sealer;

pub const MS: u64 = 1_000_000;
pub const S: u64 = 1000 * MS;
pub const FLOOR: u64 = 1000;
/// Length of the tests' data datagrams.
pub const N: usize = 200;

const WRAP: [u8; 32] = [0x11; 32];
const MASK: [u8; 32] = [0x22; 32];

pub fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 1405))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Packet(Vec<u8>),
    Control(u32, u8, Vec<u8>),
    Handshake { kind: u8, version: u8, stamp: u64, message: Vec<u8>, source: SocketAddr, length: usize, received: u64 },
    OtherVersion(OtherVersion),
    Stale(u64, u64),
    Opened(u32, SocketAddr, u64),
    Sources(u64, Vec<SocketAddr>),
    Challenged(u64),
    Heard(OpenedDatagram),
}

#[derive(Default)]
pub struct Recorder(pub Vec<Event>);

impl InboundSink for Recorder {
    fn packet(&mut self, inner: &[u8]) {
        self.0.push(Event::Packet(inner.to_vec()));
    }
    fn control(&mut self, generation: u32, kind: u8, body: &[u8]) {
        self.0.push(Event::Control(generation, kind, body.to_vec()));
    }
    fn handshake(&mut self, m: HandshakeMessage<'_>) {
        self.0.push(Event::Handshake {
            kind: m.kind,
            version: m.version,
            stamp: m.stamp,
            message: m.message.to_vec(),
            source: m.source.address,
            length: m.datagram_length,
            received: m.received_ns,
        });
    }
    fn other_version(&mut self, initiation: OtherVersion) {
        self.0.push(Event::OtherVersion(initiation));
    }
    fn stale(&mut self, stamp: u64, floor_ms: u64) {
        self.0.push(Event::Stale(stamp, floor_ms));
    }
    fn opened(&mut self, generation: u32, source: Endpoint, received_ns: u64) {
        self.0.push(Event::Opened(generation, source.address, received_ns));
    }
    fn handshake_sources(&mut self, stamp: u64, sources: &mut dyn Iterator<Item = Endpoint>) {
        self.0.push(Event::Sources(stamp, sources.map(|source| source.address).collect()));
    }
    fn challenged(&mut self, token: u64) {
        self.0.push(Event::Challenged(token));
    }
    fn heard(&mut self, datagram: OpenedDatagram) {
        self.0.push(Event::Heard(datagram));
    }
}

/// A receiver with its recorder, a clock that tests set, and the peer's wrapper.
pub struct Receiver {
    pub inbound: Inbound,
    pub now_ns: u64,
    pub wall_ms: u64,
    wrapper: Wrapper,
    nonces: u64,
}

impl Receiver {
    pub fn server() -> Self {
        Self::with(Role::Server, None, None)
    }

    pub fn client(server: SocketAddr) -> Self {
        Self::with(Role::Client, Some(server), None)
    }

    pub fn with(role: Role, peer: Option<SocketAddr>, max_stamp_age_ms: Option<u64>) -> Self {
        let inbound = Inbound::new(InboundConfig {
            role,
            peer,
            unwrapper: Unwrapper::new(&WRAP, &MASK),
            initiation_length: INITIATION_IKPSK2,
            floor_ms: FLOOR,
            max_stamp_age_ms,
            max_datagram: 1472,
            seed: [0x33; 32],
        });
        Self { inbound, now_ns: 10 * S, wall_ms: 5000, wrapper: Wrapper::new(&WRAP, &MASK), nonces: 0 }
    }

    /// What comes of a datagram. The kernel received it 1 us ago.
    pub fn receive(&mut self, source: impl Into<Endpoint>, datagram: &[u8]) -> Vec<Event> {
        let mut recorder = Recorder::default();
        self.inbound.receive(self.now_ns, self.now_ns - 1000, self.wall_ms, source, datagram, &mut recorder);
        recorder.0
    }

    pub fn timer(&mut self) -> Vec<Event> {
        let mut recorder = Recorder::default();
        self.inbound.on_timer(self.now_ns, &mut recorder);
        recorder.0
    }

    /// Installs a generation; returns the peer's sealer for it.
    pub fn install(&mut self, generation: u32) -> Sealer {
        self.install_under(generation, generation as u8)
    }

    /// Two generations of one salt have the same keys, which only a test may do.
    pub fn install_under(&mut self, generation: u32, salt: u8) -> Sealer {
        self.try_install(session(generation, salt)).expect("a new generation");
        Sealer::new(Aead::Aes256Gcm, keys(salt))
    }

    pub fn try_install(&mut self, session: NewSession) -> Result<(), InstallError> {
        let key = Box::new(ReceivingKey::new(session, 3)?);
        self.inbound.install(key, self.now_ns)
    }

    /// One fragment under a fresh nonce.
    pub fn wrap(&mut self, head: Head, message: &[u8], n: usize) -> Vec<u8> {
        self.nonces += 1;
        let mut nonce = [0x77; 16];
        nonce[..8].copy_from_slice(&self.nonces.to_le_bytes());
        let mut datagram = vec![0; n];
        self.wrapper.wrap(&head, message, &nonce, &mut datagram);
        datagram
    }

    /// All fragments of an initiation, once.
    pub fn initiation(&mut self, stamp: u64, n: usize) -> Vec<Vec<u8>> {
        let message = initiation_message(stamp);
        let count = fragments(n, message.len()) as u8;
        let head = |fragment| Head { version: VERSION, kind: KIND_INITIATION, fragment, stamp };
        (0..count).map(|fragment| self.wrap(head(fragment), &message, n)).collect()
    }

    pub fn counters(&self) -> InboundCounters {
        self.inbound.counters()
    }
}

pub fn initiation_message(stamp: u64) -> Vec<u8> {
    (0..INITIATION_IKPSK2).map(|at| (at as u64 * 7 + stamp) as u8).collect()
}

fn keys(salt: u8) -> DirectionKeys {
    DirectionKeys { key: [salt; 32], iv: [salt ^ 0x0f; 12], mask: [salt ^ 0xf0; 32] }
}

pub fn session(generation: u32, salt: u8) -> NewSession {
    NewSession { generation, aead: Aead::Aes256Gcm, keys: keys(salt), receive_length: N, receive_interval_ns: MS }
}

/// An IPv4 packet of this length.
pub fn packet(length: u16, fill: u8) -> Vec<u8> {
    let mut packet = vec![fill; usize::from(length)];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet
}

/// A sealed datagram with these blocks from the start and padding after them.
pub fn data(sealer: &mut Sealer, blocks: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0; N];
    datagram[6..6 + blocks.len()].copy_from_slice(blocks);
    sealer.seal(&mut datagram).expect("few datagrams");
    datagram
}

/// Those among the events that aren't about where an initiation came from.
pub fn but_sources(events: Vec<Event>) -> Vec<Event> {
    events.into_iter().filter(|event| !matches!(event, Event::Sources(..))).collect()
}

/// A control block of this kind.
pub fn control(kind: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = (body.len() as u16).to_be_bytes();
    [&[0xf0 | kind, high, low], body].concat()
}
