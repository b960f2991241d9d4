//! What a receiver and its pairings are made from.

use std::net::SocketAddr;

use crate::handshake_wire::Unwrapper;

/// Longest UDP payload over IPv4.
pub const MAX_DATAGRAM: usize = 65_507;

/// Which end of the tunnel this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Begins handshakes, and hears its server only.
    Client,
    /// Answers them.
    Server,
}

/// What an [`Inbound`] is made from.
#[derive(Debug)]
pub struct InboundConfig {
    /// Which end this is.
    pub role: Role,
    /// Client: the server, the only source that counts. Server: the client's endpoint, if it is known beforehand.
    pub peer: Option<SocketAddr>,
    /// The pairing's keys of the receiving direction.
    pub unwrapper: Unwrapper,
    /// Server: bytes of an initiation, by the pairing's Noise pattern.
    pub initiation_length: usize,
    /// Server: initiations with a stamp up to this are not acted on, ms of wall clock.
    pub floor_ms: u64,
    /// Server: oldest initiation to act on, ms; None: any above the floor.
    pub max_stamp_age_ms: Option<u64>,
    /// Longest datagram to look at, in bytes. Longer ones are dropped.
    pub max_datagram: usize,
    /// Random bytes that nobody else knows: challenges are drawn from them.
    pub seed: [u8; 32],
}

/// What a further pairing is made from; the fields are those of [`InboundConfig`].
#[derive(Debug)]
pub struct PairingConfig {
    /// The pairing's keys of the receiving direction.
    pub unwrapper: Unwrapper,
    /// Server: bytes of an initiation, by the pairing's Noise pattern.
    pub initiation_length: usize,
    /// Server: initiations with a stamp up to this are not acted on, ms of wall clock.
    pub floor_ms: u64,
    /// Server: oldest initiation to act on, ms; None: any above the floor.
    pub max_stamp_age_ms: Option<u64>,
}
