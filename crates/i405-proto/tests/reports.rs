//! Reports between two ends over a path that loses, doubles and reorders: what each says against a naive count.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::Unwrapper;
use i405_proto::inbound::{
    HandshakeMessage, Inbound, InboundConfig, InboundSink, NewSession, OpenedDatagram, OtherVersion, ReceivingKey, Role,
};
use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::outbound::{Outbound, RepeatedControl, SendingSession};
use i405_proto::packer::InnerQueue;
use i405_proto::path::{PeerReports, Totals};
use i405_proto::report::{Heard, Report};
use i405_proto::seal::Sealer;

const INTERVAL_NS: u64 = 1_000_000;
const LENGTH: usize = 100;
/// From the sender to the receiver.
const WAY_NS: u64 = 3_700_000;

fn keys(fill: u32) -> DirectionKeys {
    DirectionKeys { key: [fill as u8; 32], iv: [fill as u8; 12], mask: [fill as u8; 32] }
}

fn endpoint() -> Endpoint {
    SocketAddr::from(([192, 0, 2, 1], 1405)).into()
}

/// Packets without end, each longer than a slot.
struct Endless;

impl InnerQueue for Endless {
    fn next_len(&mut self) -> Option<usize> {
        Some(250)
    }
    fn read(&mut self, into: &mut [u8]) {
        into.fill(0x45);
        into[2..4].copy_from_slice(&250u16.to_be_bytes());
    }
}

#[derive(Default)]
struct Sink {
    reports: Vec<(u32, Report, Option<u64>)>,
    controls: usize,
    packets: usize,
    heard: Vec<OpenedDatagram>,
}

