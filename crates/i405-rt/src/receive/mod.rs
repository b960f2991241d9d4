//! The receiver's half and the interface's: datagrams in, inner packets out, and inner packets in for the slots.

pub mod backlog;
pub mod departure_reader;
pub mod ingress;
pub mod own_flow;
pub mod receiver;
pub mod receiving;
