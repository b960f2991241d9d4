//! Challenges: how a server comes to believe where its client is (docs/protocol.md, "Sources").
//!
//! The receiver decides who is challenged ([`crate::inbound`]), the sender says it ([`crate::outbound`]). This is what
//! the one tells the other.

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
