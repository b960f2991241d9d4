//! The keys of one peer's sessions, in the order in which they are tried.

use crate::budget::Budget;

use super::arrival::{Arrival, InboundCounters};
use super::receiving_key::{InstallError, Plausibility, ReceivingKey};
use super::sink::{InboundSink, ServerSide};

// Places in the order of trial: current, pending (the newest first: two attempts and a rekey), previous.
const CURRENT: usize = 0;
const PENDING: usize = 1;
const OLDEST_PENDING: usize = 3;
const PREVIOUS: usize = 4;
const PLACES: usize = 5;

/// How trying the keys went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    /// The key at this position opened it; the payload of this length stands at the start of the scratch buffer.
    Opened { position: usize, counter: u32, payload: usize },
    /// None did. `replayed`: one of them has seen its counter.
    Failed { replayed: bool },
    /// The budget ended first.
    OverBudget,
}

#[derive(Debug)]
pub(super) struct Keyring {
    keys: [Option<Box<ReceivingKey>>; PLACES],
    /// Keys that are done with, until somebody fetches them to be wiped and freed elsewhere.
    retired: [Option<Box<ReceivingKey>>; PLACES],
    newest: Option<u32>,
    max_datagram: usize,
}

impl Keyring {
    pub(super) fn new(max_datagram: usize) -> Self {
        Self { keys: [const { None }; PLACES], retired: [const { None }; PLACES], newest: None, max_datagram }
    }

    pub(super) fn install(
        &mut self,
        mut key: Box<ReceivingKey>,
        now_ns: u64,
        counters: &mut InboundCounters,
    ) -> Result<(), InstallError> {
        let generation = key.generation;
        let refused = match self.newest.filter(|newest| generation <= *newest) {
            Some(newest) => Some(InstallError::NotNewer { generation, newest }),
            None if key.length() > self.max_datagram => {
                Some(InstallError::Length { length: key.length(), longest: self.max_datagram })
            }
            None => None,
        };
        if let Some(error) = refused {
            self.retire(key);
            return Err(error);
        }
        key.installed(now_ns);
        self.newest = Some(generation);
        // The oldest makes way only where none was forgotten.
        let place = (PENDING..=OLDEST_PENDING).find(|place| self.keys[*place].is_none()).unwrap_or(OLDEST_PENDING);
        self.put(place, None, counters);
        self.keys[PENDING..=place].rotate_right(1);
        self.keys[PENDING] = Some(key);
        Ok(())
    }

    /// A key that is done with; each is handed out once.
    pub(super) fn take_retired(&mut self) -> Option<Box<ReceivingKey>> {
        self.retired.iter_mut().find_map(Option::take)
    }

    /// Without a free place it is dropped here, which only costs time.
    fn retire(&mut self, key: Box<ReceivingKey>) {
        if let Some(free) = self.retired.iter_mut().find(|place| place.is_none()) {
            *free = Some(key);
        }
    }

    pub(super) fn set_current(&mut self, generation: u32, counters: &mut InboundCounters) {
        let is = |key: &Option<Box<ReceivingKey>>| key.as_ref().is_some_and(|key| key.generation == generation);
        let Some(place) = (PENDING..=OLDEST_PENDING).find(|place| is(&self.keys[*place])) else { return };
        let confirmed = self.keys[place].take();
        let replaced = std::mem::replace(&mut self.keys[CURRENT], confirmed);
        if replaced.is_some() {
            self.put(PREVIOUS, replaced, counters);
        }
        // Whatever is older than the confirmed one will not be confirmed any more.
        for older in place + 1..=OLDEST_PENDING {
            self.put(older, None, counters);
        }
    }

    pub(super) fn forget(&mut self, generation: u32, counters: &mut InboundCounters) {
        for place in 0..PLACES {
            if self.keys[place].as_ref().is_some_and(|key| key.generation == generation) {
                self.put(place, None, counters);
            }
        }
    }

    /// Every generation.
    pub(super) fn forget_all(&mut self, counters: &mut InboundCounters) {
        (0..PLACES).for_each(|place| self.put(place, None, counters));
    }

