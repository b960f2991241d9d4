//! The datagram that a hedged dispatcher sends when the other one, stopped, holds what slots are built from.
//!
//! It is a cover payload under a key that nobody else has. To an observer it is a datagram like any other, and at the
//! peer it opens under no key. It is sealed before it is needed and aimed at the schedule's endpoint.

use i405_proto::endpoint::Endpoint;
use i405_proto::outbound::Slot;
use i405_proto::seal::{MIN_DATAGRAM, Sealer};

use crate::platform::socket::OuterSocket;
use crate::send::transmit::transmit;
use i405_sys::own_address::Destination;

/// One dispatcher's.
pub struct Emergency {
    sealer: Sealer,
    /// Room for the longest datagram; what is sent is as long as the schedule's.
    buffer: Box<[u8]>,
    length: usize,
    /// The slot that it stands for, and where that goes.
    slot: Option<(Slot, Destination)>,
    sealed: bool,
}

impl Emergency {
    /// `sealer` is a throwaway key's of its own.
    pub fn new(sealer: Sealer, longest: usize) -> Self {
        Emergency {
            sealer,
            buffer: vec![0; longest].into_boxed_slice(),
            length: MIN_DATAGRAM,
            slot: None,
            sealed: false,
        }
    }

    /// The schedule's datagrams are this long and go there.
    pub fn aim(&mut self, socket: &OuterSocket, endpoint: Option<Endpoint>, length: usize) {
        self.sealed &= length == self.length;
        self.slot = endpoint.map(|endpoint| (Slot::nobodys(endpoint), socket.destination(endpoint)));
        self.length = length.clamp(MIN_DATAGRAM, self.buffer.len());
    }

    /// Makes it ready, if it isn't. What the buffer held last is sealed once more: it is random bytes, like any that
    /// leave. The key is good for 2^28 of them; after that nothing leaves here any more.
    pub fn seal(&mut self) {
        if !self.sealed {
            self.sealed = self.sealer.seal(&mut self.buffer[..self.length]).is_ok();
        }
    }

    /// Warms the path to where it goes.
    pub fn warm(&self, socket: &OuterSocket) {
        if let Some((_, to)) = &self.slot {
            socket.probe(to);
        }
    }

    /// Sends it. The slot, and the kernel's refusal, 0 for none; None before it is aimed.
    pub fn send(&mut self, socket: &OuterSocket) -> Option<(Slot, i32)> {
        self.seal();
        let (slot, to) = self.slot.as_ref()?;
        let is_sealed = std::mem::take(&mut self.sealed);
        let errno = if is_sealed { transmit(socket, &self.buffer[..self.length], to, None) } else { libc::ENOKEY };
        Some((*slot, errno))
    }
}
