//! A receiver, the peer that it has keys with, and whoever else sends to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use i405_proto::challenge::{Challenges, MOST_CHALLENGES};
use i405_proto::handshake_wire::{
    Head, INITIATION_IKPSK2, INITIATION_NNPSK0, MAX_STAMP, RESPONSE, Unwrapper, VERSION, Wrapper, fragments,
};
use i405_proto::inbound::{Inbound, InboundConfig, NewSession, ReceivingKey, Role};
use i405_proto::keys::{Aead, DIRECTION_KEY_BYTES, DirectionKeys};
use i405_proto::packer::{ControlBlock, Packer};
use i405_proto::seal::{MIN_DATAGRAM, Sealer};

use super::heard::{Heard, message};
use crate::program::Program;
use crate::targets::handshake::change;
use crate::targets::round_trip::Waiting;

const MASK: [u8; 32] = [0x22; 32];
/// Generations and datagrams of one run: more would only make it slow.
const MOST_GENERATIONS: u32 = 40;
const MOST_DATAGRAMS: usize = 400;

/// The genuine peer's side of a generation.
struct Session {
    sealer: Sealer,
    packer: Packer,
    length: usize,
}

/// A datagram that the genuine peer made.
struct Made {
    bytes: Vec<u8>,
    is_data: bool,
    opened: bool,
}

/// Everything.
pub struct World {
    inbound: Inbound,
    heard: Heard,
    role: Role,
    /// Where the client has been told that its server is, as in [`source`].
    server: u8,
    now_ns: u64,
    wall_ms: u64,
    longest: usize,
    sessions: BTreeMap<u32, Session>,
    made: Vec<Made>,
    wrapper: Wrapper,
    nonces: u64,
    received: u64,
    salt: [u8; 32],
    /// Challenges that were out.
    tokens: Vec<u64>,
}

fn direction_keys(salt: &[u8; 32], generation: u32) -> [u8; DIRECTION_KEY_BYTES] {
    let mut bytes = [generation as u8; DIRECTION_KEY_BYTES];
    bytes[..32].copy_from_slice(salt);
    // The key differs by its last bytes, the mask and the iv are the generation's.
    bytes[31] = generation as u8;
    bytes
}

/// Where datagrams come from: 0 is the client's server at first, the others are others.
fn source(which: u8) -> SocketAddr {
    match which & 7 {
        7 => "[::ffff:192.0.2.1]:1405".parse().expect("an address"),
        6 => "[2001:db8::1]:1405".parse().expect("an address"),
        last => SocketAddr::from(([192, 0, 2, 1 + last], 1405)),
    }
}

/// The same for two forms of one address.
fn same(which: u8) -> u8 {
    if which & 7 == 7 { 0 } else { which & 7 }
}

impl World {
    /// All keys depend on `salt`.
    pub fn new(program: &mut Program<'_>, salt: [u8; 32]) -> Self {
        let how = program.byte();
        let role = if how & 1 == 0 { Role::Server } else { Role::Client };
        let initiation_length = if how & 2 == 0 { INITIATION_IKPSK2 } else { INITIATION_NNPSK0 };
        let longest = if how & 4 == 0 { 1472 } else { 100 };
        let floor_ms = u64::from(how >> 4) * 100;
        let inbound = Inbound::new(InboundConfig {
            role,
            peer: (role == Role::Client || how & 8 != 0).then(|| source(0)),
            unwrapper: Unwrapper::new(&salt, &MASK),
            initiation_length,
            floor_ms,
            max_stamp_age_ms: (how & 0x80 != 0).then_some(5000),
            max_datagram: longest,
            seed: salt,
        });
        let heard = Heard {
            role,
            hostile: false,
            packets: Default::default(),
            sent: 0,
            newest: 0,
            first_opened: Default::default(),
            floor_ms,
            expected: [None; 2],
            initiation_length,
            calls: 0,
            handed: Default::default(),
        };
        let wrapper = Wrapper::new(&salt, &MASK);
        let (sessions, made) = (BTreeMap::new(), Vec::new());
        let now_ns = 10_000_000_000;
        World {
            inbound,
            heard,
            role,
            server: 0,
            now_ns,
            wall_ms: 5000,
            longest,
            sessions,
            made,
            wrapper,
            nonces: 0,
            received: 0,
            salt,
            tokens: Vec::new(),
        }
    }

