//! What a tunnel reports, and how it gets from the receiver to whoever listens.

use i405_proto::challenge::Challenges;
use i405_proto::endpoint::Endpoint;
use i405_proto::inbound::OtherVersion;
use i405_proto::sources::MOST_SOURCES;

use crate::rings::record::{ArrivalRecord, DepartureRecord, Recorded, SlotRecord};

/// Largest message that crosses from the receiver: an IKpsk2 initiation.
pub const MESSAGE_CAPACITY: usize = 1344;

/// A handshake message or control block in a fixed place, so that the receiver does not allocate.
#[derive(Clone, Copy)]
pub struct InlineBytes {
    length: u16,
    bytes: [u8; MESSAGE_CAPACITY],
}

impl InlineBytes {
    /// None.
    pub const EMPTY: Self = InlineBytes { length: 0, bytes: [0; MESSAGE_CAPACITY] };

    /// A copy of `bytes`; None if they are more than [`MESSAGE_CAPACITY`].
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut inline = InlineBytes { length: bytes.len() as u16, bytes: [0; MESSAGE_CAPACITY] };
        inline.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(inline)
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// What the receiver tells the reporter. Fixed size, no heap.
pub struct ReceiverEvent {
    pub(crate) notice: Notice,
    pub(crate) bytes: InlineBytes,
}

/// The part of a receiver event that is not bytes.
#[allow(
    clippy::large_enum_variant,
    reason = "the bytes beside it are more; boxing it would allocate where datagrams come"
)]
#[derive(Clone, Copy)]
pub(crate) enum Notice {
    Handshake { kind: u8, version: u8, stamp: u64, source: Endpoint, datagram_length: usize, received_ns: u64 },
    OtherVersion(OtherVersion),
    Stale { stamp: u64, floor_ms: u64 },
    Opened { generation: u32, source: Endpoint, received_ns: u64 },
    Control { generation: u32, kind: u8 },
    Believed { confirmed: Option<u32>, source: Endpoint },
    Challenges(Challenges),
    HandshakeSources { stamp: u64, sources: [Option<Endpoint>; MOST_SOURCES] },
}

/// What a tunnel reports, in batches. `lib/native/events.ts` has the meaning of each.
#[derive(Clone, Debug)]
pub enum Event {
    /// A whole handshake message.
    Handshake {
        /// 1 initiation, 2 response, 3 wrong version.
        kind: u8,
        /// Version in its head.
        version: u8,
        /// Stamp in its head.
        stamp: u64,
        /// The message.
        message: Vec<u8>,
        /// Where it came from; at a server, the likeliest of several sources.
        source: Endpoint,
        /// Length of its datagrams.
        datagram_length: usize,
        /// When the kernel received the last one, CLOCK_MONOTONIC.
        received_ns: u64,
    },
    /// An initiation of another version.
    OtherVersion(OtherVersion),
    /// A genuine initiation that is too old.
    StaleInitiation {
        /// Its stamp.
        stamp: u64,
        /// What it would have had to be above.
        floor_ms: u64,
    },
    /// The first datagram that opened under a generation.
    Opened {
        /// Which.
        generation: u32,
        /// Where it came from.
        source: Endpoint,
        /// When the kernel received it, CLOCK_MONOTONIC.
        received_ns: u64,
    },
    /// A control block.
    Control {
        /// Under which key it came.
        generation: u32,
        /// Its type.
        kind: u8,
        /// Its body.
        body: Vec<u8>,
    },
    /// Server: the client is believed to be there, and slots go there already.
    Believed {
        /// The generation whose confirmation began the asking; None: it was somewhere else before.
        confirmed: Option<u32>,
        /// There.
        source: Endpoint,
    },
    /// Nothing opened for the watched time.
    Silent {
        /// How long by now.
        for_ns: u64,
    },
    /// Something opened again.
    Heard,
    /// The schedule ended.
    ScheduleEnded,
    /// The close slots are out.
    CloseSent,
    /// A generation has no counters left.
    Exhausted {
        /// Which.
        generation: u32,
    },
    /// Inner packets for the packet device.
    Packets(Vec<Vec<u8>>),
    /// The waiting queue has room again.
    Drain,
    /// Slots that were sent, by deadline. Where it is asked for, like the two that follow.
    Slots(Recorded<SlotRecord>),
    /// Slots whose transmit timestamps came.
    Departures(Recorded<DepartureRecord>),
    /// Datagrams that opened.
    Arrivals(Recorded<ArrivalRecord>),
    /// Something the user should know.
    Warning {
        /// Stable.
        code: &'static str,
        /// What happened, in one sentence without a full stop.
        message: String,
        /// What to do about it, without the last full stop.
        remedy: String,
    },
    /// Events that found no room.
    Dropped {
        /// How many.
        count: u64,
    },
    /// The tunnel is over.
    Failed {
        /// Stable.
        code: &'static str,
        /// A sentence.
        detail: String,
    },
    /// Everything is released; the last one.
    Closed,
}

impl Event {
    /// A warning: a stable code, what happened, and what to do. Neither text ends with a full stop.
    pub(crate) fn warning(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Event::Warning { code, message: message.into(), remedy: remedy.into() }
    }
}

/// Where batches of events go.
pub trait EventSink: Send {
    /// Whether the last batch has been taken: the reporter holds the next one back until then.
    fn idle(&self) -> bool;
    /// Takes a batch. False: the listener is gone, and the tunnel ends.
    fn deliver(&mut self, batch: Vec<Event>) -> bool;
}
