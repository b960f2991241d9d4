//! Counters that threads share: each has one writer, so an update is a load and a store, not a locked add.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::rings::heard::HeardCell;

/// A counter with one writing thread and any number of readers.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it; only its one writer may.
    #[inline]
    pub fn add(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    /// Replaces it; only its one writer may.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Reads it.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($(#[$outer:meta])* $name:ident { $($(#[$doc:meta])* $field:ident),+ $(,)? }) => {
        $(#[$outer])*
        #[derive(Debug, Default)]
        pub struct $name { $($(#[$doc])* pub $field: Counter),+ }
    };
}

counters! {
    /// Written by the thread that dispatches. Where two do, each has its own. Then counters of building slots count in
    /// those of the first one only, and whoever holds what slots are built from writes them.
    #[repr(align(128))]
    SendCounters {
        /// Datagrams handed to the kernel, whether it took them or not.
        sent,
        /// Slots skipped because their deadline had passed.
        missed,
        /// Slots sent more than [`LATE_NS`] after their deadline.
        late,
        /// Slots with inner data.
        carrying,
        /// Slots without.
        cover,
        /// Slots with a fragment of a handshake message.
        handshake,
        /// Sends that the kernel refused.
        errors,
        /// Last refusal.
        last_errno,
        /// Inner packets begun.
        inner_packets,
        /// Their bytes.
        inner_bytes,
        /// What waited in the queue after the last slot.
        queued_bytes,
        /// Records of slots that the reporter was too slow for.
        records_dropped,
        /// Of the sent ones: cover datagrams of this dispatcher's own, because the other one, stopped, held the rest.
        emergency,
        /// Slots passed over in one step after a long stall of both dispatchers.
        jumped,
        /// Slots that the kernel took and was to hold by its spin loop.
        launched_into_spin,
        /// Gaps in spinning that only the real-time throttle explains.
        throttle_stalls,
        /// Schedules that have ended.
        schedules_ended,
        /// Close sequences that are out.
        closes_said,
        /// Highest generation that ran out of counters, plus one.
        exhausted,
        /// 1 while a spare throwaway key is asked for.
        wants_throwaway,
    }
}

counters! {
    /// Written by the thread that reads the device, or by the program itself for the packet device.
    #[repr(align(128))]
    IngressCounters {
        /// Dropped because the waiting queue was full or nobody could be reached.
        queue_drops,
        /// Neither IPv4 nor IPv6, or of another length than the header says.
        malformed,
        /// Our own outer datagrams, sent into the tunnel by a route.
        looped,
        /// Reads that failed.
        errors,
        /// Last refusal of one.
        errno,
    }
}

counters! {
    /// Written by the thread that receives.
    #[repr(align(128))]
    ReceiveCounters {
        /// Datagrams read.
        received,
        /// Authenticated under a session.
        opened,
        /// The peer's datagrams that can have come, by their counters.
        expected,
        /// Opened under a key that another one has replaced.
        opened_replaced,
        /// Authenticated by nothing.
        unknown,
        /// The peer's own, opened by nothing: its cover without a session, its surplus copies of a handshake.
        unopened,
        /// Seen before or too old.
        replayed,
        /// Dropped by the trial budget.
        over_budget,
        /// Handshake fragments.
        fragments,
        /// Initiations at or below the floor.
        stale,
        /// Payloads given up.
        payloads_lost,
        /// Data blocks dropped.
        blocks_dropped,
        /// Inner packets whose length contradicts their header.
        malformed_inner,
        /// Inner packets from an address that isn't the peer's, or from or to the machine itself.
        not_allowed,
        /// Inner packets whose source counts on a link only, and isn't the peer's by the list either.
        link_local,
        /// Inner packets handed to the device.
        inner_packets,
        /// Their bytes.
        inner_bytes,
        /// Device writes that failed.
        device_errors,
        /// Last refusal of one.
        device_errno,
        /// Events and inner packets that nobody fetched in time.
        events_dropped,
        /// Records of datagrams that the reporter was too slow for.
        arrivals_dropped,
        /// When a datagram last opened under a key that none has replaced, CLOCK_MONOTONIC.
        last_opened_ns,
        /// Highest generation that opened, plus one; the dispatcher reads it.
        opened_generation,
        /// Client: challenges of the server's; the dispatcher reads it, and echoes the newest.
        challenges,
        /// Client: what the newest one says. Written before it is counted.
        newest_challenge,
    }
}

counters! {
    /// Written by the reporter.
    #[repr(align(128))]
    DepartureCounters {
        /// Slots whose transmit timestamp came.
        reported,
        /// Slots whose transmit timestamp never came.
        unreported,
        /// Datagrams that the kernel dropped because their launch time had passed or was not acceptable.
        launches_missed,
    }
}

/// Lateness from which a slot counts as late: what a tuned machine stays below.
pub const LATE_NS: u64 = 50_000;

/// All counters of a tunnel.
#[derive(Debug, Default)]
pub struct Counters {
    /// The dispatcher's.
    pub send: SendCounters,
    /// The second dispatcher's.
    pub hedge: SendCounters,
    /// The ingress's.
    pub ingress: IngressCounters,
    /// The receiver's.
    pub receive: ReceiveCounters,
    /// What it heard under the newest key.
    pub(crate) heard: HeardCell,
    /// The reporter's.
    pub departure: DepartureCounters,
    /// Cores that a burner of this tunnel's keeps busy; written by the reporter.
    pub burners: Counter,
}

impl Counters {
    /// A counter of the dispatchers, summed.
    pub fn dispatched(&self, counter: impl Fn(&SendCounters) -> &Counter) -> u64 {
        counter(&self.send).get() + counter(&self.hedge).get()
    }

    /// errno of a refusal: the first dispatcher's newest one, if it has any.
    pub fn last_errno(&self) -> u64 {
        match self.send.last_errno.get() {
            0 => self.hedge.last_errno.get(),
            errno => errno,
        }
    }

    /// Reads and writes that the device refused.
    pub fn device_errors(&self) -> u64 {
        self.receive.device_errors.get() + self.ingress.errors.get()
    }

    /// errno of such a refusal: the newest write's, if there is any.
    pub fn device_errno(&self) -> u64 {
        match self.receive.device_errno.get() {
            0 => self.ingress.errno.get(),
            errno => errno,
        }
    }

    /// Slots skipped because their deadline had passed.
    pub fn missed(&self) -> u64 {
        self.dispatched(|dispatcher| &dispatcher.missed) + self.send.jumped.get()
    }
}
