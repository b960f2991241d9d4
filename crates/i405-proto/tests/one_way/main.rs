//! One direction of a tunnel, from the queue of inner packets to what comes out at the other end: [`Outbound`] and
//! [`Inbound`] with nothing between them but what a network does to datagrams.
//!
//! What each part promises alone is in the tests beside this one. Here is what they have to promise together: what a
//! fault costs, to the packet.
//!
//! [`Outbound`]: i405_proto::outbound::Outbound
//! [`Inbound`]: i405_proto::inbound::Inbound

mod closing;
mod faults;
mod keys;
mod way;
