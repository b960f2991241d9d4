//! Floods against a listener with one pairing and with a thousand: what they cost, and who still gets through.
//!
//! Not beside the counting allocator: that one would fill the memory of a thousand pairings with zeros.

use std::net::SocketAddr;

use i405_proto::budget::MASKS_PER_MS;
use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::{Head, INITIATION_IKPSK2, KIND_INITIATION, Unwrapper, VERSION, Wrapper, fragments};
use i405_proto::inbound::{
    HandshakeMessage, Inbound, InboundConfig, InboundSink, NewSession, OpenedDatagram, OtherVersion, PairingConfig,
    ReceivingKey, Role,
};
use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::seal::Sealer;

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
const S: u64 = 1_000 * MS;
/// UDP payload of a datagram of 1500 bytes over IPv4.
const N: usize = 1472;
const FLOOR: u64 = 1_000;

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 1405))
}

/// The wrap and mask keys of a pairing.
fn keys(index: usize) -> ([u8; 32], [u8; 32]) {
    let mut wrap = [0x11; 32];
    wrap[..8].copy_from_slice(&index.to_be_bytes());
    let mut mask = wrap;
    mask[31] = 0x22;
    (wrap, mask)
}

fn config(index: usize) -> PairingConfig {
    let (wrap, mask) = keys(index);
    PairingConfig {
        unwrapper: Unwrapper::new(&wrap, &mask),
        initiation_length: INITIATION_IKPSK2,
        floor_ms: FLOOR,
        max_stamp_age_ms: None,
    }
}

fn listener(pairings: usize) -> Inbound {
    let PairingConfig { unwrapper, initiation_length, floor_ms, max_stamp_age_ms } = config(0);
    let mut inbound = Inbound::new(InboundConfig {
        role: Role::Server,
        peer: None,
        unwrapper,
        initiation_length,
        floor_ms,
        max_stamp_age_ms,
        max_datagram: N,
        seed: [0x33; 32],
    });
    for index in 1..pairings {
        assert_eq!(inbound.add_pairing(config(index)), index);
    }
    inbound
}

/// Which pairings' initiations were handed over, with their stamps, and what else happened.
#[derive(Default)]
struct Seen {
    initiations: Vec<(usize, u64)>,
    versions: Vec<usize>,
    opened: u64,
}

impl InboundSink for Seen {
    fn packet(&mut self, _: &[u8]) {}
    fn control(&mut self, _: u32, _: u8, _: &[u8]) {}
    fn handshake(&mut self, message: HandshakeMessage<'_>) {
        self.initiations.push((message.pairing, message.stamp));
    }
    fn other_version(&mut self, initiation: OtherVersion) {
        self.versions.push(initiation.pairing);
    }
    fn stale(&mut self, _: u64, _: u64) {}
    fn opened(&mut self, _: u32, _: Endpoint, _: u64) {
        self.opened += 1;
    }
    fn handshake_sources(&mut self, _: u64, _: &mut dyn Iterator<Item = Endpoint>) {}
    fn heard(&mut self, _: OpenedDatagram) {}
}

/// A client of one of the pairings.
struct Client {
    wrapper: Wrapper,
    nonces: u64,
}

impl Client {
    fn of(index: usize) -> Self {
        let (wrap, mask) = keys(index);
        // Each client has its own, or they would be copies to the listener.
        Self { wrapper: Wrapper::new(&wrap, &mask), nonces: (index as u64) << 32 }
    }

    fn datagram(&mut self, stamp: u64, version: u8, n: usize, fragment: u8) -> Vec<u8> {
        self.nonces += 1;
        let mut nonce = [0x77; 16];
        nonce[..8].copy_from_slice(&self.nonces.to_le_bytes());
        let mut datagram = vec![0; n];
        let head = Head { version, kind: KIND_INITIATION, fragment, stamp };
        self.wrapper.wrap(&head, &[stamp as u8; INITIATION_IKPSK2], &nonce, &mut datagram);
        datagram
    }
}

/// A stranger's datagrams, each with another sample for the masks. What comes behind the sample is never looked at.
struct Stranger(u64, Vec<u8>);

impl Stranger {
    fn new() -> Self {
        Self(0, vec![0x5a; N])
    }

    fn next(&mut self) -> &[u8] {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.1[..8].copy_from_slice(&self.0.to_be_bytes());
        self.1[8..16].copy_from_slice(&self.0.rotate_left(29).to_be_bytes());
        &self.1
    }
}

