//! Header protection as in QUIC (RFC 9001 section 5.4): the first four bytes of every datagram are hidden under a
//! mask that is computed from sixteen bytes of its sealed part.

use std::fmt;

use ring::aead::quic;

use crate::keys::Aead;
use crate::sys::wipe::Wiped;

/// Bytes at the start of a datagram that are masked: the counter, or zeros in a handshake datagram.
pub const HEADER: usize = 4;

/// End of the sample, which begins where the header ends.
pub(crate) const SAMPLE_END: usize = HEADER + 16;

/// One header-protection key.
pub(crate) struct HeaderMask {
    key: Wiped<quic::HeaderProtectionKey>,
}

impl HeaderMask {
    /// The mask of a session: AES-256 beside AES-256-GCM (RFC 9001 section 5.4.3), else ChaCha20 (5.4.4).
    pub(crate) fn for_session(aead: Aead, key: &[u8; 32]) -> Self {
        match aead {
            Aead::Aes256Gcm => Self::with(&quic::AES_256, key),
            Aead::ChaCha20Poly1305 => Self::with(&quic::CHACHA20, key),
        }
    }

    /// The mask of a pairing, which is always ChaCha20.
    pub(crate) fn for_pairing(key: &[u8; 32]) -> Self {
        Self::with(&quic::CHACHA20, key)
    }

    fn with(algorithm: &'static quic::Algorithm, key: &[u8; 32]) -> Self {
        Self {
            key: Wiped::build(|| {
                quic::HeaderProtectionKey::new(algorithm, key).expect("both algorithms take 32 bytes of key")
            }),
        }
    }

    /// The header with its mask put on or taken off; None if the datagram is too short to have a sample.
    pub(crate) fn toggled_header(&self, datagram: &[u8]) -> Option<[u8; HEADER]> {
        let sample = datagram.get(HEADER..SAMPLE_END)?;
        let mask = self.key.new_mask(sample).ok()?;
        let mut header = [0; HEADER];
        for (out, (byte, mask)) in header.iter_mut().zip(datagram.iter().zip(mask)) {
            *out = byte ^ mask;
        }
        Some(header)
    }
}

impl fmt::Debug for HeaderMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeaderMask(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        let mut bytes = [0; N];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap();
        }
        bytes
    }

    /// RFC 9001 appendix A.5: the ChaCha20 mask of a short-header packet is aefefe7d03.
    #[test]
    fn chacha20_vector_of_rfc_9001() {
        let key = hex("25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4");
        let sample: [u8; 16] = hex("5e5cd55c41f69080575d7999c25a5bfb");
        let mut datagram = [0u8; 20];
        datagram[4..].copy_from_slice(&sample);
        let expected = [0xae, 0xfe, 0xfe, 0x7d];
        assert_eq!(HeaderMask::for_pairing(&key).toggled_header(&datagram), Some(expected));
        let session = HeaderMask::for_session(Aead::ChaCha20Poly1305, &key);
        assert_eq!(session.toggled_header(&datagram), Some(expected));
    }

    /// FIPS 197 appendix C.3: AES-256 of this block is 8ea2b7ca516745bfeafc49904b496089.
    #[test]
    fn aes_256_vector_of_fips_197() {
        let key = hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        let sample: [u8; 16] = hex("00112233445566778899aabbccddeeff");
        let mut datagram = [0u8; 20];
        datagram[..4].copy_from_slice(&[1, 2, 3, 4]);
        datagram[4..].copy_from_slice(&sample);
        let mask = HeaderMask::for_session(Aead::Aes256Gcm, &key);
        assert_eq!(mask.toggled_header(&datagram), Some([0x8e ^ 1, 0xa2 ^ 2, 0xb7 ^ 3, 0xca ^ 4]));
    }

    #[test]
    fn too_short_for_a_sample() {
        let mask = HeaderMask::for_pairing(&[1; 32]);
        assert_eq!(mask.toggled_header(&[0; 19]), None);
        assert!(mask.toggled_header(&[0; 20]).is_some());
    }
}
