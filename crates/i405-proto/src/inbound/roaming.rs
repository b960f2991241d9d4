//! When a server's client is somewhere else (docs/protocol.md, "Roaming").
//!
//! Anybody on the way can copy a datagram and send it from an address of his own, ahead of the original. So the endpoint
//! moves only for a run of datagrams whose originals do not come from the old endpoint as well.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

// The protocol's.

/// Datagrams in a row from one new source.
const RUN: u32 = 8;
/// Datagrams after confirmation in which the old endpoint can't end a run: it may be a copier's.
const UNSETTLED: u32 = 8;

/// A datagram that opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    pub(super) source: SocketAddr,
    pub(super) from_endpoint: bool,
    pub(super) counter: u32,
    /// Under the current key.
    pub(super) is_current: bool,
    /// Its counter is above every one before.
    pub(super) is_newest: bool,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    source: SocketAddr,
    first: u32,
    last: u32,
    length: u32,
}

/// The run of datagrams from a new source, if there is one.
#[derive(Debug, Default)]
pub(super) struct Roaming {
    run: Option<Run>,
    /// The source that was said to be the endpoint, until it is.
    said: Option<SocketAddr>,
    /// How many more datagrams are of the time right after confirmation.
    unsettled: u32,
}

impl Roaming {
    /// The endpoint is this one from now on: because it was reported, or because a session was confirmed from there.
    pub(super) fn moved_to(&mut self, endpoint: SocketAddr) {
        self.unsettled = if self.said.take() == Some(endpoint) { 0 } else { UNSETTLED };
        self.run = None;
    }

    /// Another key is the current one: a run under the one before tells nothing of it.
    pub(super) fn restart(&mut self) {
        self.run = None;
    }

    /// Takes note of a datagram. True: its source is to be the endpoint. Said again after 16, 32 ... of them, because
    /// whoever is told may have missed it.
    pub(super) fn opened(&mut self, seen: Opened) -> bool {
        let settled = self.unsettled == 0;
        self.unsettled -= u32::from(seen.is_current && !settled);
        let Opened { source, counter, .. } = seen;
        if seen.from_endpoint {
            if seen.is_current && settled && self.run.is_some_and(|run| counter >= run.first) {
                self.run = None;
            }
            return false;
        }
        let goes_on = seen.is_current && seen.is_newest;
        match &mut self.run {
            Some(run) if run.source == source && goes_on => {
                run.last = counter;
                run.length += 1;
                let says = run.length >= RUN && run.length.is_power_of_two();
                if says {
                    self.said = Some(source);
                }
                says
            }
            Some(run) if run.source == source => {
                self.run = None;
                false
            }
            _ if goes_on => {
                self.run = Some(Run { source, first: counter, last: counter, length: 1 });
                false
            }
            _ => false,
        }
    }

    /// Counters of which a copy from the old endpoint would end the run; None: no copy has to be opened.
    pub(super) fn contested(&self) -> Option<RangeInclusive<u32>> {
        let run = self.run.filter(|_| self.unsettled == 0)?;
        Some(run.first..=run.last)
    }
}