/// A flood, with a client of one pairing beside it, a slot each ms. When its initiation was handed over.
fn flood(inbound: &mut Inbound, per_second: u64, index: usize, stretch_ms: u64) -> (Option<u64>, Seen) {
    let (mut stranger, mut client, mut seen) = (Stranger::new(), Client::of(index), Seen::default());
    let mut handed_over = None;
    let each_ms = per_second / 1_000;
    for ms in 0..stretch_ms {
        // Anywhere in the millisecond: a client's slots know nothing of the refills.
        let place = ms * 397 % (each_ms + 1);
        for each in 0..=each_ms {
            let now = S + ms * MS + each * MS / (each_ms + 1);
            if each == place {
                inbound.receive(now, now, 0, address(1), &client.datagram(5_000, VERSION, N, 0), &mut seen);
            } else {
                inbound.receive(now, now, 0, address(66), stranger.next(), &mut seen);
            }
        }
        if handed_over.is_none() && !seen.initiations.is_empty() {
            handed_over = Some(ms);
        }
    }
    (handed_over, seen)
}

#[test]
fn a_datagram_of_a_stranger_costs_a_mask_for_each_pairing() {
    for pairings in [1usize, 256, 1_000] {
        let (mut inbound, mut stranger) = (listener(pairings), Stranger::new());
        for datagram in 1..=20u64 {
            let now = datagram * 10 * MS;
            inbound.receive(now, now, 0, address(66), stranger.next(), &mut Seen::default());
            assert_eq!(inbound.masks_spent(), datagram * pairings as u64);
        }
        assert_eq!(inbound.counters().unknown, 20);
    }
}

#[test]
fn below_the_budget_nobody_waits() {
    // Half of it: 250,000 masks of strangers a second, and the client's.
    for (pairings, per_second) in [(1usize, 250_000u64), (250, 1_000)] {
        let mut inbound = listener(pairings);
        let (handed_over, seen) = flood(&mut inbound, per_second, pairings - 1, 200);
        assert_eq!((handed_over, seen.initiations.as_slice()), (Some(0), &[(pairings - 1, 5_000)][..]));
        let counters = inbound.counters();
        assert_eq!((counters.unknown, counters.over_budget), (per_second / 5, 0), "{pairings} pairings");
        assert_eq!(counters.fragments, 200);
    }
}

#[test]
fn promise_bounded_cost() {
    // With a thousand, one datagram in two hundred is looked at: that takes longer.
    for (pairings, per_second, stretch_ms) in [(1usize, 1_000_000u64, 100u64), (1_000, 100_000, 1_000)] {
        let mut inbound = listener(pairings);
        let (handed_over, _) = flood(&mut inbound, per_second, pairings - 1, stretch_ms);
        let spent = inbound.masks_spent();
        let granted = stretch_ms * u64::from(MASKS_PER_MS);
        assert!(spent <= granted + pairings as u64, "{pairings} pairings: {spent} masks of {granted}");
        assert!(spent >= granted * 9 / 10, "{pairings} pairings: {spent} masks of {granted}");
        let counters = inbound.counters();
        let all = per_second * stretch_ms / 1_000 + stretch_ms;
        assert_eq!(counters.unknown + counters.unopened + counters.over_budget + counters.fragments, all);
        assert!(counters.over_budget > all / 3, "{counters:?}");
        // The carousel says it again every slot, and some slot meets a budget that has just been refilled.
        assert!(handed_over.is_some(), "{pairings} pairings: {counters:?}");
    }
}

#[test]
fn promise_served_in_a_flood_by_the_session() {
    let mut inbound = listener(1_000);
    let keys = || DirectionKeys { key: [7; 32], iv: [8; 12], mask: [9; 32] };
    let session =
        NewSession { generation: 1, aead: Aead::Aes256Gcm, keys: keys(), receive_length: N, receive_interval_ns: MS };
    inbound.install(Box::new(ReceivingKey::new(session, 3).expect("a session")), S).expect("the first");
    inbound.set_endpoint(address(1));
    let (mut sealer, mut stranger) = (Sealer::new(Aead::Aes256Gcm, keys()), Stranger::new());
    for ms in 0..100 {
        let now = S + ms * MS;
        // Half of them from the peer's own address.
        for each in 0..100 {
            inbound.receive(now, now, 0, address(1 + each % 2), stranger.next(), &mut Seen::default());
        }
        let mut datagram = vec![0; N];
        sealer.seal(&mut datagram).expect("few datagrams");
        inbound.receive(now, now, 0, address(1), &datagram, &mut Seen::default());
    }
    assert_eq!(inbound.counters().opened, 100);
    assert!(inbound.masks_spent() <= 100 * u64::from(MASKS_PER_MS) + 1_004);
}

