//! A sending half, and who opens what leaves it.

use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::{Head, KIND_RESPONSE, VERSION, Wrapper};
use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::outbound::{HandshakeCopy, Outbound, SendingSession, Slot};
use i405_proto::packer::InnerQueue;
use i405_proto::seal::{Opener, Sealer};
use std::net::SocketAddr;
use std::ops::Deref;

pub const N: usize = 100;
/// Of the payload, after BlockOffset.
pub const BODY: usize = N - 4 - 2 - 16;
pub const THROWAWAY: u8 = 0;

pub fn keys(fill: u8) -> DirectionKeys {
    DirectionKeys { key: [fill; 32], iv: [fill; 12], mask: [fill; 32] }
}

pub fn endpoint(last: u8) -> Endpoint {
    SocketAddr::from(([192, 0, 2, last], 1405)).into()
}

/// IPv4 packets of these lengths, the last first.
pub struct Queue(pub Vec<u16>);

impl InnerQueue for Queue {
    fn next_len(&mut self) -> Option<usize> {
        self.0.last().map(|length| usize::from(*length))
    }

    fn read(&mut self, into: &mut [u8]) {
        let length = self.0.pop().expect("`next_len` said that there is one");
        into.fill(length as u8);
        into[0] = 0x45;
        into[2..4].copy_from_slice(&length.to_be_bytes());
    }
}

/// An outbound half, its queue, and the key of the session that it sends under.
pub struct Sending {
    pub outbound: Outbound,
    pub queue: Queue,
    pub session: u8,
}

/// A slot as it left.
pub struct Built {
    pub slot: Slot,
    pub bytes: Vec<u8>,
    /// The source of copies was asked for one.
    pub asked: bool,
}

impl Deref for Built {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.slot
    }
}

impl Sending {
    pub fn new() -> Self {
        let throwaway = Sealer::new(Aead::Aes256Gcm, keys(THROWAWAY));
        Sending { outbound: Outbound::new(throwaway, N), queue: Queue(Vec::new()), session: THROWAWAY }
    }

    pub fn with_session(announce_stamp: Option<u64>) -> Self {
        let mut sending = Sending::new();
        sending.send_under(1, announce_stamp);
        sending
    }

    pub fn send_under(&mut self, generation: u8, announce_stamp: Option<u64>) -> Option<u32> {
        let sealer = Sealer::new(Aead::Aes256Gcm, keys(generation));
        let session = SendingSession { generation: generation.into(), sealer, announce_stamp };
        self.session = generation;
        self.outbound.set_session(Some(Box::new(session))).map(|old| old.generation)
    }

    pub fn build(&mut self, copy: Option<&HandshakeCopy>) -> Built {
        let mut asked = false;
        let take = || {
            asked = true;
            copy
        };
        let slot = self.outbound.build(endpoint(1), take, &mut self.queue);
        Built { slot, bytes: self.outbound.leaving().to_vec(), asked }
    }

    /// Builds a slot and opens it under the session's key; its counter must be this. Returns the payload.
    pub fn data(&mut self, counter: u32) -> Vec<u8> {
        let built = self.build(None);
        open(self.session, counter, &built.bytes).expect("a data datagram of the session")
    }
}

pub fn open(key: u8, counter: u32, datagram: &[u8]) -> Option<Vec<u8>> {
    let opener = Opener::new(Aead::Aes256Gcm, keys(key));
    let mut scratch = vec![0; datagram.len()];
    if opener.counter(datagram) != counter {
        return None;
    }
    opener.open(counter, datagram, &mut scratch).map(<[u8]>::to_vec)
}

pub fn copy(length: usize) -> HandshakeCopy {
    let head = Head { version: VERSION, kind: KIND_RESPONSE, fragment: 0, stamp: 7 };
    let mut bytes = vec![0; length].into_boxed_slice();
    Wrapper::new(&[8; 32], &[9; 32]).wrap(&head, &[1; 500], &[5; 16], &mut bytes);
    HandshakeCopy { endpoint: endpoint(2), bytes }
}

pub const ANNOUNCED: [u8; 9] = [0xF3, 0, 6, 1, 2, 3, 4, 5, 6];
pub const STAMP: u64 = 0x0102_0304_0506;
pub const CLOSE: [u8; 3] = [0xF4, 0, 0];