impl InboundSink for Sink {
    fn packet(&mut self, _: &[u8]) {
        self.packets += 1;
    }
    fn control(&mut self, _: u32, _: u8, _: &[u8]) {
        self.controls += 1;
    }
    fn handshake(&mut self, _: HandshakeMessage<'_>) {}
    fn other_version(&mut self, _: OtherVersion) {}
    fn stale(&mut self, _: u64, _: u64) {}
    fn opened(&mut self, _: u32, _: Endpoint, _: u64) {}
    fn report(&mut self, generation: u32, report: Report, received_ns: Option<u64>) {
        self.reports.push((generation, report, received_ns));
    }
    fn handshake_sources(&mut self, _: u64, _: &mut dyn Iterator<Item = Endpoint>) {}
    fn heard(&mut self, datagram: OpenedDatagram) {
        self.heard.push(datagram);
    }
}

fn receiver() -> Inbound {
    Inbound::new(InboundConfig {
        role: Role::Client,
        peer: Some(endpoint().address),
        unwrapper: Unwrapper::new(&[1; 32], &[2; 32]),
        initiation_length: 1296,
        floor_ms: 0,
        max_stamp_age_ms: None,
        max_datagram: 1_500,
        seed: [0x33; 32],
    })
}

fn install(inbound: &mut Inbound, generation: u32, now_ns: u64) {
    let session = NewSession {
        generation,
        aead: Aead::Aes256Gcm,
        keys: keys(generation),
        receive_length: LENGTH,
        receive_interval_ns: INTERVAL_NS,
    };
    let key = ReceivingKey::new(session, 3).expect("sound settings");
    inbound.install(Box::new(key), now_ns).expect("a newer generation");
    inbound.set_current(generation);
}

fn sends_under(outbound: &mut Outbound, generation: u32) {
    let sealer = Sealer::new(Aead::Aes256Gcm, keys(generation));
    outbound.set_session(Some(Box::new(SendingSession { generation, sealer, announce_stamp: None })));
}

/// A sequence that looks random and is the same each time (Knuth's MMIX constants).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[test]
fn what_the_counters_say_is_what_the_path_dropped() {
    let (mut outbound, mut inbound, mut sink) =
        (Outbound::new(Sealer::new(Aead::Aes256Gcm, keys(0)), LENGTH), receiver(), Sink::default());
    let mut dice = Dice(405);
    let (mut late, mut now_ns) = (Vec::new(), 0);
    let mut naive = Totals::default();
    for generation in 1..=3u32 {
        install(&mut inbound, generation, now_ns);
        sends_under(&mut outbound, generation);
        let mut came = BTreeSet::new();
        for counter in 0..2_000u32 {
            // Skipped slots use no counter: the clock goes on without one.
            now_ns += INTERVAL_NS * (1 + dice.roll(3) / 2);
            outbound.build(endpoint(), || None, &mut Endless);
            let datagram = outbound.leaving().to_vec();
            assert_eq!(datagram.len(), LENGTH);
            let mut deliver = |datagram: &[u8]| inbound.receive(now_ns, now_ns, 0, endpoint(), datagram, &mut sink);
            match dice.roll(20) {
                0 => continue,
                1 => late.push((counter, datagram)),
                2 => {
                    deliver(&datagram);
                    deliver(&datagram);
                    came.insert(counter);
                }
                _ => {
                    deliver(&datagram);
                    came.insert(counter);
                }
            }
            if late.len() == 30 {
                for (counter, datagram) in late.drain(..) {
                    deliver(&datagram);
                    came.insert(counter);
                }
            }
        }
        late.clear();
        let highest = u64::from(*came.last().expect("most came"));
        let arrived = came.len() as u64;
        naive = Totals { expected: naive.expected + highest + 1, lost: naive.lost + highest + 1 - arrived };
        let counters = inbound.counters();
        assert_eq!(Totals::new(counters.expected, counters.opened), naive, "after generation {generation}");
    }
    assert!(naive.lost > 200, "{naive:?}");
    assert!(inbound.counters().replayed > 200);
    inbound.forget(3);
    inbound.forget(2);
    let counters = inbound.counters();
    assert_eq!(Totals::new(counters.expected, counters.opened), naive, "keys that are gone still count");
}

#[test]
fn a_report_crosses_with_packets_and_a_rekey_and_gives_the_round_trip() {
    let mut outbound = Outbound::new(Sealer::new(Aead::Aes256Gcm, keys(0)), LENGTH);
    let (mut inbound, mut sink) = (receiver(), Sink::default());
    install(&mut inbound, 1, 0);
    sends_under(&mut outbound, 1);
    let rekey = RepeatedControl { kind: 1, body: vec![7; 96].into(), every_slots: 4 };
    outbound.repeat_control(Some(Box::new(rekey)));
    // Our own datagrams, on which the peer reports: one a slot, at the same instants.
    let mut ours = PeerReports::default();
    let mut said = 0;
    for slot in 0..400u64 {
        let deadline_ns = 1_000_000_000 + slot * INTERVAL_NS;
        ours.sent(0, 1, slot as u32, deadline_ns);
        if slot >= 10 && slot % 20 == 0 {
            // The peer has ours up to five slots ago, but for every tenth.
            let newest = slot as u32 - 5;
            let received_ns = 1_000_000_000 + u64::from(newest) * INTERVAL_NS + WAY_NS;
            outbound.report(Heard { generation: 1, newest, opened: newest + 1 - newest / 10, received_ns });
            said += 1;
        }
        outbound.set_deadline(deadline_ns);
        outbound.build(endpoint(), || None, &mut Endless);
        let arrival_ns = deadline_ns + WAY_NS;
        inbound.receive(arrival_ns, arrival_ns, 0, endpoint(), outbound.leaving(), &mut sink);
    }
    assert!(sink.packets > 50 && sink.controls > 20, "{} packets, {} rekey blocks", sink.packets, sink.controls);
    // One that was given while another waited took its place.
    assert!((10..=said).contains(&sink.reports.len()), "{} of {said} reports", sink.reports.len());
    for (generation, report, received_ns) in &sink.reports {
        assert_eq!(*generation, 1);
        assert!(received_ns.is_some(), "nothing was lost, so nothing waited");
        assert!(ours.report(1, *report, *received_ns), "{report:?}");
        let trip = ours.round_trip().expect("it was sent, and came");
        assert_eq!(trip.newest_ns, 2 * WAY_NS, "whatever the report waited for its slot");
        let expected = u64::from(report.newest) + 1;
        assert_eq!(ours.totals(), Totals { expected, lost: u64::from(report.newest / 10) });
    }
}

#[test]
fn a_report_that_waited_for_a_lost_datagram_says_nothing_of_the_time() {
    let mut outbound = Outbound::new(Sealer::new(Aead::Aes256Gcm, keys(0)), LENGTH);
    let (mut inbound, mut sink) = (receiver(), Sink::default());
    install(&mut inbound, 1, 0);
    sends_under(&mut outbound, 1);
    for slot in 0..6u64 {
        if slot == 2 {
            outbound.report(Heard { generation: 1, newest: 0, opened: 1, received_ns: 0 });
        }
        outbound.build(endpoint(), || None, &mut Endless);
        let datagram = outbound.leaving().to_vec();
        if slot != 1 {
            let now_ns = slot * INTERVAL_NS;
            inbound.receive(now_ns, now_ns, 0, endpoint(), &datagram, &mut sink);
        }
    }
    assert_eq!(sink.reports.iter().map(|(_, _, received)| *received).collect::<Vec<_>>(), [None]);
}
