//! Challenges: how a server comes to believe where its client is (docs/protocol.md, "Sources").
//!
//! The receiver decides who is challenged ([`crate::inbound`]), and the sender says the challenge
//! ([`crate::outbound`]). Here are what the one tells the other, and whose turn it is.

use crate::endpoint::Endpoint;
use crate::sources::MOST_SOURCES;

// The protocol's.

/// Bytes of a challenge, and of its echo.
pub const CHALLENGE_BYTES: usize = 8;
/// Candidates at confirmation at most: sources that the response goes to, and as many others.
pub const MOST_CANDIDATES: usize = 2 * MOST_SOURCES;
/// Later, all new sources together get at most one in so many slots.
pub const SLOTS_PER_CHALLENGE: u32 = 8;
/// Later, datagrams with its challenge that a source gets at most.
pub const MOST_CHALLENGES: u32 = 16;

/// What one source is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Where to.
    pub source: Endpoint,
    /// Which bytes, as a number.
    pub token: u64,
    /// In how many datagrams, those that were sent already counted.
    pub datagrams: u32,
}

/// Who is challenged now, and in which slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenges {
    /// The sources, in turns.
    pub sources: [Option<Challenge>; MOST_CANDIDATES],
    /// One challenge in so many slots: 1 at confirmation, [`SLOTS_PER_CHALLENGE`] later.
    pub every_slots: u32,
    /// The endpoint's, in each of the other slots.
    pub endpoint_token: Option<u64>,
}

impl Challenges {
    /// Nobody is challenged.
    pub const NONE: Self =
        Self { sources: [None; MOST_CANDIDATES], every_slots: SLOTS_PER_CHALLENGE, endpoint_token: None };
}

/// A challenge's bytes as a number; None for another length.
pub(crate) fn token_of(body: &[u8]) -> Option<u64> {
    <[u8; CHALLENGE_BYTES]>::try_from(body).ok().map(u64::from_be_bytes)
}

/// Who is challenged, and how often that was said.
pub(crate) struct Asked {
    challenges: Box<Challenges>,
    /// Datagrams so far, for each.
    sent: [u32; MOST_CANDIDATES],
    /// Whose turn it is.
    turn: usize,
    /// Slots until the next challenge may be said.
    wait: u32,
}

impl Asked {
    pub(crate) fn nobody() -> Self {
        Self { challenges: Box::new(Challenges::NONE), sent: [0; MOST_CANDIDATES], turn: 0, wait: 0 }
    }

    /// What was said to those that stay goes on to count.
    pub(crate) fn replace(&mut self, challenges: Box<Challenges>) -> Box<Challenges> {
        let before = std::mem::replace(&mut self.challenges, challenges);
        self.wait = self.wait.min(self.challenges.every_slots);
        let said = std::mem::take(&mut self.sent);
        for (now, sent) in self.challenges.sources.iter().zip(&mut self.sent) {
            let Some(now) = now else { continue };
            let mut each = before.sources.iter().zip(said);
            let known = each.find(|(each, _)| each.is_some_and(|each| each.token == now.token));
            *sent = known.map_or(0, |(_, said)| said);
        }
        before
    }

    /// Whether datagrams with a challenge hold nothing else: there is another receiver than the one challenged.
    pub(crate) fn is_apart(&self) -> bool {
        self.challenges.every_slots > 1 || self.challenges.sources.iter().flatten().count() > 1
    }

    /// The endpoint's own challenge, in slots that challenge nobody else.
    pub(crate) fn endpoint_token(&self) -> Option<u64> {
        self.challenges.endpoint_token
    }

    /// Whom this data slot challenges.
    pub(crate) fn next(&mut self) -> Option<Challenge> {
        self.wait = self.wait.saturating_sub(1);
        if self.wait > 0 {
            return None;
        }
        let places = (0..MOST_CANDIDATES).map(|step| (self.turn + step) % MOST_CANDIDATES);
        let due =
            |place: &usize| self.challenges.sources[*place].is_some_and(|each| self.sent[*place] < each.datagrams);
        let place = places.into_iter().find(due)?;
        self.turn = place + 1;
        self.sent[place] = self.sent[place].saturating_add(1);
        self.wait = self.challenges.every_slots;
        self.challenges.sources[place]
    }
}
