//! Handshake datagrams of one pairing: unwrapping, stamps, copies, reassembly, and the rate to JavaScript.

use std::fmt;

use crate::budget::Budget;
use crate::endpoint::Endpoint;
use crate::handshake_wire::{
    KIND_INITIATION, KIND_RESPONSE, KIND_WRONG_VERSION, NONCE, RESPONSE, Unwrapped, Unwrapper, VERSION, WRONG_VERSION,
};
use crate::reassembly::Reassembly;
use crate::sources::Sources;
use crate::stamp::{AtMostOncePer, Floor, Judgement, STALE_REPORT_INTERVAL_NS};

use super::arrival::{Arrival, InboundCounters};
use super::handovers::{self, Handovers};
use super::settings::{PairingConfig, Role};
use super::sink::{HandshakeMessage, InboundSink, OtherVersion};

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
    Server(Box<Initiations>),
}

/// Where a server's initiations come from.
struct Initiations {
    /// Of the stamp that is being put together.
    assembling: Sources,
    /// Of the stamp that was handed over last.
    answered: Sources,
    stale_report: AtMostOncePer,
}

impl Pairing {
    /// `draw`: random bytes that nobody else knows.
    pub(super) fn new(index: usize, role: Role, config: PairingConfig, draw: impl FnMut() -> [u8; 16]) -> Self {
        let (end, message_length) = match role {
            Role::Client => (End::Client([None; 2]), RESPONSE),
            Role::Server => (End::Server(Box::new(Initiations::new(draw))), config.initiation_length),
        };
        Self {
            index,
            unwrapper: config.unwrapper,
            reassembly: Reassembly::new(message_length),
            handover: handovers::of_one_pairing(),
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

    /// Server: whether a response goes there.
    pub(super) fn answers(&self, source: Endpoint) -> bool {
        self.answered_sources().any(|best| best == source)
    }

    /// Server: where the newest response goes.
    pub(super) fn answered_sources(&self) -> impl Iterator<Item = Endpoint> + '_ {
        let initiations = match &self.end {
            End::Server(initiations) => Some(initiations),
            End::Client(_) => None,
        };
        initiations.into_iter().flat_map(|initiations| initiations.answered.best())
    }

    /// Server: a copy of a fragment that was opened before. It isn't opened again, and its source counts.
    pub(super) fn copy(&mut self, nonce: &[u8; NONCE], source: Endpoint, sink: &mut impl InboundSink) {
        let End::Server(initiations) = &mut self.end else { return };
        if initiations.answered.know(nonce) {
            initiations.came(nonce, source, sink);
        } else if initiations.assembling.know(nonce) {
            initiations.assembling.came(nonce, source);
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
        let mut may_hand_over = || handovers.allow(handover, arrival.now_ns);
        match (end, unwrapped.head.kind) {
            (End::Server(initiations), KIND_INITIATION) => {
                let judgement = floor.judge(unwrapped.head.stamp, arrival.wall_ms);
                match judgement {
                    Judgement::Stale => {
                        counters.stale += 1;
                        initiations.report_stale(arrival, unwrapped, floor, sink);
                    }
                    Judgement::Known if initiations.answered.stamp() == Some(unwrapped.head.stamp) => {
                        initiations.came(&unwrapped.nonce, arrival.source, sink);
                    }
                    Judgement::Known => {}
                    Judgement::Fresh if unwrapped.head.version != VERSION => {
                        if may_hand_over() {
                            initiations.assembling.begin(unwrapped.head.stamp);
                            initiations.assembling.came(&unwrapped.nonce, arrival.source);
                            initiations.answer(sink);
                            other_version(arrival, of, unwrapped, floor, sink);
                        }
                    }
                    Judgement::Fresh => {
                        let stamp = unwrapped.head.stamp;
                        if !reassembly.admit(stamp, datagram_length) {
                            return;
                        }
                        initiations.assembling.begin(stamp);
                        initiations.assembling.came(&unwrapped.nonce, arrival.source);
                        if take(reassembly, unwrapped) && may_hand_over() {
                            // The floor rises before anybody acts on the message.
                            floor.act_on(stamp);
                            let source = initiations.answer(sink).unwrap_or(arrival.source);
                            hand_over(&Arrival { source, ..*arrival }, of, unwrapped, reassembly, sink);
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

impl Initiations {
    fn new(mut draw: impl FnMut() -> [u8; 16]) -> Self {
        Self {
            assembling: Sources::new(draw()),
            answered: Sources::new(draw()),
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

    /// A fragment of the attempt that was acted on last, or a copy of one.
    fn came(&mut self, nonce: &[u8; NONCE], source: Endpoint, sink: &mut impl InboundSink) {
        if self.answered.came(nonce, source) {
            self.tell(sink);
        }
    }

    fn tell(&mut self, sink: &mut impl InboundSink) {
        if let Some(stamp) = self.answered.stamp() {
            sink.handshake_sources(stamp, &mut self.answered.best());
        }
    }

    /// The stamp that was put together is to be answered, first of all to the source that is returned.
    fn answer(&mut self, sink: &mut impl InboundSink) -> Option<Endpoint> {
        std::mem::swap(&mut self.assembling, &mut self.answered);
        self.tell(sink);
        self.answered.best().next()
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