    /// What holds at any time.
    pub fn check(&mut self) {
        let c = self.inbound.counters();
        assert_eq!(c.received, self.received);
        assert_eq!(c.received, c.opened + c.fragments + c.unknown + c.unopened + c.replayed + c.over_budget, "{c:?}");
        assert!(c.stale <= c.fragments);
        if self.role == Role::Server {
            assert_eq!(self.inbound.floor_ms(), self.heard.floor_ms, "the floor moved unseen");
        }
        let believed = self.inbound.take_believed();
        if let Some(Challenges { sources, every_slots, endpoint_token }) = self.inbound.take_challenges() {
            self.tokens.extend(sources.iter().flatten().map(|challenge| challenge.token).chain(endpoint_token));
            let at_once = every_slots == 1;
            assert!(sources.iter().flatten().all(|each| at_once || each.datagrams <= MOST_CHALLENGES));
        }
        assert!(believed.is_none() || !self.tokens.is_empty(), "believed without a challenge");
    }

    pub fn install(&mut self, program: &mut Program<'_>) {
        let how = program.byte();
        let last = self.heard.newest;
        let generation = last + u32::from(how & 3);
        let length = if how & 4 == 0 { 100 } else { program.below(1600) };
        let interval_ns = if how & 8 == 0 { 1_000_000 } else { program.wide() };
        let aead = if how & 16 == 0 { Aead::Aes256Gcm } else { Aead::ChaCha20Poly1305 };
        if generation > MOST_GENERATIONS {
            return;
        }
        let salt = self.salt;
        let keys = || DirectionKeys::from_bytes(&direction_keys(&salt, generation));
        let session =
            NewSession { generation, aead, keys: keys(), receive_length: length, receive_interval_ns: interval_ns };
        let key = ReceivingKey::new(session, usize::from(how >> 5));
        assert_eq!(key.is_ok(), length >= MIN_DATAGRAM && interval_ns > 0);
        let Ok(key) = key else { return };
        // The first one may be 0.
        let newer = generation > last || self.sessions.is_empty() && self.heard.newest == 0;
        let installed = self.inbound.install(Box::new(key), self.now_ns).is_ok();
        assert_eq!(installed, newer && length <= self.longest);
        if installed {
            self.heard.newest = generation;
            let sealer = Sealer::new(aead, keys());
            self.sessions.insert(generation, Session { sealer, packer: Packer::new(), length });
        }
    }

    pub fn set_current(&mut self, program: &mut Program<'_>) {
        self.inbound.set_current(self.heard.newest.wrapping_sub(u32::from(program.byte() & 3)));
    }

    pub fn forget(&mut self, program: &mut Program<'_>) {
        self.inbound.forget(self.heard.newest.wrapping_sub(u32::from(program.byte() & 7)));
    }

    pub fn take_retired(&mut self) {
        while self.inbound.take_retired().is_some() {}
    }

    fn keep(&mut self, bytes: Vec<u8>, is_data: bool) -> Option<usize> {
        self.made.push(Made { bytes, is_data, opened: false });
        Some(self.made.len() - 1)
    }

