//! Handshake datagrams: messages cut into fragments, each wrapped under the pairing's key of its direction.
//!
//! ```text
//! 0         4         20                                  n-16      n
//! | zeros   | nonce   | head, fragment, padding (sealed)  | tag     |
//! ```
//!
//! XChaCha20-Poly1305, nonce = 16 random bytes | 8 zero bytes, no associated data. Every copy of a fragment is wrapped
//! anew under a fresh nonce, so that no two datagrams have a byte in common but by chance. This format stays the same
//! in every version of the protocol, so that each end can tell the other's version.

use std::fmt;

use chacha20poly1305::{AeadInPlace, KeyInit, Tag, XChaCha20Poly1305, XNonce};

use crate::mask::{HEADER, HeaderMask};
use crate::seal::{MIN_DATAGRAM, TAG};

// The protocol's.

/// The version of the protocol that this crate speaks.
pub const VERSION: u8 = 1;
/// Kind of an initiation.
pub const KIND_INITIATION: u8 = 1;
/// Kind of a response.
pub const KIND_RESPONSE: u8 = 2;
/// Kind of the answer to an initiation of another version.
pub const KIND_WRONG_VERSION: u8 = 3;
/// Bytes of an initiation with static keys: e (32), s (48), payload (64 + 1184 + 16).
pub const INITIATION_IKPSK2: usize = 1344;
/// Bytes of an initiation with a password: e (32), payload (64 + 1184 + 16).
pub const INITIATION_NNPSK0: usize = 1296;
/// Bytes of a response: e (32), payload (32 + 1088 + 16).
pub const RESPONSE: usize = 1168;
/// Bytes of a wrong-version message: lowest and highest version spoken.
pub const WRONG_VERSION: usize = 2;
/// Longest of the messages, in bytes.
pub const MAX_MESSAGE: usize = INITIATION_IKPSK2;
/// Random bytes of the nonce that travel in the datagram.
pub const NONCE: usize = 16;
/// Bytes of the head.
const HEAD: usize = 8;
/// Bytes of a handshake datagram that are not fragment: zeros, nonce, head, tag.
pub const WRAP_OVERHEAD: usize = HEADER + NONCE + HEAD + TAG;
/// The greatest stamp, 48 bits of milliseconds.
pub const MAX_STAMP: u64 = (1 << 48) - 1;

const SEALED: usize = HEADER + NONCE;

/// How many fragments a message of this length has in datagrams of length `n`, which is at least [`MIN_DATAGRAM`].
pub fn fragments(n: usize, message_length: usize) -> u32 {
    let each = n.saturating_sub(WRAP_OVERHEAD).max(1);
    u32::try_from(message_length.div_ceil(each)).unwrap_or(u32::MAX)
}

/// What stands before each fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Version of the protocol, 4 bits.
    pub version: u8,
    /// Kind of the message, 4 bits.
    pub kind: u8,
    /// Number of the fragment, from 0.
    pub fragment: u8,
    /// Stamp of the initiation that the message is or answers, in ms of wall clock, 48 bits.
    pub stamp: u64,
}

impl Head {
    fn to_bytes(self) -> [u8; HEAD] {
        let mut bytes = (self.stamp & MAX_STAMP).to_be_bytes();
        bytes[0] = (self.version << 4) | (self.kind & 0x0f);
        bytes[1] = self.fragment;
        bytes
    }

    fn from_bytes(bytes: [u8; HEAD]) -> Self {
        Self {
            version: bytes[0] >> 4,
            kind: bytes[0] & 0x0f,
            fragment: bytes[1],
            stamp: u64::from_be_bytes(bytes) & MAX_STAMP,
        }
    }
}

fn extended_nonce(nonce: &[u8; NONCE]) -> XNonce {
    let mut extended = XNonce::default();
    extended[..NONCE].copy_from_slice(nonce);
    extended
}

/// Wraps fragments under the wrap and mask keys of a pairing's sending direction.
pub struct Wrapper {
    wrap: XChaCha20Poly1305,
    mask: HeaderMask,
}

impl Wrapper {
    /// A wrapper under the 32-byte keys "i405 wrap" and "i405 mask" of one direction. The caller zeroes its copies.
    pub fn new(wrap: &[u8; 32], mask: &[u8; 32]) -> Self {
        Self { wrap: XChaCha20Poly1305::new(wrap.into()), mask: HeaderMask::for_pairing(mask) }
    }

