//! Both ends of the direction, the account of which datagrams hold which packet, and what comes out.

use std::collections::VecDeque;
use std::net::SocketAddr;

use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::{INITIATION_IKPSK2, Unwrapper};
use i405_proto::inbound::{
    HandshakeMessage, Inbound, InboundConfig, InboundCounters, InboundSink, NewSession, OpenedDatagram, OtherVersion,
    ReceivingKey, Role,
};
use i405_proto::keys::{Aead, DIRECTION_KEY_BYTES, DirectionKeys};
use i405_proto::outbound::{Contents, HandshakeCopy, Outbound, SendingSession, Slot};
use i405_proto::packer::{CONTROL_CLOSE, InnerQueue};
use i405_proto::seal::Sealer;
use proptest::prelude::*;

/// Time from one slot to the next.
const SLOT_NS: u64 = 1_000_000;
/// Later payloads that are held before a missing one is given up: the default.
const REORDER_WINDOW: usize = 3;
/// So many slots late, a datagram is overtaken by two others at most, and the window holds as many.
const MILD_SLOTS: u64 = 3;

/// Runs of each test: one is some hundred datagrams.
pub const CASES: u32 = 64;

/// All that waits is sent in fewer: a hundred of the longest packets in the shortest datagrams, every second slot a
/// handshake's.
const MOST_SLOTS: usize = 500_000;

/// What the network does to a datagram.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fault {
    pub lost: bool,
    /// One byte of it is another.
    pub spoilt: bool,
    /// It comes so many slots late.
    pub late: u64,
    /// It comes once more, so many slots after that.
    pub again: Option<u64>,
}

/// Faults that cost nothing.
pub fn mild() -> impl Strategy<Value = Fault> {
    (0..=MILD_SLOTS, prop::option::weighted(0.2, 0..50u64)).prop_map(|(late, again)| Fault {
        late,
        again,
        ..Fault::default()
    })
}

/// The same, and one datagram in ten doesn't come, or not as it was.
pub fn lossy() -> impl Strategy<Value = Fault> {
    (mild(), prop::bool::weighted(0.06), prop::bool::weighted(0.04)).prop_map(|(fault, lost, spoilt)| Fault {
        lost,
        spoilt,
        ..fault
    })
}

/// Lengths of packets: mostly short ones, some ordinary, few of the greatest length. Or all alike, as those of a transfer
/// are: then one can stand where another one is missing.
pub fn lengths() -> impl Strategy<Value = Vec<usize>> {
    let length = prop_oneof![60 => 20..100usize, 38 => 100..1500usize, 2 => 20_000..=65_535usize];
    let mixed = prop::collection::vec(length, 1..100);
    let alike = (20..1500usize, 1..100usize).prop_map(|(length, count)| vec![length; count]);
    prop_oneof![3 => mixed, 1 => alike]
}

/// Lengths of datagrams, from the shortest there is.
pub fn datagram_lengths() -> impl Strategy<Value = usize> {
    prop_oneof![Just(52), Just(72), Just(172), Just(372), Just(1472)]
}

/// A packet with its number in it: IPv6 in a third of the cases, if it is long enough.
fn packet(number: usize, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..length).map(|at| (at * 31 + number * 7) as u8).collect();
    if length >= 40 && number.is_multiple_of(3) {
        bytes[0] = 0x60;
        bytes[4..6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
    } else {
        bytes[0] = 0x45;
        bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    }
    bytes[8..12].copy_from_slice(&(number as u32).to_be_bytes());
    bytes
}

/// A packet that was taken from the queue.
struct Sent {
    length: usize,
    out: usize,
    /// The data datagrams that hold it.
    datagrams: Vec<usize>,
}

/// The queue, and what became of what was taken from it.
#[derive(Default)]
struct Account {
    waiting: VecDeque<usize>,
    sent: Vec<Sent>,
    under_way: Option<usize>,
    /// Of `sent`, those that the account of slots has come to.
    told: usize,
}

impl InnerQueue for Account {
    fn next_len(&mut self) -> Option<usize> {
        self.waiting.front().copied()
    }

    fn read(&mut self, into: &mut [u8]) {
        let length = self.waiting.pop_front().expect("`next_len` said that there is one");
        into.copy_from_slice(&packet(self.sent.len(), length));
        self.sent.push(Sent { length, out: 0, datagrams: Vec::new() });
    }
}

