//! A server's endpoint, from the datagrams that come to those that leave (docs/protocol.md, "Sources"). Whoever sends,
//! copies and forges, a server believes only what was echoed. Somebody to whom it is not sent what was asked for gets
//! no more than was sent in his name.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use i405_proto::block::CONTROL_ECHO;
use i405_proto::challenge::{Challenges, MOST_CHALLENGES, SLOTS_PER_CHALLENGE};
use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::{INITIATION_IKPSK2, Unwrapper};
use i405_proto::inbound::{HandshakeMessage, Inbound, InboundConfig, InboundSink, NewSession, OpenedDatagram};
use i405_proto::inbound::{OtherVersion, ReceivingKey, Role};
use i405_proto::keys::{Aead, DIRECTION_KEY_BYTES, DirectionKeys};
use i405_proto::outbound::{Outbound, SendingSession};
use i405_proto::seal::{MIN_DATAGRAM, Sealer};

use super::round_trip::Waiting;
use crate::program::{Program, salt};

const N: usize = MIN_DATAGRAM + 40;
const S: u64 = 1_000_000_000;
/// All new sources together, in 10 s.
const MOST_TOGETHER: u32 = 32;

/// Nobody listens.
struct Nobody;

impl InboundSink for Nobody {
    fn packet(&mut self, _: &[u8]) {}
    fn control(&mut self, _: u32, _: u8, _: &[u8]) {}
    fn handshake(&mut self, _: HandshakeMessage<'_>) {}
    fn other_version(&mut self, _: OtherVersion) {}
    fn stale(&mut self, _: u64, _: u64) {}
    fn opened(&mut self, _: u32, _: Endpoint, _: u64) {}
    fn handshake_sources(&mut self, _: u64, _: &mut dyn Iterator<Item = Endpoint>) {}
    fn heard(&mut self, _: OpenedDatagram) {}
}

fn source(which: u8) -> Endpoint {
    let own = (which & 8 != 0).then(|| "198.51.100.9".parse().expect("an address"));
    Endpoint { address: SocketAddr::from(([192, 0, 2, which & 7], 1405)), local: own }
}

struct World {
    salt: [u8; DIRECTION_KEY_BYTES],
    inbound: Inbound,
    outbound: Outbound,
    client: Sealer,
    generation: u32,
    sent: Vec<Vec<u8>>,
    challenges: Challenges,
    endpoint: Option<Endpoint>,
    now_ns: u64,
    /// Since the endpoint is there: datagrams that came from each other source, and that went there.
    came: BTreeMap<String, u32>,
    went: BTreeMap<String, u32>,
    /// Slots since the last one that went elsewhere.
    since: u32,
    /// Slots that went elsewhere, and when. Not those to who is believed since.
    elsewhere: Vec<(u64, Endpoint)>,
    /// Whether any slot ever did.
    any_elsewhere: bool,
}

impl World {
    fn new(salt: [u8; DIRECTION_KEY_BYTES]) -> Self {
        let inbound = Inbound::new(InboundConfig {
            role: Role::Server,
            peer: None,
            unwrapper: Unwrapper::new(&[1; 32], &[2; 32]),
            initiation_length: INITIATION_IKPSK2,
            floor_ms: 0,
            max_stamp_age_ms: None,
            max_datagram: N,
            seed: [salt[0]; 32],
        });
        let keys = DirectionKeys::from_bytes(&salt);
        World {
            salt,
            inbound,
            outbound: Outbound::new(Sealer::throwaway(Aead::Aes256Gcm, &[7; DIRECTION_KEY_BYTES]), N),
            client: Sealer::new(Aead::Aes256Gcm, keys),
            generation: 0,
            sent: Vec::new(),
            challenges: Challenges::NONE,
            endpoint: None,
            now_ns: S,
            came: BTreeMap::new(),
            went: BTreeMap::new(),
            since: SLOTS_PER_CHALLENGE,
            elsewhere: Vec::new(),
            any_elsewhere: false,
        }
    }

    /// Another key, for both directions alike: whoever reads one of them is nobody's concern here.
    fn install(&mut self) {
        self.generation += 1;
        let mut bytes = self.salt;
        bytes[31] = self.generation as u8;
        let keys = || DirectionKeys::from_bytes(&bytes);
        let session = NewSession {
            generation: self.generation,
            aead: Aead::Aes256Gcm,
            keys: keys(),
            receive_length: N,
            receive_interval_ns: 1_000_000,
        };
        let key = ReceivingKey::new(session, 3).expect("settings that make sense");
        self.inbound.install(Box::new(key), self.now_ns).expect("a new generation");
        self.inbound.set_current(self.generation);
        self.client = Sealer::new(Aead::Aes256Gcm, keys());
        self.sent.clear();
        let sealer = Sealer::new(Aead::Aes256Gcm, keys());
        let session = SendingSession { generation: self.generation, sealer, announce_stamp: None };
        self.outbound.set_session(Some(Box::new(session)));
    }

    fn confirm(&mut self, from: Endpoint) {
        self.install();
        self.inbound.ask(self.generation, from, self.now_ns);
        self.endpoint = None;
        self.look(None);
    }

