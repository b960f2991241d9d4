//! One key for receiving, and everything that belongs to it alone: replay window, reorder window, unpacker.

use std::fmt;

use crate::keys::{Aead, DirectionKeys};
use crate::reorder::ReorderWindow;
use crate::replay::ReplayWindow;
use crate::seal::{COUNTER_LIMIT, DATA_OVERHEAD, MIN_DATAGRAM, Opener};
use crate::unpacker::Unpacker;

use super::arrival::{Arrival, InboundCounters};
use super::settings::MAX_DATAGRAM;
use super::sink::{Blocks, InboundSink, OpenedDatagram, ServerSide};

// The protocol's.

/// How far a counter may be above the highest one seen, besides what silence allows. A burst that was held back on the
/// way fits, and a stranger's chance to be opened stays at 2^-16.
const COUNTERS_AHEAD: u64 = 65_536;

/// A missing payload is given up after this many mean intervals.
const PATIENCE_INTERVALS: u64 = 4;

/// What a receiving key is made from.
#[derive(Debug)]
pub struct NewSession {
    /// Above every generation before it.
    pub generation: u32,
    /// How the peer seals.
    pub aead: Aead,
    /// The keys of the receiving direction.
    pub keys: DirectionKeys,
    /// Length of the peer's datagrams in bytes.
    pub receive_length: usize,
    /// Mean interval of the peer's schedule, in ns.
    pub receive_interval_ns: u64,
}

/// Why a generation can't be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// A generation is installed once, and only upwards.
    #[error("generation {generation} is not above {newest}, which was installed before")]
    NotNewer {
        /// What was to be installed.
        generation: u32,
        /// The newest one so far.
        newest: u32,
    },
    /// Shorter than any datagram, or longer than the receiver takes.
    #[error("datagrams of {length} bytes are not within {MIN_DATAGRAM} to {longest}")]
    Length {
        /// What was asked for.
        length: usize,
        /// The receiver's longest.
        longest: usize,
    },
    /// A mean interval of nothing.
    #[error("the mean interval is 0 ns")]
    Interval,
}

/// Whether a datagram is worth opening under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plausibility {
    /// Its counter may be this.
    Counter(u32),
    /// Its counter was seen before.
    Replayed,
    /// Not this key's.
    No,
}

/// One key for receiving. Making it allocates and derives; installing it ([`super::Inbound::install`]) does neither, so
/// it can be made on one thread and installed on a timed one.
pub struct ReceivingKey {
    pub(super) generation: u32,
    opener: Opener,
    length: usize,
    interval_ns: u64,
    /// When a datagram last opened, or the key was installed.
    heard_ns: u64,
    replay: ReplayWindow,
    reorder: ReorderWindow,
    unpacker: Unpacker,
}

impl ReceivingKey {
    /// A key that has seen nothing. `reorder_window`: later payloads held before a missing one is given up.
    ///
    /// # Errors
    /// [`InstallError::Length`] and [`InstallError::Interval`] for settings that make no sense.
    pub fn new(session: NewSession, reorder_window: usize) -> Result<Self, InstallError> {
        let length = session.receive_length;
        if !(MIN_DATAGRAM..=MAX_DATAGRAM).contains(&length) {
            return Err(InstallError::Length { length, longest: MAX_DATAGRAM });
        }
        if session.receive_interval_ns == 0 {
            return Err(InstallError::Interval);
        }
        let patience_ns = session.receive_interval_ns.saturating_mul(PATIENCE_INTERVALS);
        Ok(Self {
            generation: session.generation,
            opener: Opener::new(session.aead, session.keys),
            length: session.receive_length,
            interval_ns: session.receive_interval_ns,
            heard_ns: 0,
            replay: ReplayWindow::new(),
            reorder: ReorderWindow::new(reorder_window, session.receive_length - DATA_OVERHEAD, patience_ns),
            unpacker: Unpacker::new(),
        })
    }

    /// Silence counts from the installation.
    pub(super) fn installed(&mut self, now_ns: u64) {
        self.heard_ns = now_ns;
    }

    /// Length of this key's datagrams.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Whether the datagram has the length of this key's. Only then does trial cost a mask.
    pub(super) fn has_length(&self, datagram: &[u8]) -> bool {
        datagram.len() == self.length
    }

