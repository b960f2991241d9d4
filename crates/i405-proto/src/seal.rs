//! Data datagrams: sealing and opening under the key of one direction.
//!
//! ```text
//! 0         4                                             n-16      n
//! | counter | AGGFRAG payload (sealed)                    | tag     |
//! ```
//!
//! The AEAD nonce is the iv XOR (eight zero bytes | counter). There is no associated data: the nonce covers the whole
//! header. The counter is then hidden by header protection. Nothing here allocates after `new`.

use std::fmt;

use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::keys::{Aead, DIRECTION_KEY_BYTES, DirectionKeys};
use crate::mask::{HEADER, HeaderMask};
use crate::sys::wipe::Wiped;

// The protocol's.

/// Length of the tag of both AEADs, in bytes.
pub const TAG: usize = 16;

/// Bytes of a data datagram that are not payload: the counter and the tag.
pub const DATA_OVERHEAD: usize = HEADER + TAG;

/// Datagrams under one key: RFC 9001 section B.1 allows 2^28 with AES-GCM at up to 2^11 bytes.
pub const COUNTER_LIMIT: u32 = 1 << 28;

/// Shortest datagram in bytes: an IP packet of 100 bytes over IPv6.
pub const MIN_DATAGRAM: usize = 52;

/// The key has sealed 2^28 datagrams. Nothing more may be sealed under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key has sealed as many datagrams as it may")]
pub struct Exhausted;

/// What both directions of use have in common.
struct Context {
    aead: LessSafeKey,
    iv: [u8; 12],
}

impl Context {
    fn build(aead: Aead, keys: &DirectionKeys) -> Wiped<Self> {
        let algorithm = match aead {
            Aead::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
            Aead::Aes256Gcm => &aead::AES_256_GCM,
        };
        Wiped::build(|| Context {
            aead: LessSafeKey::new(
                UnboundKey::new(algorithm, &keys.key).expect("both algorithms take 32 bytes of key"),
            ),
            iv: keys.iv,
        })
    }

    fn nonce(&self, counter: u32) -> Nonce {
        let mut nonce = self.iv;
        for (byte, counter) in nonce[8..].iter_mut().zip(counter.to_be_bytes()) {
            *byte ^= counter;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Seals datagrams under one key and numbers them. It cannot be cloned, so no two contents share a counter.
pub struct Sealer {
    context: Wiped<Context>,
    mask: HeaderMask,
    next: u32,
}

impl Sealer {
    /// A sealer that begins at counter 0. A pair of key and iv must get one sealer in its life.
    pub fn new(aead: Aead, keys: DirectionKeys) -> Self {
        Self { context: Context::build(aead, &keys), mask: HeaderMask::for_session(aead, &keys.mask), next: 0 }
    }

    /// A sealer under a random key that nobody else has, for slots without a session.
    /// `seed` is fresh entropy of the operating system; the caller zeroes its copy.
    pub fn throwaway(aead: Aead, seed: &[u8; DIRECTION_KEY_BYTES]) -> Self {
        Self::new(aead, DirectionKeys::from_bytes(seed))
    }

    /// Seals the payload that stands at `4..n-16` of the datagram in place, and writes counter, tag and mask around it.
    /// Returns the counter that it took. How much work that is depends on the length alone.
    ///
    /// # Errors
    /// [`Exhausted`] at 2^28 datagrams; the datagram is left as it was.
    ///
    /// # Panics
    /// If the datagram is shorter than [`MIN_DATAGRAM`], which is a mistake of the caller.
    pub fn seal(&mut self, datagram: &mut [u8]) -> Result<u32, Exhausted> {
        assert!(datagram.len() >= MIN_DATAGRAM, "a datagram has at least 52 bytes");
        if self.next >= COUNTER_LIMIT {
            return Err(Exhausted);
        }
        let counter = self.next;
        self.next += 1;
        let (header, rest) = datagram.split_at_mut(HEADER);
        let (payload, tag) = rest.split_at_mut(rest.len() - TAG);
        header.copy_from_slice(&counter.to_be_bytes());
        let sealed = self
            .context
            .aead
            .seal_in_place_separate_tag(self.context.nonce(counter), Aad::empty(), payload)
            .expect("a datagram is far below the 2^36 bytes where the AEADs refuse");
        tag.copy_from_slice(sealed.as_ref());
        let header = self.mask.toggled_header(datagram).expect("52 bytes hold a sample");
        datagram[..HEADER].copy_from_slice(&header);
        Ok(counter)
    }

    /// How many datagrams the key may still seal.
    pub fn remaining(&self) -> u32 {
        COUNTER_LIMIT - self.next
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("next", &self.next).finish_non_exhaustive()
    }
}

/// Opens datagrams under one key. Whether a counter may be accepted is not decided here.
pub struct Opener {
    context: Wiped<Context>,
    mask: HeaderMask,
}

impl Opener {
    /// An opener for what the sealer with the same keys seals.
    pub fn new(aead: Aead, keys: DirectionKeys) -> Self {
        Self { context: Context::build(aead, &keys), mask: HeaderMask::for_session(aead, &keys.mask) }
    }

    /// The datagram's counter, if it is one of this key's; any 32 bits if it isn't. A datagram too short to have a
    /// counter yields `u32::MAX`, which is no plausible one.
    pub fn counter(&self, datagram: &[u8]) -> u32 {
        self.mask.toggled_header(datagram).map_or(u32::MAX, u32::from_be_bytes)
    }

    /// The payload of the datagram, opened under this counter in a copy; None if it doesn't authenticate, or if
    /// `scratch` doesn't have room for the datagram. What `scratch` holds after a failure is of no use.
    pub fn open<'a>(&self, counter: u32, datagram: &[u8], scratch: &'a mut [u8]) -> Option<&'a [u8]> {
        let sealed = datagram.get(HEADER..).filter(|sealed| sealed.len() >= TAG)?;
        let copy = scratch.get_mut(..sealed.len())?;
        copy.copy_from_slice(sealed);
        let payload = self.context.aead.open_in_place(self.context.nonce(counter), Aad::empty(), copy).ok()?;
        Some(payload)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> DirectionKeys {
        DirectionKeys { key: [1; 32], iv: [2; 12], mask: [3; 32] }
    }

    #[test]
    fn the_limit_is_kept() {
        let mut sealer = Sealer::new(Aead::Aes256Gcm, keys());
        sealer.next = COUNTER_LIMIT - 1;
        let mut datagram = [9u8; 60];
        assert_eq!(sealer.remaining(), 1);
        assert_eq!(sealer.seal(&mut datagram), Ok(COUNTER_LIMIT - 1));
        let before = datagram;
        assert_eq!(sealer.seal(&mut datagram), Err(Exhausted));
        assert_eq!(datagram, before);
        assert_eq!(sealer.remaining(), 0);
    }

    #[test]
    fn debug_shows_no_key() {
        let sealer = Sealer::throwaway(Aead::ChaCha20Poly1305, &[7; DIRECTION_KEY_BYTES]);
        assert_eq!(format!("{sealer:?}"), "Sealer { next: 0, .. }");
        assert_eq!(format!("{:?}", Opener::new(Aead::Aes256Gcm, keys())), "Opener(redacted)");
    }
}