#[test]
fn pairings_have_floors_of_their_own() {
    let (mut inbound, mut seen) = (listener(3), Seen::default());
    let mut clients: Vec<Client> = (0..3).map(Client::of).collect();
    let mut now = S;
    for (index, stamp) in [(0usize, 9_000u64), (1, 2_000), (2, 5_000), (1, 1_900), (0, 8_000), (2, 5_001)] {
        now += 2 * S;
        inbound.receive(now, now, 0, address(1), &clients[index].datagram(stamp, VERSION, N, 0), &mut seen);
    }
    assert_eq!(seen.initiations, [(0, 9_000), (1, 2_000), (2, 5_000), (2, 5_001)]);
    assert_eq!(inbound.floor_ms(), 9_000);
    inbound.serve(1);
    assert_eq!(inbound.floor_ms(), 2_000);
    inbound.raise_floor(7_000);
    inbound.serve(77);
    assert_eq!(inbound.floor_ms(), 7_000, "there is no such pairing");
    inbound.serve(0);
    assert_eq!(inbound.floor_ms(), 9_000);
}

#[test]
fn twenty_messages_a_second_of_all_pairings_and_none_is_lost() {
    let (mut inbound, mut seen) = (listener(50), Seen::default());
    let mut clients: Vec<Client> = (0..50).map(Client::of).collect();
    let mut per_second = Vec::new();
    for second in 1..=3u64 {
        let before = seen.initiations.len();
        for (index, client) in clients.iter_mut().enumerate() {
            let now = second * S + index as u64 * 10 * MS;
            inbound.receive(now, now, 0, address(1), &client.datagram(5_000, VERSION, N, 0), &mut seen);
        }
        per_second.push(seen.initiations.len() - before);
    }
    // Those over the limit stay whole and take their turn with their next fragment.
    assert_eq!(per_second, [20, 20, 10]);
    let mut who: Vec<usize> = seen.initiations.iter().map(|(index, _)| *index).collect();
    who.sort_unstable();
    assert_eq!(who, (0..50).collect::<Vec<_>>());
}

#[test]
fn another_version_and_fragments_name_their_pairing() {
    let (mut inbound, mut seen) = (listener(3), Seen::default());
    let (mut one, mut two) = (Client::of(1), Client::of(2));
    inbound.receive(S, S, 0, address(1), &two.datagram(4_000, VERSION + 1, N, 0), &mut seen);
    // Two pairings' messages are put together side by side.
    let count = fragments(500, INITIATION_IKPSK2) as u8;
    for fragment in 0..count {
        let now = 3 * S + u64::from(fragment) * MS;
        inbound.receive(now, now, 0, address(1), &one.datagram(6_000, VERSION, 500, fragment), &mut seen);
        inbound.receive(now, now, 0, address(2), &two.datagram(7_000, VERSION, 500, fragment), &mut seen);
    }
    assert_eq!(seen.versions, [2]);
    assert_eq!(seen.initiations, [(1, 6_000), (2, 7_000)]);
}

#[test]
fn the_sessions_of_another_pairing_are_forgotten() {
    let mut inbound = listener(2);
    let keys = || DirectionKeys { key: [7; 32], iv: [8; 12], mask: [9; 32] };
    let session =
        NewSession { generation: 1, aead: Aead::Aes256Gcm, keys: keys(), receive_length: N, receive_interval_ns: MS };
    inbound.install(Box::new(ReceivingKey::new(session, 3).expect("a session")), S).expect("the first");
    let mut sealer = Sealer::new(Aead::Aes256Gcm, keys());
    let mut receive = |inbound: &mut Inbound, ms: u64| {
        let mut datagram = vec![0; N];
        sealer.seal(&mut datagram).expect("few datagrams");
        inbound.receive(S + ms * MS, S, 0, address(1), &datagram, &mut Seen::default());
        inbound.counters().opened
    };
    assert_eq!(receive(&mut inbound, 1), 1);
    inbound.serve(0);
    assert_eq!(receive(&mut inbound, 2), 2);
    inbound.serve(1);
    assert_eq!(receive(&mut inbound, 3), 2);
}