    /// The highest counter that opened, -1 before the first.
    pub(super) fn highest(&self) -> i64 {
        self.replay.highest()
    }

    /// The unmasked counter. Costs one mask.
    pub(super) fn counter(&self, datagram: &[u8]) -> u32 {
        self.opener.counter(datagram)
    }

    /// Whether a datagram with this counter has opened.
    pub(super) fn has_seen(&self, counter: u32) -> bool {
        self.replay.seen(counter)
    }

    /// Unmasks the counter and says whether it can be the peer's. Costs one mask.
    pub(super) fn plausibility(&self, datagram: &[u8], now_ns: u64) -> Plausibility {
        let counter = self.opener.counter(datagram);
        let silence_ns = now_ns.saturating_sub(self.heard_ns);
        let ahead = COUNTERS_AHEAD.saturating_add(silence_ns.saturating_mul(2) / self.interval_ns);
        let too_far = i64::from(counter) - self.replay.highest() > i64::try_from(ahead).unwrap_or(i64::MAX);
        if counter >= COUNTER_LIMIT || too_far {
            Plausibility::No
        } else if self.replay.check(counter) {
            Plausibility::Counter(counter)
        } else if self.replay.seen(counter) {
            Plausibility::Replayed
        } else {
            Plausibility::No
        }
    }

    /// Opens a plausible datagram into `scratch`; the length of the payload there, if it authenticates.
    pub(super) fn open(&self, counter: u32, datagram: &[u8], scratch: &mut [u8]) -> Option<usize> {
        self.opener.open(counter, datagram, scratch).map(<[u8]>::len)
    }

    /// Takes the payload of a datagram that opened.
    pub(super) fn deliver(
        &mut self,
        counter: u32,
        payload: &[u8],
        arrival: &Arrival,
        server: Option<ServerSide<'_>>,
        counters: &mut InboundCounters,
        sink: &mut impl InboundSink,
    ) {
        let first = self.replay.highest() < 0;
        self.replay.commit(counter);
        self.heard_ns = arrival.now_ns;
        counters.opened += 1;
        if first {
            sink.opened(self.generation, arrival.source, arrival.received_ns);
        }
        sink.heard(OpenedDatagram {
            generation: self.generation,
            counter,
            now_ns: arrival.now_ns,
            received_ns: arrival.received_ns,
        });
        let Self { reorder, unpacker, generation, .. } = self;
        let malformed = &mut counters.malformed_inner;
        // The first that comes out, if it is this one. Others have waited.
        let mut received_ns = reorder.is_next(counter).then_some(arrival.received_ns);
        let mut blocks = Blocks { sink, generation: *generation, server, malformed, received_ns };
        reorder.insert(counter, payload, arrival.now_ns, &mut |payload, contiguous| {
            blocks.received_ns = received_ns.take();
            counters.blocks_dropped += u64::from(unpacker.payload(payload, contiguous, &mut blocks));
        });
    }

    pub(super) fn next_timer_ns(&self) -> Option<u64> {
        self.reorder.deadline_ns()
    }

    pub(super) fn on_timer(
        &mut self,
        now_ns: u64,
        server: Option<ServerSide<'_>>,
        counters: &mut InboundCounters,
        sink: &mut impl InboundSink,
    ) {
        let Self { reorder, unpacker, generation, .. } = self;
        let malformed = &mut counters.malformed_inner;
        let mut blocks = Blocks { sink, generation: *generation, server, malformed, received_ns: None };
        reorder.expire(now_ns, &mut |payload, contiguous| {
            counters.blocks_dropped += u64::from(unpacker.payload(payload, contiguous, &mut blocks));
        });
    }

    pub(super) fn payloads_lost(&self) -> u64 {
        self.reorder.lost()
    }

    /// Datagrams that can have come under this key: up to the highest counter that did.
    pub(super) fn expected(&self) -> u64 {
        (self.highest() + 1).unsigned_abs()
    }
}

impl fmt::Debug for ReceivingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivingKey")
            .field("generation", &self.generation)
            .field("highest", &self.replay.highest())
            .finish_non_exhaustive()
    }
}
