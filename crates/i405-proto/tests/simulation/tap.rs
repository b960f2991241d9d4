//! Somebody on the path who has every key: what each datagram is, and what must hold for all of them.

use std::collections::HashSet;

use i405_proto::handshake_wire::{Head, Unwrapper};
use i405_proto::keys::DIRECTION_KEY_BYTES;
use i405_proto::seal::Opener;

use crate::ledger::Slot;
use crate::secrets::{self, SessionId};
use crate::settings::Wire;

/// What a datagram is.
#[derive(Debug)]
pub enum Sight {
    /// Under the throwaway key.
    Cover,
    Handshake(Head),
    Data {
        slot: Slot,
        /// Its BlockOffset: bytes of the block under way.
        continues: u16,
        /// Kinds and bodies.
        controls: Vec<(u8, Vec<u8>)>,
    },
}

/// A key and the counter that its next datagram must have: none is left out and none comes twice.
struct Key {
    opener: Opener,
    next: u32,
}

impl Key {
    fn open<'a>(&self, datagram: &[u8], scratch: &'a mut [u8]) -> Option<&'a [u8]> {
        if self.opener.counter(datagram) != self.next {
            return None;
        }
        self.opener.open(self.next, datagram, scratch)
    }
}

pub struct Tap {
    wire: Wire,
    throwaway: Key,
    session: Option<(SessionId, Key)>,
    sessions: HashSet<SessionId>,
    unwrapper: Unwrapper,
    /// First and last bytes of every datagram: if those differ, so do the datagrams.
    seen: HashSet<[u8; 32]>,
    scratch: Vec<u8>,
}

impl Tap {
    pub fn new(wire: Wire, throwaway: &[u8; DIRECTION_KEY_BYTES]) -> Self {
        let keys = i405_proto::keys::DirectionKeys::from_bytes(throwaway);
        Tap {
            wire,
            throwaway: Key { opener: Opener::new(wire.aead, keys), next: 0 },
            session: None,
            sessions: HashSet::new(),
            unwrapper: secrets::unwrapper(wire.direction),
            seen: HashSet::new(),
            scratch: vec![0; wire.length],
        }
    }

    /// From here on data datagrams are of this session. A session that was left is never taken up again.
    pub fn session(&mut self, id: Option<SessionId>) {
        self.session = id.map(|id| {
            assert!(self.sessions.insert(id), "session {id:x} a second time");
            let opener = Opener::new(self.wire.aead, secrets::session_keys(id, self.wire.direction));
            (id, Key { opener, next: 0 })
        });
    }

    /// What it is. `carousel`: the copy that was given for this slot, if one was, and what it is a copy of.
    pub fn watch(&mut self, datagram: &[u8], carousel: Option<(&[u8], Head)>) -> Sight {
        assert_eq!(datagram.len(), self.wire.length, "all datagrams are of one length");
        let mut ends = [0; 32];
        ends[..16].copy_from_slice(&datagram[..16]);
        ends[16..].copy_from_slice(&datagram[datagram.len() - 16..]);
        assert!(self.seen.insert(ends), "the bytes of a datagram came before");

        if let Some((id, key)) = &mut self.session
            && let Some(payload) = key.open(datagram, &mut self.scratch)
        {
            let continues = u16::from_be_bytes([payload[0], payload[1]]);
            let controls = leading_controls(payload, key.next == 0);
            key.next += 1;
            return Sight::Data { slot: (*id, key.next - 1), continues, controls };
        }
        if let Some(payload) = self.throwaway.open(datagram, &mut self.scratch) {
            assert!(payload.iter().all(|byte| *byte == 0), "a cover payload is pad only");
            self.throwaway.next += 1;
            return Sight::Cover;
        }
        // Not opened here, which takes long in a debug build: the receiver does that.
        let (copy, head) = carousel.expect("neither data nor cover, or of a wrong counter");
        assert!(datagram == copy && self.unwrapper.plausible(datagram));
        // The cover payload of a handshake slot is sealed all the same.
        self.throwaway.next += 1;
        Sight::Handshake(head)
    }
}

/// The control blocks that stand behind the continuation.
fn leading_controls(payload: &[u8], first: bool) -> Vec<(u8, Vec<u8>)> {
    let offset = usize::from(u16::from_be_bytes([payload[0], payload[1]]));
    assert!(!first || offset == 0, "the first payload under a key continues nothing");
    let mut rest = payload[2..].get(offset..).unwrap_or_default();
    let mut controls = Vec::new();
    while let Some((header, body)) = rest.split_first_chunk::<3>()
        && header[0] >> 4 == 0xF
    {
        let (body, after) = body.split_at(usize::from(u16::from_be_bytes([header[1], header[2]])));
        controls.push((header[0] & 0x0F, body.to_vec()));
        rest = after;
    }
    controls
}
