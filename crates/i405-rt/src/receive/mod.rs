//! The receiver's half opens datagrams and writes inner packets to the interface; the ingress reads inner packets for the
//! slots.

pub mod backlog;
pub mod departure_reader;
pub mod ingress;
pub mod own_flow;
pub mod receiver;
pub mod receiving;
