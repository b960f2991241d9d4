//! What comes out of the receiver, and what must hold of each of it.

use std::collections::BTreeSet;

use i405_proto::block::inner_length;
use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::{KIND_RESPONSE, KIND_WRONG_VERSION, MAX_STAMP, VERSION};
use i405_proto::inbound::{HandshakeMessage, InboundSink, OpenedDatagram, OtherVersion, Role};
use i405_proto::sources::MOST_SOURCES;

use crate::packet::number_of;

/// Bytes of a handshake message of a kind: by its stamp, so that a mixture is recognised.
pub fn message(kind: u8, stamp: u64, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u64 * 7 + stamp * 3 + u64::from(kind)) as u8).collect()
}

/// Takes everything and checks it.
pub struct Heard {
    pub role: Role,
    /// Whether a peer that misbehaves has sent: its packets are its own then.
    pub hostile: bool,
    pub packets: BTreeSet<u32>,
    /// How many packets were sent.
    pub sent: u32,
    /// Generations that were installed.
    pub newest: u32,
    pub first_opened: BTreeSet<u32>,
    /// Server: the floor as it was last seen.
    pub floor_ms: u64,
    /// Client: the stamps that are waited for.
    pub expected: [Option<u64>; 2],
    pub initiation_length: usize,
    /// Calls, whatever for.
    pub calls: u64,
    /// Stamps that were handed over.
    pub handed: BTreeSet<u64>,
}

impl Heard {
    fn rise(&mut self, stamp: u64) {
        assert!(stamp > self.floor_ms, "an initiation with stamp {stamp} passed the floor {}", self.floor_ms);
        assert!(self.handed.insert(stamp), "stamp {stamp} was handed over twice");
        self.floor_ms = stamp;
    }
}

impl InboundSink for Heard {
    fn packet(&mut self, inner: &[u8]) {
        self.calls += 1;
        assert_eq!(inner_length(inner), Some(inner.len()));
        if !self.hostile {
            let number = number_of(inner);
            assert!(number < self.sent, "packet {number} was never sent");
            assert!(self.packets.insert(number), "packet {number} came twice");
        }
    }

    fn control(&mut self, generation: u32, kind: u8, body: &[u8]) {
        self.calls += 1;
        assert!(generation <= self.newest);
        match kind {
            1 | 2 => {}
            3 => {
                assert_eq!(body.len(), 6);
                let stamp = body.iter().fold(0, |stamp, byte| stamp << 8 | u64::from(*byte));
                self.floor_ms = self.floor_ms.max(stamp);
            }
            4 => assert!(body.is_empty()),
            other => panic!("control block of unknown kind {other}"),
        }
    }

    fn handshake(&mut self, m: HandshakeMessage<'_>) {
        self.calls += 1;
        match self.role {
            Role::Server => {
                assert_eq!((m.kind, m.version), (1, VERSION));
                self.rise(m.stamp);
                assert!(m.message == message(1, m.stamp, self.initiation_length), "fragments were mixed up");
            }
            Role::Client => {
                assert!(self.expected.contains(&Some(m.stamp)), "stamp {} is not waited for", m.stamp);
                let length = match m.kind {
                    KIND_RESPONSE => 1168,
                    KIND_WRONG_VERSION => 2,
                    other => panic!("kind {other} at a client"),
                };
                assert!(m.message == message(m.kind, m.stamp, length), "fragments were mixed up");
            }
        }
    }

    fn other_version(&mut self, initiation: OtherVersion) {
        self.calls += 1;
        assert!(self.role == Role::Server && initiation.version != VERSION);
        self.rise(initiation.stamp);
    }

    fn stale(&mut self, _: u64, floor_ms: u64) {
        self.calls += 1;
        assert_eq!((self.role, floor_ms), (Role::Server, self.floor_ms));
    }

    fn opened(&mut self, generation: u32, _: Endpoint, _: u64) {
        self.calls += 1;
        assert!(generation <= self.newest);
        assert!(self.first_opened.insert(generation), "generation {generation} opened for the first time twice");
    }

    fn handshake_sources(&mut self, stamp: u64, sources: &mut dyn Iterator<Item = Endpoint>) {
        // Not counted: a changed copy says as well as a true one where somebody is who has the nonce.
        assert_eq!(self.role, Role::Server);
        assert!(stamp <= MAX_STAMP);
        let sources: Vec<_> = sources.collect();
        let distinct: BTreeSet<_> = sources.iter().map(|source| source.to_string()).collect();
        assert!((1..=MOST_SOURCES).contains(&sources.len()) && distinct.len() == sources.len());
    }

    fn challenged(&mut self, _: u64) {
        self.calls += 1;
        assert_eq!(self.role, Role::Client);
    }

    fn heard(&mut self, datagram: OpenedDatagram) {
        self.calls += 1;
        assert!(self.first_opened.contains(&datagram.generation), "heard before it opened");
    }
}