    /// Makes the datagram `out` with fragment `head.fragment` of the message. Past the message's end it holds zeros,
    /// which are sealed like anything else. `nonce` is 16 fresh random bytes, never used before.
    ///
    /// # Panics
    /// If `out` is shorter than [`MIN_DATAGRAM`], which is a mistake of the caller.
    pub fn wrap(&self, head: &Head, message: &[u8], nonce: &[u8; NONCE], out: &mut [u8]) {
        assert!(out.len() >= MIN_DATAGRAM, "a datagram has at least 52 bytes");
        let fragment_length = out.len() - WRAP_OVERHEAD;
        let (clear, rest) = out.split_at_mut(SEALED);
        let (sealed, tag) = rest.split_at_mut(rest.len() - TAG);
        clear[..HEADER].fill(0);
        clear[HEADER..].copy_from_slice(nonce);
        let (head_bytes, body) = sealed.split_at_mut(HEAD);
        head_bytes.copy_from_slice(&head.to_bytes());
        let from = message.len().min(usize::from(head.fragment) * fragment_length);
        let piece = &message[from..message.len().min(from + fragment_length)];
        body[..piece.len()].copy_from_slice(piece);
        body[piece.len()..].fill(0);
        let made = self
            .wrap
            .encrypt_in_place_detached(&extended_nonce(nonce), &[], sealed)
            .expect("a datagram is far below the 2^38 bytes where the AEAD refuses");
        tag.copy_from_slice(&made);
        let header = self.mask.toggled_header(out).expect("52 bytes hold a sample");
        out[..HEADER].copy_from_slice(&header);
    }
}

impl fmt::Debug for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wrapper(redacted)")
    }
}

/// One opened handshake datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwrapped<'a> {
    /// What stands before the fragment.
    pub head: Head,
    /// `n - 44` bytes: the fragment, and zeros past the message's end.
    pub fragment: &'a [u8],
    /// The random bytes of this copy.
    pub nonce: [u8; NONCE],
}

/// Unwraps what a [`Wrapper`] with the same keys wraps.
pub struct Unwrapper {
    wrap: XChaCha20Poly1305,
    mask: HeaderMask,
}

impl Unwrapper {
    /// An unwrapper under the wrap and mask keys of a pairing's receiving direction. The caller zeroes its copies.
    pub fn new(wrap: &[u8; 32], mask: &[u8; 32]) -> Self {
        Self { wrap: XChaCha20Poly1305::new(wrap.into()), mask: HeaderMask::for_pairing(mask) }
    }

    /// Whether the datagram is worth opening: it is long enough, and there are zeros under the mask. Of a stranger's
    /// datagrams, one in 2^32 passes.
    pub fn plausible(&self, datagram: &[u8]) -> bool {
        datagram.len() >= MIN_DATAGRAM && self.mask.toggled_header(datagram) == Some([0; HEADER])
    }

    /// Opens a plausible datagram in a copy; None if it doesn't authenticate, or if `scratch` is too short for it.
    pub fn unwrap<'a>(&self, datagram: &[u8], scratch: &'a mut [u8]) -> Option<Unwrapped<'a>> {
        if datagram.len() < MIN_DATAGRAM {
            return None;
        }
        let nonce = nonce_of(datagram)?;
        let (sealed, tag) = datagram[SEALED..].split_at(datagram.len() - SEALED - TAG);
        let copy = scratch.get_mut(..sealed.len())?;
        copy.copy_from_slice(sealed);
        self.wrap.decrypt_in_place_detached(&extended_nonce(&nonce), &[], copy, Tag::from_slice(tag)).ok()?;
        let (head, fragment) = copy.split_first_chunk::<HEAD>()?;
        Some(Unwrapped { head: Head::from_bytes(*head), fragment, nonce })
    }
}

/// The random bytes of a handshake datagram, which travel in clear.
pub fn nonce_of(datagram: &[u8]) -> Option<[u8; NONCE]> {
    datagram.get(HEADER..SEALED)?.try_into().ok()
}

impl fmt::Debug for Unwrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unwrapper(redacted)")
    }
}