    /// A datagram of the genuine peer, with packets and control blocks in it.
    pub fn make_data(&mut self, program: &mut Program<'_>) -> Option<usize> {
        let how = program.byte();
        if self.made.len() >= MOST_DATAGRAMS {
            return None;
        }
        let generation = self.heard.newest.wrapping_sub(u32::from(how & 3));
        let session = self.sessions.get_mut(&generation)?;
        let mut waiting = Waiting::default();
        for _ in 0..how >> 2 & 3 {
            waiting.push(self.heard.sent, program.below(600));
            self.heard.sent += 1;
        }
        let stamp = self.heard.floor_ms.saturating_add(u64::from(how)).to_be_bytes();
        let token = self.tokens.iter().rev().nth(usize::from(how & 3)).copied().unwrap_or(u64::from(how)).to_be_bytes();
        let blocks = [
            ControlBlock { kind: 6 - (how >> 2 & 1), body: &token },
            ControlBlock { kind: 3, body: &stamp[2..] },
            ControlBlock { kind: how >> 4, body: if how & 0x80 == 0 { &[] } else { &stamp[..5] } },
        ];
        // Of a run over that the next payload doesn't continue, nothing comes out: packets that didn't fit are lost.
        let count = usize::from(how >> 4 & 3);
        let mut datagram = vec![0; session.length];
        let end = session.length - 16;
        session.packer.fill(&mut datagram[4..end], &blocks[3 - count..], &mut waiting);
        session.sealer.seal(&mut datagram).ok()?;
        self.keep(datagram, true)
    }

    /// What a peer with the right keys and bad intentions sends.
    pub fn make_hostile(&mut self, program: &mut Program<'_>, from: u8) {
        if self.made.len() >= MOST_DATAGRAMS {
            return;
        }
        let Some(session) = self.sessions.get_mut(&self.heard.newest) else { return };
        let mut datagram = vec![0; session.length];
        let length = usize::from(program.byte());
        let payload = program.take(length.min(session.length - 20));
        datagram[4..4 + payload.len()].copy_from_slice(payload);
        if session.sealer.seal(&mut datagram).is_ok() {
            self.heard.hostile = true;
            let made = self.keep(datagram, true);
            self.arrive(made, from);
        }
    }

    /// One fragment of a handshake message, of any kind, version and number.
    pub fn make_fragment(&mut self, program: &mut Program<'_>) -> Option<usize> {
        let how = program.byte();
        let stamp = self.stamp(how);
        let kind = how >> 4 & 3;
        let version = if how & 0xc0 == 0xc0 { how >> 2 & 15 } else { VERSION };
        let n = if how & 8 == 0 { 200 } else { MIN_DATAGRAM + program.below(1500) };
        let number = program.byte();
        self.wrap(Head { version, kind, fragment: number, stamp }, n)
    }

    /// Every fragment of one message.
    pub fn fragments_of_one(&mut self, program: &mut Program<'_>, from: u8) {
        let how = program.byte();
        let stamp = self.stamp(how);
        let kind = if self.role == Role::Server { 1 } else { 2 };
        let n = if how & 8 == 0 { 1472 } else { 400 };
        for number in 0..fragments(n, self.message_length(kind)) as u8 {
            let made = self.wrap(Head { version: VERSION, kind, fragment: number, stamp }, n);
            self.arrive(made, from);
        }
    }

    fn stamp(&self, how: u8) -> u64 {
        let near = self.heard.floor_ms.saturating_add(u64::from(how & 3)).saturating_sub(1);
        if how & 4 == 0 {
            near & MAX_STAMP
        } else {
            self.heard.expected[usize::from(how & 1)].unwrap_or(near) & MAX_STAMP
        }
    }

    fn message_length(&self, kind: u8) -> usize {
        match kind {
            1 => self.heard.initiation_length,
            2 => RESPONSE,
            _ => 2,
        }
    }

