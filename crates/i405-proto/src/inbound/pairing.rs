//! Handshake datagrams of one pairing: unwrapping, stamps, copies, reassembly, and the rate to JavaScript.

use std::fmt;

use crate::budget::Budget;
use crate::handshake_wire::{
    KIND_INITIATION, KIND_RESPONSE, KIND_WRONG_VERSION, RESPONSE, Unwrapped, Unwrapper, VERSION, WRONG_VERSION,
};
use crate::nonces::{Seen, SeenNonces};
use crate::reassembly::Reassembly;
use crate::stamp::{AtMostOncePer, Floor, HANDOVER_INTERVAL_NS, Judgement, STALE_REPORT_INTERVAL_NS};

use super::pairings::Handovers;
use super::sink::{HandshakeMessage, InboundSink, OtherVersion};
use super::{Arrival, InboundCounters, PairingConfig, Role};

/// The receiving half of a pairing.
pub(super) struct Pairing {
    /// Its place among the listener's.
    index: usize,
    unwrapper: Unwrapper,
    reassembly: Reassembly,
    handover: AtMostOncePer,
    floor: Floor,
    end: End,
}

/// What only one of the two ends needs.
enum End {
    /// The stamps of its two newest attempts: no other is answered any more.
    Client([Option<u64>; 2]),
    Server(Copies),
}

/// The server's: which copies of fragments came, and whether they name the source.
struct Copies {
    /// Of the stamp that is being put together.
    assembling: SeenNonces,
    /// Of the stamp that was handed over last.
    answered: SeenNonces,
    /// The stamp whose fragments name the source.
    tracked: Option<u64>,
    stale_report: AtMostOncePer,
}

impl Pairing {
    pub(super) fn new(index: usize, role: Role, config: PairingConfig) -> Self {
        let (end, message_length) = match role {
            Role::Client => (End::Client([None; 2]), RESPONSE),
            Role::Server => (End::Server(Copies::new()), config.initiation_length),
        };
        Self {
            index,
            unwrapper: config.unwrapper,
            reassembly: Reassembly::new(message_length),
            handover: AtMostOncePer::new(HANDOVER_INTERVAL_NS),
            floor: Floor::new(config.floor_ms, config.max_stamp_age_ms),
            end,
        }
    }

    pub(super) fn floor(&mut self) -> &mut Floor {
        &mut self.floor
    }

    pub(super) fn floor_ms(&self) -> u64 {
        self.floor.get()
    }

    pub(super) fn track_source(&mut self, stamp: Option<u64>) {
        if let End::Server(copies) = &mut self.end {
            copies.tracked = stamp;
        }
    }

    pub(super) fn expect_stamps(&mut self, stamps: [Option<u64>; 2]) {
        if let End::Client(expected) = &mut self.end {
            *expected = stamps;
            // A newer stamp that is no longer waited for must not keep an older one out.
            if self.reassembly.stamp().is_some_and(|stamp| !stamps.contains(&Some(stamp))) {
                self.reassembly.clear();
            }
        }
    }

    /// Whether the datagram is worth opening. Takes one mask, which a trial that has begun is granted.
    pub(super) fn looks_like_ours(&self, now_ns: u64, datagram: &[u8], budget: &mut Budget) -> bool {
        budget.take_mask(now_ns) && self.unwrapper.plausible(datagram)
    }

    /// Opens a plausible datagram into `scratch`.
    pub(super) fn unwrap<'a>(&self, datagram: &[u8], scratch: &'a mut [u8]) -> Option<Unwrapped<'a>> {
        self.unwrapper.unwrap(datagram, scratch)
    }

    /// Takes a fragment that authenticated. `handovers`: what all pairings share.
    pub(super) fn fragment(
        &mut self,
        arrival: &Arrival,
        datagram_length: usize,
        unwrapped: &Unwrapped<'_>,
        handovers: &mut Handovers,
        counters: &mut InboundCounters,
        sink: &mut impl InboundSink,
    ) {
        counters.fragments += 1;
        let Self { index, reassembly, handover, floor, end, .. } = self;
        let of = Of { pairing: *index, datagram_length };
        let mut may_hand_over = || {
            let may = handovers.has_room(arrival.now_ns) && handover.allow(arrival.now_ns);
            if may {
                handovers.take();
            }
            may
        };
        match (end, unwrapped.head.kind) {
            (End::Server(copies), KIND_INITIATION) => {
                let judgement = floor.judge(unwrapped.head.stamp, arrival.wall_ms);
                match judgement {
                    Judgement::Stale => {
                        counters.stale += 1;
                        copies.report_stale(arrival, unwrapped, floor, sink);
                    }
                    Judgement::Known => copies.name_source(arrival, unwrapped, sink),
                    Judgement::Fresh if unwrapped.head.version != VERSION => {
                        if may_hand_over() {
                            other_version(arrival, of, unwrapped, floor, sink);
                        }
                    }
                    Judgement::Fresh => {
                        let taken = copies.is_new(reassembly, datagram_length, unwrapped);
                        if taken && take(reassembly, unwrapped) && may_hand_over() {
                            // The floor rises before anybody acts on the message.
                            floor.act_on(unwrapped.head.stamp);
                            copies.answer();
                            hand_over(arrival, of, unwrapped, reassembly, sink);
                        }
                    }
                }
            }
            (End::Client(expected), KIND_RESPONSE) => {
                let ours = unwrapped.head.version == VERSION && expected.contains(&Some(unwrapped.head.stamp));
                if ours
                    && reassembly.admit(unwrapped.head.stamp, datagram_length)
                    && take(reassembly, unwrapped)
                    && may_hand_over()
                {
                    hand_over(arrival, of, unwrapped, reassembly, sink);
                }
            }
            (End::Client(expected), KIND_WRONG_VERSION) => {
                // Always one fragment, so it takes no buffer.
                let ours = unwrapped.head.fragment == 0 && expected.contains(&Some(unwrapped.head.stamp));
                if let Some(message) = unwrapped.fragment.get(..WRONG_VERSION)
                    && ours
                    && may_hand_over()
                {
                    sink.handshake(message_of(arrival, of, unwrapped, message));
                }
            }
            _ => {}
        }
    }
}