    fn receive(&mut self, from: Endpoint, datagram: &[u8], echoes: Option<u64>) {
        self.inbound.receive(self.now_ns, self.now_ns, 0, from, datagram, &mut Nobody);
        self.look(echoes);
        // The one that held the echo counts for where it came from already.
        *self.came.entry(from.to_string()).or_default() += 1;
    }

    /// `echoes`: the challenge that was echoed just now.
    fn look(&mut self, echoes: Option<u64>) {
        if let Some(believed) = self.inbound.take_believed() {
            let asked = self.challenges.sources.iter().flatten().find(|each| Some(each.token) == echoes);
            assert_eq!(asked.map(|each| each.source), Some(believed.source), "believed without an echo");
            assert_eq!(believed.confirmed.is_some(), self.endpoint.is_none());
            if believed.confirmed.is_some() {
                // While candidates were asked, every slot was one of theirs.
                self.since = SLOTS_PER_CHALLENGE;
            }
            self.endpoint = Some(believed.source);
            self.elsewhere.retain(|(_, to)| *to != believed.source);
            (self.came, self.went) = (BTreeMap::new(), BTreeMap::new());
        }
        if let Some(challenges) = self.inbound.take_challenges() {
            self.challenges = challenges;
            self.outbound.challenge(Box::new(challenges));
        }
    }

    fn slot(&mut self) {
        let home = self.endpoint.unwrap_or(source(0));
        let to = self.outbound.build(home, || None, &mut Waiting::default()).endpoint;
        let Some(endpoint) = self.endpoint else {
            let is_candidate = self.challenges.sources.iter().flatten().any(|each| each.source == to);
            assert!(is_candidate || self.generation == 0, "a slot for nobody who was asked");
            return;
        };
        self.since = self.since.saturating_add(1);
        if to == endpoint {
            return;
        }
        assert!(self.since >= SLOTS_PER_CHALLENGE || !self.any_elsewhere, "more than an eighth of the slots");
        (self.since, self.any_elsewhere) = (0, true);
        self.elsewhere.push((self.now_ns, to));
        let went = self.went.entry(to.to_string()).or_default();
        *went += 1;
        let came = self.came.get(&to.to_string()).copied().unwrap_or(0);
        assert!(*went <= came, "{went} datagrams for {came} that were sent in its name: {:?}", self.challenges);
        let lately = |within_ns: u64| self.elsewhere.iter().filter(|(at, _)| self.now_ns - at < within_ns).count();
        assert!(lately(10 * S) <= 2 * MOST_TOGETHER as usize, "too much for those who are asked");
        let to_it = self.elsewhere.iter().filter(|(at, each)| *each == to && self.now_ns - at < 10 * S).count();
        assert!(to_it <= 2 * MOST_CHALLENGES as usize, "too much for one of them");
    }
}

/// A program of what comes, and of slots.
pub fn run(data: &[u8]) {
    let mut program = Program::new(data);
    let mut world = World::new(salt(data));
    world.confirm(source(1));
    while program.more() {
        let how = program.byte();
        let from = source(how & 15);
        match how >> 4 {
            // A fresh datagram, empty or with an echo.
            0..=4 if world.sent.len() < 2000 => {
                let tokens: Vec<u64> = world.challenges.sources.iter().flatten().map(|each| each.token).collect();
                let which = usize::from(program.byte());
                let token = match world.challenges.endpoint_token {
                    _ if how >> 4 < 4 => None,
                    Some(token) if which == 255 => Some(token),
                    _ => tokens.get(which & 7).copied().or(Some(u64::from(how))),
                };
                let mut datagram = vec![0; N];
                if let Some(token) = token {
                    datagram[6..9].copy_from_slice(&[0xf0 | CONTROL_ECHO, 0, 8]);
                    datagram[9..17].copy_from_slice(&token.to_be_bytes());
                }
                world.client.seal(&mut datagram).expect("few datagrams");
                world.sent.push(datagram.clone());
                world.receive(from, &datagram, token);
            }
            // A run of them.
            5 | 6 => {
                for _ in 0..8 {
                    let mut datagram = vec![0; N];
                    world.client.seal(&mut datagram).expect("few datagrams");
                    world.sent.push(datagram.clone());
                    world.now_ns += 1_000_000;
                    world.receive(from, &datagram, None);
                }
            }
            // A copy.
            7..=9 => {
                let back = usize::from(program.byte());
                if let Some(datagram) = world.sent.iter().rev().nth(back).cloned() {
                    world.receive(from, &datagram, None);
                }
            }
            10..=12 => (0..=how & 15).for_each(|_| world.slot()),
            13 => world.now_ns += u64::from(how & 15) * S,
            14 if world.generation < 200 => {
                // A rekey: nothing moves.
                world.install();
                world.look(None);
            }
            _ if world.generation < 200 => world.confirm(from),
            _ => {}
        }
        world.now_ns += 1_000_000;
        assert!(
            world
                .challenges
                .sources
                .iter()
                .flatten()
                .all(|each| { world.challenges.every_slots == 1 || each.datagrams <= MOST_CHALLENGES })
        );
    }
}