    fn wrap(&mut self, head: Head, n: usize) -> Option<usize> {
        if self.made.len() >= MOST_DATAGRAMS {
            return None;
        }
        self.nonces += 1;
        let mut nonce = [0x77; 16];
        nonce[..8].copy_from_slice(&self.nonces.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        let mut datagram = vec![0; n];
        let message = message(head.kind, head.stamp, self.message_length(head.kind));
        self.wrapper.wrap(&head, &message, &nonce, &mut datagram);
        self.keep(datagram, false)
    }

    /// One that was made before: for the first time, or again.
    pub fn any_made(&mut self, program: &mut Program<'_>) -> Option<usize> {
        let which = usize::from(program.byte());
        (!self.made.is_empty()).then(|| self.made.len() - 1 - which % self.made.len())
    }

    /// A genuine datagram arrives. It opens once at most.
    pub fn arrive(&mut self, which: Option<usize>, from: u8) {
        let Some(which) = which else { return };
        let before = self.inbound.counters();
        let bytes = std::mem::take(&mut self.made[which].bytes);
        self.receive(&bytes, from);
        let after = self.inbound.counters();
        let made = &mut self.made[which];
        made.bytes = bytes;
        if after.opened > before.opened {
            assert!(made.is_data && !made.opened, "it opened twice");
            made.opened = true;
        }
        if after.fragments > before.fragments {
            assert!(!made.is_data && !made.opened, "a copy of a handshake datagram was opened");
            made.opened = true;
        }
        assert!(after.replayed == before.replayed || made.opened, "called a copy, and never came before");
    }

    /// A genuine datagram that somebody changed on the way.
    pub fn arrive_changed(&mut self, program: &mut Program<'_>, from: u8) {
        let Some(which) = self.any_made(program) else { return };
        let mut bytes = self.made[which].bytes.clone();
        change(&mut bytes, program);
        if bytes != self.made[which].bytes {
            self.arrive_forged(&bytes, from);
        }
    }

    /// Bytes that the peer didn't send: nothing comes of them but a count.
    pub fn arrive_forged(&mut self, bytes: &[u8], from: u8) {
        let (before, calls) = (self.inbound.counters(), self.heard.calls);
        let timer = self.inbound.next_timer_ns();
        self.receive(bytes, from);
        let after = self.inbound.counters();
        assert_eq!((before.opened, before.fragments, calls), (after.opened, after.fragments, self.heard.calls));
        assert_eq!(timer, self.inbound.next_timer_ns());
    }

    fn receive(&mut self, bytes: &[u8], from: u8) {
        self.received += 1;
        let calls = self.heard.calls;
        let (now_ns, wall_ms) = (self.now_ns, self.wall_ms);
        self.inbound.receive(now_ns, now_ns.saturating_sub(1000), wall_ms, source(from), bytes, &mut self.heard);
        let heard = self.heard.calls > calls;
        assert!(
            !heard || self.role == Role::Server || same(from) == same(self.server),
            "a client heard somebody else than its server"
        );
    }

    pub fn timer(&mut self) {
        self.inbound.on_timer(self.now_ns, &mut self.heard);
        assert!(self.inbound.next_timer_ns().is_none_or(|timer_ns| timer_ns > self.now_ns));
    }

    pub fn pass_time(&mut self, program: &mut Program<'_>) {
        let how = program.byte();
        match how & 3 {
            // Past the next timer.
            0 => self.now_ns = self.inbound.next_timer_ns().unwrap_or(self.now_ns).max(self.now_ns),
            1 => self.now_ns = self.now_ns.saturating_add(u64::from(how) * 100_000),
            2 => self.now_ns = self.now_ns.saturating_add(2_000_000_000),
            _ => (self.now_ns, self.wall_ms) = (self.now_ns.saturating_add(program.wide()), program.wide()),
        }
    }

    /// What JavaScript may say.
    pub fn command(&mut self, program: &mut Program<'_>) {
        let how = program.byte();
        let stamp = self.stamp(how);
        match how >> 4 & 3 {
            0 => {
                self.server = how;
                self.inbound.set_endpoint(source(how));
            }
            1 => {
                self.heard.expected = [Some(stamp), self.heard.expected[0].filter(|_| how & 0x80 == 0)];
                self.inbound.expect_stamps(self.heard.expected);
            }
            2 => {
                self.inbound.raise_floor(stamp);
                self.heard.floor_ms = self.heard.floor_ms.max(stamp);
            }
            _ => self.inbound.ask(self.heard.newest, source(how).into(), self.now_ns),
        }
    }
}