impl Copies {
    fn new() -> Self {
        Self {
            assembling: SeenNonces::new(),
            answered: SeenNonces::new(),
            tracked: None,
            stale_report: AtMostOncePer::new(STALE_REPORT_INTERVAL_NS),
        }
    }

    fn report_stale(
        &mut self,
        arrival: &Arrival,
        unwrapped: &Unwrapped<'_>,
        floor: &Floor,
        sink: &mut impl InboundSink,
    ) {
        if self.stale_report.allow(arrival.now_ns) {
            sink.stale(unwrapped.head.stamp, floor.get());
        }
    }

    /// A fragment of an attempt that was acted on. Unless it is a copy, it says where the client is.
    fn name_source(&mut self, arrival: &Arrival, unwrapped: &Unwrapped<'_>, sink: &mut impl InboundSink) {
        let stamp = Some(unwrapped.head.stamp);
        if self.answered.stamp() == stamp
            && self.answered.insert(&unwrapped.nonce) == Seen::New
            && self.tracked == stamp
        {
            sink.handshake_source(arrival.source);
        }
    }

    /// Whether the fragment belongs to the newest initiation and is no copy.
    fn is_new(&mut self, reassembly: &mut Reassembly, datagram_length: usize, unwrapped: &Unwrapped<'_>) -> bool {
        if !reassembly.admit(unwrapped.head.stamp, datagram_length) {
            return false;
        }
        self.assembling.begin(unwrapped.head.stamp);
        self.assembling.insert(&unwrapped.nonce) != Seen::Before
    }

    /// The stamp that was put together is to be answered: its copies are remembered further.
    fn answer(&mut self) {
        std::mem::swap(&mut self.assembling, &mut self.answered);
    }
}

/// Whether the message is whole with this fragment.
fn take(reassembly: &mut Reassembly, unwrapped: &Unwrapped<'_>) -> bool {
    reassembly.take(unwrapped.head.fragment, unwrapped.fragment);
    reassembly.whole().is_some()
}

/// What a message belongs to.
#[derive(Clone, Copy)]
struct Of {
    pairing: usize,
    datagram_length: usize,
}

fn hand_over(
    arrival: &Arrival,
    of: Of,
    unwrapped: &Unwrapped<'_>,
    reassembly: &mut Reassembly,
    sink: &mut impl InboundSink,
) {
    if let Some(message) = reassembly.whole() {
        sink.handshake(message_of(arrival, of, unwrapped, message));
    }
    reassembly.clear();
}

fn message_of<'a>(arrival: &Arrival, of: Of, unwrapped: &Unwrapped<'_>, message: &'a [u8]) -> HandshakeMessage<'a> {
    HandshakeMessage {
        pairing: of.pairing,
        kind: unwrapped.head.kind,
        version: unwrapped.head.version,
        stamp: unwrapped.head.stamp,
        message,
        source: arrival.source,
        datagram_length: of.datagram_length,
        received_ns: arrival.received_ns,
    }
}

/// An initiation that we can't read. The floor rises before it is reported, so that each is answered once.
fn other_version(arrival: &Arrival, of: Of, unwrapped: &Unwrapped<'_>, floor: &mut Floor, sink: &mut impl InboundSink) {
    let head = unwrapped.head;
    floor.act_on(head.stamp);
    sink.other_version(OtherVersion {
        pairing: of.pairing,
        version: head.version,
        stamp: head.stamp,
        source: arrival.source,
        datagram_length: of.datagram_length,
        received_ns: arrival.received_ns,
    });
}

impl fmt::Debug for Pairing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pairing").field("floor", &self.floor).finish_non_exhaustive()
    }
}
