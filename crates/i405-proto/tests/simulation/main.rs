//! Whole tunnels in simulated time: two ends, each a schedule, an outbound and an inbound half, and a network between
//! them that loses, reorders, copies and spoils datagrams.
//!
//! Every run follows from its seed, which is printed if it fails. What holds in every slot is asserted in `sender.rs`
//! and `tap.rs`, what holds for every inner packet in `ledger.rs`; the tests choose circumstances.
//!
//! Reading order: `settings`; `traffic`, `ledger`; `tap`, `sender`; `receiver`; `network`; `world` and `machine`; the
//! tests.

mod ledger;
mod machine;
mod network;
mod receiver;
mod secrets;
mod seed;
mod sender;
mod settings;
mod tap;
mod traffic;
mod world;

mod close;
mod deadlines;
mod faults;
mod handshake;
mod order;
mod rekey;
mod restart;
