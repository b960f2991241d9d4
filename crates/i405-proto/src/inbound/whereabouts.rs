//! Where a server believes its client to be (docs/protocol.md, "Sources").
//!
//! ```text
//!     told or believed ──key confirmed──> asking: candidates share the slots ──echo──> believed
//!            │   ^
//!            │   └──echo──┐
//!            └──a run from elsewhere, complete──> challenged: an eighth of the slots, 16 datagrams each
//! ```
//!
//! Anybody can forge a source, and anybody on the way can copy a datagram and send it from an address of his own, ahead
//! of the original. So nothing moves for what comes in, but for the echo of a challenge that went out to that source.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::challenge::{Challenge, Challenges, MOST_CANDIDATES, MOST_CHALLENGES, SLOTS_PER_CHALLENGE};
use crate::endpoint::Endpoint;

// The protocol's.

/// Datagrams in a row from elsewhere, before a source is challenged.
const RUN: u32 = 8;
/// Sources that are challenged at a time, once there is an endpoint. At confirmation these are candidates beside those
/// that the response went to.
const MOST_OTHERS: usize = 4;
/// So long is counted what a source gets, from its first challenge on, and what all of them get, ns.
const AGAIN_NS: u64 = 10_000_000_000;
/// As many as there are slots: at confirmation the candidates share them.
const UNBOUNDED: u32 = u32::MAX;
/// Datagrams with challenges for new sources in that time.
const MOST_TOGETHER: u32 = 32;

// Ours.

/// From one candidate that makes way for another to the next, ns. Without this limit, whoever copies one datagram under
/// any number of sources would have each of them told to the sender.
const MAKES_WAY_NS: u64 = 10_000_000;

/// A datagram that opened, or a copy of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    pub(super) source: Endpoint,
    pub(super) generation: u32,
    pub(super) counter: u32,
    pub(super) now_ns: u64,
    /// Under the current key.
    pub(super) is_current: bool,
    /// Its counter is above every one before. Never so for a copy.
    pub(super) is_newest: bool,
}

/// Where the client is believed to be now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Believed {
    /// The session whose confirmation began the asking; None: the client was somewhere else before.
    pub confirmed: Option<u32>,
    /// There.
    pub source: Endpoint,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    source: Endpoint,
    token: u64,
    /// Datagrams that it was counted for, copies included.
    heard: u32,
    /// Datagrams with its challenge that may leave.
    granted: u32,
    /// Those that were granted in runs before, since it was first challenged.
    spent: u32,
    /// When it was first challenged; None: not yet.
    challenged_ns: Option<u64>,
    /// False: not challenged yet, or only remembered, so that it isn't again too soon.
    active: bool,
    /// The response went there, so its place is its own.
    answered: bool,
}

impl Candidate {
    fn new(source: Endpoint, answered: bool) -> Self {
        Self { source, token: 0, heard: 0, granted: 0, spent: 0, challenged_ns: None, active: false, answered }
    }

    fn challenge(&mut self, token: u64, granted: u32, now_ns: u64) {
        let challenged_ns = self.challenged_ns.or(Some(now_ns));
        *self = Self { token, granted, challenged_ns, active: true, ..*self };
    }

    /// Nothing that it was sent counts any more.
    fn is_rested(&self, now_ns: u64) -> bool {
        self.challenged_ns.is_none_or(|since| now_ns.saturating_sub(since) >= AGAIN_NS)
    }

    /// How many more it may be sent before it has rested.
    fn left(&self) -> u32 {
        MOST_CHALLENGES.saturating_sub(self.spent.saturating_add(self.granted))
    }
}

/// Datagrams in a row that came from elsewhere than the endpoint, each the newest so far.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u32,
    length: u32,
}

/// What all new sources together may be sent.
#[derive(Clone, Copy, Debug, Default)]
struct Allowance {
    since_ns: u64,
    granted: u32,
}

impl Allowance {
    /// As many of those that are wanted as there are.
    fn grant(&mut self, wanted: u32, now_ns: u64) -> u32 {
        if now_ns.saturating_sub(self.since_ns) >= AGAIN_NS {
            *self = Self { since_ns: now_ns, granted: 0 };
        }
        let granted = wanted.min(MOST_TOGETHER - self.granted);
        self.granted += granted;
        granted
    }

    /// What was granted went to somebody who answered.
    fn give_back(&mut self, Candidate { granted, spent, challenged_ns, .. }: &Candidate) {
        // What was granted before this count began is not in it.
        if challenged_ns.is_some_and(|first_ns| first_ns >= self.since_ns) {
            self.granted = self.granted.saturating_sub(granted + spent);
        }
    }
}

/// What a server knows of where its client is, and whom it asks.
pub(super) struct Whereabouts {
    entropy: ChaCha20Rng,
    endpoint: Option<Endpoint>,
    /// The generation that was confirmed and whose client is not believed to be anywhere yet.
    asking: Option<u32>,
    candidates: [Option<Candidate>; MOST_CANDIDATES],
    /// The endpoint's own challenge, while others are challenged.
    endpoint_token: Option<u64>,
    run: Option<Run>,
    allowance: Allowance,
    /// When a candidate last made way for another.
    made_way_ns: u64,
    changed: bool,
    believed: Option<Believed>,
}

