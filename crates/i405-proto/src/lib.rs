//! The i405 protocol: schedule, wire format, aggregation, sealing, trial, replay window, statistics.
//!
//! It has no clock, no socket, no thread and no source of randomness. Times (nanoseconds of a monotonic clock), bytes
//! and seeds are arguments, so whole tunnels run in simulated time. It doesn't know Noise, files or JavaScript. Nothing
//! on the timed path (schedule, packer, sealing, lateness) allocates or panics.
//!
//! Reading order: `schedule`; `block`, `packer`, `unpacker`, `reorder`; `keys`, `mask`, `seal`; `handshake_wire`;
//! `endpoint`, `sources`, `challenge`; `inbound`; `outbound`; `hedge`; `report`, `path`.

#![deny(unsafe_code)]

pub mod block;
pub mod budget;
pub mod challenge;
pub mod endpoint;
pub mod handshake_wire;
pub mod hedge;
pub mod inbound;
pub mod inner;
pub mod keys;
pub mod lateness;
pub mod mask;
pub mod nonces;
pub mod outbound;
pub mod packer;
pub mod path;
pub mod reassembly;
pub mod reorder;
pub mod replay;
pub mod report;
pub mod schedule;
pub mod seal;
pub mod sources;
pub mod stamp;
pub mod unpacker;

#[allow(unsafe_code)]
mod sys;
