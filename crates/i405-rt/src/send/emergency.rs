//! The datagram that a hedged dispatcher sends when the other one, stopped, holds what slots are built from.
//!
//! A cover payload under a key that nobody else has: to an observer it is a datagram like any other, to the peer one
//! that opens under no key. It is sealed before it is needed and aimed at the schedule's endpoint.

use i405_proto::seal::{MIN_DATAGRAM, Sealer};

use crate::platform::socket::OuterSocket;
use crate::send::sending::transmit;
use i405_sys::own_address::Destination;

/// One dispatcher's.
pub struct Emergency {
    sealer: Sealer,
    /// Room for the longest datagram; what is sent is as long as the schedule's.
    buffer: Box<[u8]>,
    length: usize,
    address: Option<Destination>,
    sealed: bool,
}

impl Emergency {
    /// `sealer` is a throwaway key's of its own.
    pub fn new(sealer: Sealer, longest: usize) -> Self {
        Emergency {
            sealer,
            buffer: vec![0; longest].into_boxed_slice(),
            length: MIN_DATAGRAM,
            address: None,
            sealed: false,
        }
    }

    /// The schedule's datagrams are this long and go there.
    pub fn aim(&mut self, address: Option<Destination>, length: usize) {
        self.sealed &= length == self.length;
        self.address = address;
        self.length = length.clamp(MIN_DATAGRAM, self.buffer.len());
    }

    /// Makes it ready, if it isn't. What the buffer held last is sealed once more: random bytes, like any that leave.
    /// The key is good for 2^28 of them; after that nothing leaves here any more.
    pub fn seal(&mut self) {
        if !self.sealed {
            self.sealed = self.sealer.seal(&mut self.buffer[..self.length]).is_ok();
        }
    }

    /// Warms the path to where it goes.
    pub fn warm(&self, socket: &OuterSocket) {
        if let Some(address) = &self.address {
            socket.probe(address);
        }
    }

    /// Sends it. Returns the kernel's refusal, 0 for none.
    pub fn send(&mut self, socket: &OuterSocket) -> i32 {
        self.seal();
        match &self.address {
            Some(address) if std::mem::take(&mut self.sealed) => transmit(socket, &self.buffer[..self.length], address),
            _ => libc::ENOKEY,
        }
    }
}