impl Account {
    /// A datagram holds so much. With the lengths alone this says which bytes of which packets.
    fn carried(&mut self, datagram: usize, contents: Contents) {
        let (packets, mut bytes) = match contents {
            Contents::Carrying { packets, bytes } => (packets, bytes as usize),
            Contents::Cover | Contents::Handshake => (0, 0),
        };
        assert_eq!(self.sent.len() - self.told, packets as usize, "packets taken, and packets told");
        while bytes > 0 {
            let number = self.under_way.unwrap_or_else(|| {
                self.told += 1;
                self.told - 1
            });
            let sent = &mut self.sent[number];
            let part = bytes.min(sent.length - sent.out);
            sent.out += part;
            sent.datagrams.push(datagram);
            bytes -= part;
            self.under_way = (sent.out < sent.length).then_some(number);
        }
        assert_eq!(self.told, self.sent.len(), "each packet that was taken is told of");
    }

    /// The packet under way starts again.
    fn restart(&mut self) {
        if let Some(number) = self.under_way {
            self.sent[number].out = 0;
            self.sent[number].datagrams.clear();
        }
    }
}

/// What came out.
#[derive(Default)]
struct Arrived {
    packets: Vec<usize>,
    closes: u32,
    opened: Vec<u32>,
}

impl InboundSink for Arrived {
    fn packet(&mut self, inner: &[u8]) {
        let number = u32::from_be_bytes(inner[8..12].try_into().expect("four bytes")) as usize;
        assert!(inner == packet(number, inner.len()), "packet {number} came altered");
        self.packets.push(number);
    }
    fn control(&mut self, _generation: u32, kind: u8, _body: &[u8]) {
        assert_eq!(kind, CONTROL_CLOSE, "nothing else was said to a client");
        self.closes += 1;
    }
    fn opened(&mut self, generation: u32, _source: Endpoint, _received_ns: u64) {
        self.opened.push(generation);
    }
    fn heard(&mut self, _datagram: OpenedDatagram) {}
    fn handshake(&mut self, _message: HandshakeMessage<'_>) {
        unreachable!("no handshake is said")
    }
    fn other_version(&mut self, _initiation: OtherVersion) {
        unreachable!("no handshake is said")
    }
    fn stale(&mut self, _stamp: u64, _floor_ms: u64) {
        unreachable!("no handshake is said")
    }
    fn handshake_sources(&mut self, _stamp: u64, _sources: &mut dyn Iterator<Item = Endpoint>) {
        unreachable!("no handshake is said")
    }
}

/// A datagram under way. Ordered by time, and what was sent first comes first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Coming {
    at_ns: u64,
    order: usize,
    bytes: Vec<u8>,
}

/// The direction.
pub struct Way {
    aead: Aead,
    outbound: Outbound,
    generation: u32,
    account: Account,
    inbound: Inbound,
    arrived: Arrived,
    now_ns: u64,
    order: usize,
    coming: Vec<Coming>,
    /// Data datagrams so far, and which of them didn't come as they were.
    pub data: usize,
    lost: Vec<usize>,
    /// Copies that came.
    pub copies: u64,
}

fn server() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 1405))
}

impl Way {
    /// Datagrams of this length from a server to its client, which have a session's key.
    pub fn new(length: usize, lengths: &[usize]) -> Self {
        let aead = if length.is_multiple_of(3) { Aead::ChaCha20Poly1305 } else { Aead::Aes256Gcm };
        let inbound = Inbound::new(InboundConfig {
            role: Role::Client,
            peer: Some(server()),
            unwrapper: Unwrapper::new(&[1; 32], &[2; 32]),
            initiation_length: INITIATION_IKPSK2,
            floor_ms: 0,
            max_stamp_age_ms: None,
            max_datagram: 1472,
            seed: [3; 32],
        });
        let mut way = Way {
            aead,
            outbound: Outbound::new(Sealer::throwaway(aead, &[0; DIRECTION_KEY_BYTES]), length),
            generation: 0,
            account: Account { waiting: lengths.iter().copied().collect(), ..Account::default() },
            inbound,
            arrived: Arrived::default(),
            now_ns: 1_000 * SLOT_NS,
            order: 0,
            coming: Vec::new(),
            data: 0,
            lost: Vec::new(),
            copies: 0,
        };
        way.change_keys(None);
        way
    }

    /// Both ends have the next key, and it is sent under at once.
    pub fn change_keys(&mut self, announce_stamp: Option<u64>) {
        self.generation += 1;
        let (generation, aead) = (self.generation, self.aead);
        let keys = || DirectionKeys::from_bytes(&[generation as u8; DIRECTION_KEY_BYTES]);
        let receive_length = self.outbound.datagram_length();
        let session = NewSession { generation, aead, keys: keys(), receive_length, receive_interval_ns: SLOT_NS };
        let key = Box::new(ReceivingKey::new(session, REORDER_WINDOW).expect("settings that make sense"));
        self.inbound.install(key, self.now_ns).expect("a new generation");
        let sealer = Sealer::new(aead, keys());
        self.outbound.set_session(Some(Box::new(SendingSession { generation, sealer, announce_stamp })));
        self.account.restart();
    }

