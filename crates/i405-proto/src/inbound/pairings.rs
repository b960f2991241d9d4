//! All pairings of a listener, tried in order under one budget, and how often they may trouble JavaScript together.

use crate::budget::Budget;
use crate::handshake_wire::{NONCE, Unwrapped, nonce_of};
use crate::nonces::RecentNonces;

use super::handovers::Handovers;
use super::pairing::Pairing;

/// How trying all pairings went.
pub(super) enum Trial<'a> {
    /// It is a handshake datagram of this pairing's peer.
    Opened { index: usize, unwrapped: Unwrapped<'a> },
    /// It is nobody's.
    Failed,
    /// It is a copy of one that was opened before, whatever became of that.
    Replayed { index: usize, nonce: [u8; NONCE] },
    /// The budget ended first.
    OverBudget,
}

/// At least one.
#[derive(Debug)]
pub(super) struct Pairings {
    all: Vec<Pairing>,
    /// The one that sessions belong to.
    serving: usize,
    handovers: Handovers,
    opened: RecentNonces,
}

impl Pairings {
    pub(super) fn new(first: Pairing) -> Self {
        Self { all: vec![first], serving: 0, handovers: Handovers::default(), opened: RecentNonces::new() }
    }

    pub(super) fn add(&mut self, pairing: Pairing) {
        self.all.push(pairing);
    }

    /// False if there is no such pairing, or sessions belong to it already.
    pub(super) fn serve(&mut self, index: usize) -> bool {
        let changes = index < self.all.len() && index != self.serving;
        if changes {
            self.serving = index;
        }
        changes
    }

    /// The one that sessions belong to.
    pub(super) fn served(&mut self) -> &mut Pairing {
        &mut self.all[self.serving]
    }

    pub(super) fn get_served(&self) -> &Pairing {
        &self.all[self.serving]
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The pairing that opened a datagram, and the limit that all of them share.
    pub(super) fn opened(&mut self, index: usize) -> (&mut Pairing, &mut Handovers) {
        (&mut self.all[index], &mut self.handovers)
    }

    /// Tries all of them, to the first that opens the datagram. Call after [`Budget::begin`].
    pub(super) fn unwrap<'a>(
        &mut self,
        now_ns: u64,
        datagram: &[u8],
        scratch: &'a mut [u8],
        budget: &mut Budget,
    ) -> Trial<'a> {
        let mut looks = |(_, pairing): &(usize, &Pairing)| pairing.looks_like_ours(now_ns, datagram, budget);
        // Zeros under the masks of two pairings happen once in 2^64 tries: then the second one goes without.
        let Some((index, pairing)) = self.all.iter().enumerate().find(&mut looks) else { return Trial::Failed };
        // Copies pass the mask like their originals: whoever recorded one could have no other opened.
        if let Some(nonce) = nonce_of(datagram).filter(|nonce| self.opened.contain(nonce)) {
            return Trial::Replayed { index, nonce };
        }
        if !budget.take_opening(now_ns) {
            return Trial::OverBudget;
        }
        let Some(unwrapped) = pairing.unwrap(datagram, scratch) else { return Trial::Failed };
        self.opened.remember(&unwrapped.nonce);
        Trial::Opened { index, unwrapped }
    }
}