    /// Replaces what is in a place; what was there is retired.
    fn put(&mut self, place: usize, key: Option<Box<ReceivingKey>>, counters: &mut InboundCounters) {
        if let Some(gone) = std::mem::replace(&mut self.keys[place], key) {
            counters.payloads_lost += gone.payloads_lost();
            counters.expected += gone.expected();
            self.retire(gone);
        }
    }

    /// Tries the keys in order, to the first that opens the datagram. With a budget, each mask and each opening is
    /// taken from it.
    pub(super) fn try_keys(
        &self,
        now_ns: u64,
        datagram: &[u8],
        scratch: &mut [u8],
        mut budget: Option<&mut Budget>,
    ) -> Trial {
        let mut replayed = false;
        for (position, key) in self.keys.iter().enumerate() {
            let Some(key) = key.as_ref().filter(|key| key.has_length(datagram)) else { continue };
            if budget.as_mut().is_some_and(|budget| !budget.take_mask(now_ns)) {
                return Trial::OverBudget;
            }
            let counter = match key.plausibility(datagram, now_ns) {
                Plausibility::Counter(counter) => counter,
                Plausibility::Replayed => {
                    replayed = true;
                    continue;
                }
                Plausibility::No => continue,
            };
            if budget.as_mut().is_some_and(|budget| !budget.take_opening(now_ns)) {
                return Trial::OverBudget;
            }
            if let Some(payload) = key.open(counter, datagram, scratch) {
                return Trial::Opened { position, counter, payload };
            }
        }
        Trial::Failed { replayed }
    }

    pub(super) fn is_current(&self, position: usize) -> bool {
        position == CURRENT
    }

    /// Of the key at this position; the highest counter is -1 before the first datagram.
    pub(super) fn generation_and_highest(&self, position: usize) -> Option<(u32, i64)> {
        self.keys[position].as_ref().map(|key| (key.generation, key.highest()))
    }

    /// Opens a datagram that the current key has seen, if its counter is this one or a later one. Returns the counter,
    /// if the datagram authenticates.
    pub(super) fn open_copy(
        &self,
        now_ns: u64,
        datagram: &[u8],
        from: u32,
        scratch: &mut [u8],
        budget: &mut Budget,
    ) -> Option<u32> {
        let key = self.keys[CURRENT].as_ref().filter(|key| key.has_length(datagram))?;
        let counter = budget.take_mask(now_ns).then(|| key.counter(datagram))?;
        if counter < from || !key.has_seen(counter) || !budget.take_opening(now_ns) {
            return None;
        }
        key.open(counter, datagram, scratch).map(|_| counter)
    }

    /// Which generation is the current one.
    pub(super) fn current(&self) -> Option<u32> {
        self.keys[CURRENT].as_ref().map(|key| key.generation)
    }

    /// Takes the payload of a datagram that the key at this position opened.
    #[allow(clippy::too_many_arguments)] // each is another owner's, borrowed apart
    pub(super) fn deliver(
        &mut self,
        position: usize,
        counter: u32,
        payload: &[u8],
        arrival: &Arrival,
        server: Option<ServerSide<'_>>,
        counters: &mut InboundCounters,
        sink: &mut impl InboundSink,
    ) {
        if let Some(key) = &mut self.keys[position] {
            key.deliver(counter, payload, arrival, server, counters, sink);
        }
    }

    pub(super) fn next_timer_ns(&self) -> Option<u64> {
        self.keys.iter().flatten().filter_map(|key| key.next_timer_ns()).min()
    }

    pub(super) fn on_timer(
        &mut self,
        now_ns: u64,
        mut server: Option<ServerSide<'_>>,
        counters: &mut InboundCounters,
        sink: &mut impl InboundSink,
    ) {
        for key in self.keys.iter_mut().flatten() {
            key.on_timer(now_ns, server.as_mut().map(ServerSide::again), counters, sink);
        }
    }

    pub(super) fn expected(&self) -> u64 {
        self.keys.iter().flatten().map(|key| key.expected()).sum()
    }

    pub(super) fn payloads_lost(&self) -> u64 {
        self.keys.iter().flatten().map(|key| key.payloads_lost()).sum()
    }
}
