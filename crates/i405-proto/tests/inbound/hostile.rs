//! Anything may come: nothing panics, nothing allocates, strangers get nothing.

use i405_proto::block::inner_length;
use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::Head;
use i405_proto::inbound::{HandshakeMessage, InboundSink, OpenedDatagram, OtherVersion};
use i405_proto::seal::Sealer;
use proptest::prelude::*;

use crate::counting::allocations;
use crate::support::{Event, MS, N, Receiver, address, control, data, packet};

/// A sink that only counts, so that what allocates is the receiver.
#[derive(Default)]
struct Count {
    packets: u64,
    handshakes: u64,
    others: u64,
}

impl InboundSink for Count {
    fn packet(&mut self, inner: &[u8]) {
        assert_eq!(inner_length(inner), Some(inner.len()));
        self.packets += 1;
    }
    fn control(&mut self, _: u32, _: u8, _: &[u8]) {
        self.others += 1;
    }
    fn handshake(&mut self, _: HandshakeMessage<'_>) {
        self.handshakes += 1;
    }
    fn other_version(&mut self, _: OtherVersion) {
        self.others += 1;
    }
    fn stale(&mut self, _: u64, _: u64) {
        self.others += 1;
    }
    fn opened(&mut self, _: u32, _: Endpoint, _: u64) {
        self.others += 1;
    }
    fn handshake_sources(&mut self, _: u64, _: &mut dyn Iterator<Item = Endpoint>) {
        self.others += 1;
    }
    fn heard(&mut self, _: OpenedDatagram) {
        self.others += 1;
    }
}

/// A server with a session, and the client's sealer.
fn server() -> (Receiver, Sealer) {
    let mut receiver = Receiver::server();
    let sealer = receiver.install(1);
    receiver.inbound.set_endpoint(address(1));
    (receiver, sealer)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_bytes_yield_nothing(
        datagrams in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..1600), 0u8..3, 0u64..MS), 1..20),
    ) {
        let (mut receiver, _) = server();
        for (datagram, source, after) in &datagrams {
            receiver.now_ns += after;
            prop_assert_eq!(receiver.receive(address(*source), datagram), []);
        }
        let counters = receiver.counters();
        prop_assert_eq!(counters.received, datagrams.len() as u64);
        prop_assert_eq!(counters.unknown + counters.replayed + counters.over_budget, counters.received);
    }

    /// A peer that has the keys and still sends nonsense.
    #[test]
    fn random_payloads_from_the_peer(
        payloads in prop::collection::vec((prop::collection::vec(any::<u8>(), N - 20), 0usize..6), 1..30),
    ) {
        let (mut receiver, mut sealer) = server();
        let mut count = Count::default();
        for (payload, skipped) in &payloads {
            let mut datagram = vec![0; N];
            for _ in 0..=*skipped {
                datagram[4..N - 16].copy_from_slice(payload);
                sealer.seal(&mut datagram).unwrap();
            }
            receiver.now_ns += MS;
            receiver.inbound.receive(receiver.now_ns, 0, 0, address(1), &datagram, &mut count);
            receiver.inbound.on_timer(receiver.now_ns, &mut count);
        }
        prop_assert_eq!(receiver.counters().opened, payloads.len() as u64);
    }

    /// Heads and lengths of any kind, properly wrapped.
    #[test]
    fn random_fragments_from_the_peer(
        fragments in prop::collection::vec(
            (0u8..4, 0u8..4, any::<u8>(), 990u64..1010, 52usize..1472, 0u8..3), 1..60,
        ),
        client: bool,
    ) {
        let mut receiver = if client { Receiver::client(address(1)) } else { Receiver::server() };
        receiver.inbound.expect_stamps([Some(1000), Some(1001)]);
        let mut count = Count::default();
        for (version, kind, fragment, stamp, n, source) in fragments {
            let datagram = receiver.wrap(Head { version, kind, fragment, stamp }, &[stamp as u8; 1344], n);
            receiver.now_ns += 100 * MS;
            let (now, wall) = (receiver.now_ns, receiver.wall_ms);
            receiver.inbound.receive(now, now, wall, address(source), &datagram, &mut count);
        }
        prop_assert!(receiver.inbound.floor_ms() < 1010);
    }
}

#[test]
fn times_at_the_end_of_the_scale() {
    let (mut receiver, mut sealer) = server();
    let mut count = Count::default();
    for now in [u64::MAX, 0, u64::MAX - 1, u64::MAX] {
        let datagram = data(&mut sealer, &packet(20, 1));
        receiver.inbound.receive(now, now, now, address(1), &datagram, &mut count);
        data(&mut sealer, &[]);
        receiver.inbound.on_timer(now, &mut count);
    }
    assert_eq!(receiver.counters().opened, 4);
}

#[test]
fn promise_no_allocation() {
    let (mut receiver, mut sealer) = server();
    let mut datagrams: Vec<(u8, Vec<u8>)> = Vec::new();
    for k in 0..40u8 {
        let blocks = [packet(60, k), control(3, &[0, 0, 0, 0, 0, k])].concat();
        datagrams.push((1 + k % 2, data(&mut sealer, &blocks)));
        // Of every length: none, too short, the session's, the longest, longer; from the endpoint and from elsewhere.
        for length in [0, 3, 51, 52, N - 1, N, N + 1, 300, 1472, 1473, 9000] {
            datagrams.push((9, vec![k; length]));
            datagrams.push((1, vec![k ^ 0x55; length]));
        }
    }
    // Some lost, some swapped, all once more.
    let ours: Vec<usize> = (0..datagrams.len()).filter(|at| at % 23 == 0).collect();
    datagrams.swap(ours[12], ours[15]);
    datagrams.remove(ours[5]);
    datagrams.extend_from_within(..);
    for stamp in [2000, 3000] {
        datagrams.extend(receiver.initiation(stamp, 72).into_iter().map(|datagram| (3, datagram)));
    }
    let mut count = Count::default();

    let before = allocations();
    for (source, datagram) in &datagrams {
        receiver.now_ns += 20 * MS;
        receiver.inbound.receive(receiver.now_ns, 0, 5000, address(*source), datagram, &mut count);
        receiver.inbound.on_timer(receiver.now_ns, &mut count);
    }
    assert_eq!(allocations() - before, 0);
    // One was lost, and three came after they had been given up.
    assert_eq!((count.packets, count.handshakes), (36, 1));
}

#[test]
fn promise_served_in_a_flood() {
    let (mut receiver, mut sealer) = server();
    let sent: Vec<_> = (0..50).map(|k| data(&mut sealer, &packet(40, k))).collect();
    let mut served = 0;
    for (k, genuine) in sent.iter().enumerate() {
        receiver.now_ns += MS / 10;
        for flood in 0..100u8 {
            let mut forged = genuine.clone();
            forged[199 - usize::from(flood)] ^= 1;
            assert_eq!(receiver.receive(address(200), &forged), []);
        }
        let events = receiver.receive(address(1), genuine);
        served += usize::from(events.contains(&Event::Packet(packet(40, k as u8))));
    }
    assert_eq!(served, 50);
}