    /// The sender has no key for now.
    pub fn expire(&mut self) {
        self.outbound.set_session(None);
        self.account.restart();
    }

    pub fn say_close(&mut self) {
        self.outbound.say_close();
        self.account.under_way = None;
    }

    /// Every so many slots are a handshake's, to somebody else; 0: none.
    pub fn set_carousel(&mut self, every: u32) {
        self.outbound.set_carousel(every);
    }

    /// One slot, and what arrives until the next.
    pub fn slot(&mut self, fault: Fault) -> Slot {
        let length = self.outbound.datagram_length();
        let elsewhere = SocketAddr::from(([192, 0, 2, 9], 1405));
        let copy = HandshakeCopy { endpoint: elsewhere.into(), bytes: vec![5; length].into_boxed_slice() };
        let slot = self.outbound.build(server().into(), || Some(&copy), &mut self.account);
        self.account.carried(self.data, slot.contents);
        let is_data = slot.under.generation == self.generation;
        if slot.contents != Contents::Handshake {
            self.travel(self.outbound.leaving().to_vec(), fault, is_data);
        }
        self.data += usize::from(is_data);
        self.now_ns += SLOT_NS;
        self.arrive();
        slot
    }

    fn travel(&mut self, mut bytes: Vec<u8>, fault: Fault, is_data: bool) {
        if is_data && (fault.lost || fault.spoilt) {
            self.lost.push(self.data);
        }
        if fault.lost {
            return;
        }
        if fault.spoilt {
            let at = self.order * 7 % bytes.len();
            bytes[at] ^= 0x10;
        }
        let at_ns = self.now_ns + fault.late * SLOT_NS;
        if let Some(again) = fault.again {
            self.post(at_ns + again * SLOT_NS, bytes.clone());
            self.copies += u64::from(is_data && !fault.spoilt);
        }
        self.post(at_ns, bytes);
    }

    fn post(&mut self, at_ns: u64, bytes: Vec<u8>) {
        self.order += 1;
        self.coming.push(Coming { at_ns, order: self.order, bytes });
    }

    /// Everything that is to come before now comes, and timers that are due go off.
    fn arrive(&mut self) {
        self.coming.sort_unstable_by(|one, other| other.cmp(one));
        loop {
            let next_ns = self.coming.last().map(|coming| coming.at_ns);
            let first_ns = next_ns.into_iter().chain(self.inbound.next_timer_ns()).min();
            let Some(at_ns) = first_ns.filter(|at_ns| *at_ns < self.now_ns) else { break };
            if next_ns == Some(at_ns) {
                let coming = self.coming.pop().expect("just seen");
                self.inbound.receive(at_ns, at_ns, 0, server(), &coming.bytes, &mut self.arrived);
            } else {
                self.inbound.on_timer(at_ns, &mut self.arrived);
            }
            for generation in std::mem::take(&mut self.arrived.opened) {
                self.inbound.set_current(generation);
            }
        }
    }

    /// Whether anything waits to be sent.
    pub fn is_idle(&self) -> bool {
        self.account.waiting.is_empty() && self.account.under_way.is_none()
    }

    /// Slots without faults until everything is out, and has come or been given up.
    pub fn drain(&mut self) {
        let mut slots = 0;
        while !self.is_idle() {
            assert!(slots < MOST_SLOTS, "something is never sent");
            slots += 1;
            self.slot(Fault::default());
        }
        self.now_ns += 1_000 * SLOT_NS;
        self.arrive();
    }

    /// Packets that still wait.
    pub fn waiting(&self) -> usize {
        self.account.waiting.len()
    }

    /// Numbers of the packets that came, as they came.
    pub fn came(&self) -> &[usize] {
        &self.arrived.packets
    }

    pub fn closes(&self) -> u32 {
        self.arrived.closes
    }

    /// Numbers of the packets that were sent whole and that no lost datagram held a byte of.
    pub fn untouched(&self) -> Vec<usize> {
        let is_untouched = |sent: &Sent| {
            sent.out == sent.length && !sent.datagrams.iter().any(|datagram| self.lost.contains(datagram))
        };
        self.account.sent.iter().enumerate().filter(|(_, sent)| is_untouched(sent)).map(|(number, _)| number).collect()
    }

    pub fn counters(&self) -> InboundCounters {
        self.inbound.counters()
    }
}