impl Whereabouts {
    /// `endpoint`: where the peer was told to be.
    pub(super) fn new(endpoint: Option<Endpoint>, seed: [u8; 32]) -> Self {
        Self {
            entropy: ChaCha20Rng::from_seed(seed),
            endpoint: endpoint.map(Endpoint::canonical),
            asking: None,
            candidates: [None; MOST_CANDIDATES],
            endpoint_token: None,
            run: None,
            allowance: Allowance::default(),
            made_way_ns: 0,
            changed: false,
            believed: None,
        }
    }

    /// Random bytes for who needs some beside it.
    pub(super) fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill_bytes(&mut bytes);
        bytes
    }

    /// Whether the peer is believed, or was told, to be at this source.
    pub(super) fn is_endpoint(&self, source: Endpoint) -> bool {
        self.endpoint.is_some_and(|endpoint| {
            endpoint.address == source.address && (endpoint.local.is_none() || endpoint.local == source.local)
        })
    }

    /// Whether a session's datagrams are expected from there.
    pub(super) fn expects(&self, source: Endpoint) -> bool {
        let asked = |each: &Candidate| each.active && each.source == source;
        self.is_endpoint(source) || self.candidates.iter().flatten().any(asked)
    }

    /// The peer is there from now on: it was told.
    pub(super) fn moved_to(&mut self, endpoint: Endpoint) {
        self.endpoint = Some(endpoint.canonical());
        self.forget_candidates();
    }

    /// Nobody is known any more.
    pub(super) fn reset(&mut self) {
        (self.endpoint, self.believed) = (None, None);
        self.forget_candidates();
    }

    fn forget_candidates(&mut self) {
        self.changed |= self.candidates.iter().flatten().any(|each| each.active);
        (self.asking, self.run, self.endpoint_token) = (None, None, None);
        self.candidates = [None; MOST_CANDIDATES];
    }

    /// The key of this generation is confirmed, by a datagram from `first`: it and those that the response went to share
    /// the slots until one of them is believed.
    pub(super) fn ask(
        &mut self,
        generation: u32,
        answered: impl Iterator<Item = Endpoint>,
        first: Endpoint,
        now_ns: u64,
    ) {
        self.forget_candidates();
        (self.asking, self.believed) = (Some(generation), None);
        for (place, source) in self.candidates.iter_mut().zip(answered) {
            let mut candidate = Candidate::new(source, true);
            candidate.challenge(self.entropy.next_u64(), UNBOUNDED, now_ns);
            *place = Some(candidate);
        }
        self.changed = true;
        self.ask_too(first.canonical(), now_ns);
    }

    /// A datagram from there opened while the client is asked where it is.
    fn ask_too(&mut self, source: Endpoint, now_ns: u64) {
        let Some(place) = self.place_for(source, |each| !each.answered) else { return };
        let mut each = self.candidates[place].filter(|each| each.source == source);
        if each.is_none() {
            if self.candidates[place].is_some() {
                if now_ns.saturating_sub(self.made_way_ns) < MAKES_WAY_NS {
                    return;
                }
                self.made_way_ns = now_ns;
            }
            let mut newcomer = Candidate::new(source, false);
            newcomer.challenge(self.entropy.next_u64(), UNBOUNDED, now_ns);
            each = Some(newcomer);
            self.changed = true;
        }
        self.candidates[place] = each.map(|each| Candidate { heard: each.heard.saturating_add(1), ..each });
    }

    /// Where a source is remembered, or may be: in the place of one from which fewest came, if that `may_go`.
    fn place_for(&self, source: Endpoint, may_go: impl Fn(&Candidate) -> bool) -> Option<usize> {
        let is = |each: &Option<Candidate>| each.is_some_and(|each| each.source == source);
        let fewest = || {
            let places = self.candidates.iter().enumerate();
            let known = places.filter_map(|(place, each)| Some((place, each.filter(|each| may_go(each))?)));
            // Among equals chance decides: a token is random, also before it is a challenge.
            known.min_by_key(|(_, each)| (each.heard, each.token)).map(|(place, _)| place)
        };
        let free = || self.candidates.iter().position(Option::is_none);
        let others = self.candidates.iter().flatten().filter(|each| !each.answered).count();
        let has_room = self.asking.is_none() || others < MOST_OTHERS;
        self.candidates.iter().position(is).or_else(|| if has_room { free() } else { None }).or_else(fewest)
    }

    /// The current generation is no more.
    pub(super) fn session_ended(&mut self) {
        self.forget_candidates();
    }

    /// Another key is the current one: a run under the one before tells nothing of it.
    pub(super) fn restart(&mut self) {
        self.run = None;
    }

    /// Takes note of a datagram that opened, or of a copy that was opened for this.
    pub(super) fn opened(&mut self, seen: Opened) {
        let source = seen.source.canonical();
        if let Some(generation) = self.asking {
            if seen.generation >= generation {
                self.ask_too(source, seen.now_ns);
            }
        } else if seen.is_current && !self.is_endpoint(source) {
            self.came_from_elsewhere(source, seen);
        } else if seen.is_current && self.run.is_some_and(|run| seen.counter >= run.first) {
            self.heard_from_endpoint();
        }
    }

    fn came_from_elsewhere(&mut self, source: Endpoint, seen: Opened) {
        if self.endpoint.is_some_and(|endpoint| endpoint.address.is_ipv4() != source.address.is_ipv4()) {
            return;
        }
        if seen.is_newest {
            let run = self.run.get_or_insert(Run { first: seen.counter, length: 0 });
            run.length = run.length.saturating_add(1);
        }
        let Some(run) = self.run.filter(|run| seen.counter >= run.first) else { return };
        let may_go = |each: &Candidate| !each.active && each.is_rested(seen.now_ns);
        let Some(place) = self.place_for(source, may_go) else { return };
        let mut each = self.candidates[place].filter(|each| each.source == source);
        let lot = self.entropy.next_u64();
        let each = each.get_or_insert(Candidate { token: lot, ..Candidate::new(source, false) });
        if each.challenged_ns.is_some() && each.is_rested(seen.now_ns) {
            // It was in vain for as long, and begins anew.
            self.changed |= each.active;
            *each = Candidate { token: each.token, ..Candidate::new(source, false) };
        }
        each.heard = each.heard.saturating_add(1);
        let others = self.candidates.iter().flatten().filter(|other| other.active && other.source != source).count();
        if each.active && each.left() > 0 {
            let more = self.allowance.grant(1, seen.now_ns);
            each.granted += more;
            self.changed |= more > 0;
        } else if run.length >= RUN && !each.active && others < MOST_OTHERS {
            let granted = self.allowance.grant(each.heard.min(each.left()), seen.now_ns);
            if granted > 0 {
                each.challenge(self.entropy.next_u64(), granted, seen.now_ns);
                self.endpoint_token.get_or_insert_with(|| self.entropy.next_u64());
                self.changed = true;
            }
        }
        self.candidates[place] = Some(*each);
    }

    /// The client is heard from the endpoint: who was challenged has had its chance for now.
    fn heard_from_endpoint(&mut self) {
        self.end_challenges();
        for each in self.candidates.iter_mut().flatten() {
            each.spent = MOST_CHALLENGES;
        }
    }

    /// What sources were sent is remembered.
    fn end_challenges(&mut self) {
        (self.run, self.endpoint_token) = (None, None);
        for place in &mut self.candidates {
            let Some(candidate) = place else { continue };
            self.changed |= candidate.active;
            if candidate.challenged_ns.is_none() || candidate.granted == UNBOUNDED {
                *place = None;
                continue;
            }
            candidate.spent += std::mem::take(&mut candidate.granted);
            (candidate.active, candidate.heard) = (false, 0);
        }
    }

    /// An echo: moves the endpoint to the source of its challenge, or ends the challenges if it is the endpoint's.
    pub(super) fn echoed(&mut self, token: u64) {
        if self.endpoint_token == Some(token) {
            self.heard_from_endpoint();
            return;
        }
        let is = |each: &&Candidate| each.active && each.token == token;
        let Some(place) = self.candidates.iter().position(|each| each.as_ref().is_some_and(|each| is(&each))) else {
            return;
        };
        let Some(candidate) = self.candidates[place].take() else { return };
        let source = candidate.source;
        self.endpoint = Some(source);
        let confirmed = self.asking.take();
        if confirmed.is_none() {
            self.allowance.give_back(&candidate);
        }
        self.believed = Some(Believed { confirmed, source });
        self.changed = true;
        self.end_challenges();
    }

    /// First counter of which a copy says something.
    pub(super) fn contested_from(&self) -> Option<u32> {
        if self.asking.is_some() { Some(0) } else { self.run.map(|run| run.first) }
    }

    /// Who is challenged now, if that has changed.
    pub(super) fn take_challenges(&mut self) -> Option<Challenges> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let sources = self.candidates.map(|each| {
            let Candidate { source, token, granted, .. } = each.filter(|each| each.active)?;
            Some(Challenge { source, token, datagrams: granted })
        });
        let every_slots = if self.asking.is_some() { 1 } else { SLOTS_PER_CHALLENGE };
        Some(Challenges { sources, every_slots, endpoint_token: self.endpoint_token })
    }

    /// Where the client is believed to be, if that has changed.
    pub(super) fn take_believed(&mut self) -> Option<Believed> {
        self.believed.take()
    }
}

impl fmt::Debug for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whereabouts")
            .field("endpoint", &self.endpoint)
            .field("asking", &self.asking)
            .finish_non_exhaustive()
    }
}
