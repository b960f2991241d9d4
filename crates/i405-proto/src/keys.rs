//! The AEADs of a session, and the keys of one direction of it.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

pub use crate::sys::wipe::with_clean_stack;

/// How the payload of a session's datagrams is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aead {
    /// RFC 8439; every machine has it.
    ChaCha20Poly1305,
    /// NIST SP 800-38D with a key of 256 bits; only where hardware computes it, in constant time.
    Aes256Gcm,
}

impl Aead {
    /// The AEAD's number in the response and in the key derivation.
    pub const fn id(self) -> u8 {
        match self {
            Aead::ChaCha20Poly1305 => 0,
            Aead::Aes256Gcm => 1,
        }
    }

    /// The AEAD with this number, if there is one.
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Aead::ChaCha20Poly1305),
            1 => Some(Aead::Aes256Gcm),
            _ => None,
        }
    }

    /// The AEAD's bit in the set that an initiation offers.
    pub const fn bit(self) -> u8 {
        1 << self.id()
    }
}

/// The AEADs to offer, as in the initiation: bit 0 always, bit 1 where the processor has AES and carry-less
/// multiplication.
pub fn hardware_aeads() -> u8 {
    let mut offered = Aead::ChaCha20Poly1305.bit();
    if has_aes_and_carryless_multiply() {
        offered |= Aead::Aes256Gcm.bit();
    }
    offered
}

#[cfg(target_arch = "x86_64")]
fn has_aes_and_carryless_multiply() -> bool {
    std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
}

#[cfg(target_arch = "aarch64")]
fn has_aes_and_carryless_multiply() -> bool {
    std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn has_aes_and_carryless_multiply() -> bool {
    false
}

/// The keys of one direction of one session. Zeroed on drop; `Debug` shows nothing of them.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DirectionKeys {
    /// "i405 key up|down".
    pub key: [u8; 32],
    /// "i405 iv up|down".
    pub iv: [u8; 12],
    /// "i405 mask up|down", for header protection.
    pub mask: [u8; 32],
}

/// Bytes in a [`DirectionKeys`], and of entropy for a throwaway key.
pub const DIRECTION_KEY_BYTES: usize = 32 + 12 + 32;

impl DirectionKeys {
    /// Cuts key, iv and mask, in this order, from bytes that are secret and uniformly random.
    pub fn from_bytes(bytes: &[u8; DIRECTION_KEY_BYTES]) -> Self {
        let mut keys = Self { key: [0; 32], iv: [0; 12], mask: [0; 32] };
        keys.key.copy_from_slice(&bytes[..32]);
        keys.iv.copy_from_slice(&bytes[32..44]);
        keys.mask.copy_from_slice(&bytes[44..]);
        keys
    }
}

impl fmt::Debug for DirectionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectionKeys(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_both_ways() {
        for aead in [Aead::ChaCha20Poly1305, Aead::Aes256Gcm] {
            assert_eq!(Aead::from_id(aead.id()), Some(aead));
        }
        assert_eq!(Aead::from_id(2), None);
        assert_eq!((Aead::ChaCha20Poly1305.id(), Aead::Aes256Gcm.id()), (0, 1));
    }

    #[test]
    fn chacha_is_always_offered() {
        assert_eq!(hardware_aeads() & 1, 1);
        assert_eq!(hardware_aeads() & !3, 0);
    }

    #[test]
    fn promise_keys_not_shown() {
        let mut bytes = [0u8; DIRECTION_KEY_BYTES];
        bytes.iter_mut().zip(100u8..).for_each(|(byte, value)| *byte = value);
        let keys = DirectionKeys::from_bytes(&bytes);
        assert_eq!(keys.key[0], 100);
        assert_eq!(keys.iv[0], 132);
        assert_eq!(keys.mask[31], 175);
        assert_eq!(format!("{keys:?}"), "DirectionKeys(redacted)");
    }
}
