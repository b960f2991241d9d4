//! What comes from the network: datagrams to the byte, trial, replay, handshakes, and hostile input.
//!
//! `plain` is a second computation of the wire format, `support` a peer to receive from; the rest are tests.

mod hostile;
mod initiations;
mod moves;
mod plain;
mod reassembly;
mod replay;
mod responses;
mod sessions;
mod sources;
mod support;
mod trial_order;
mod underway;
mod whereabouts;
mod wire;

// Counts allocations; shared with the test of what threads with deadlines call.
#[path = "../timed_path/sys/counting.rs"]
mod counting;
