//! The wire format once more, plainly: ChaCha20 from RFC 8439's figures, RustCrypto's AEAD, no header protection API.

use chacha20poly1305::{AeadInPlace, ChaCha20Poly1305, KeyInit, Nonce};

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect()
}

fn quarter_round(s: &mut [u32], [a, b, c, d]: [usize; 4]) {
    for (to, from, turned, by) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        s[to] = s[to].wrapping_add(s[from]);
        s[turned] = (s[turned] ^ s[to]).rotate_left(by);
    }
}

/// Twenty rounds over constants | key | the last sixteen bytes, without the final addition.
fn rounds(key: &[u8; 32], last: &[u8; 16]) -> (Vec<u32>, Vec<u32>) {
    let start = [words(b"expand 32-byte k"), words(key), words(last)].concat();
    let mut s = start.clone();
    for _ in 0..10 {
        for column in 0..4 {
            quarter_round(&mut s, [column, column + 4, column + 8, column + 12]);
        }
        for diagonal in 0..4 {
            quarter_round(&mut s, [diagonal, 4 + (diagonal + 1) % 4, 8 + (diagonal + 2) % 4, 12 + (diagonal + 3) % 4]);
        }
    }
    (start, s)
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// RFC 9001 section 5.4.4: the sample is block counter and nonce, the mask the first bytes of the key stream.
pub fn chacha_mask(key: &[u8; 32], sample: &[u8; 16]) -> [u8; 4] {
    let (start, end) = rounds(key, sample);
    let stream: Vec<u32> = start.iter().zip(&end).map(|(a, b)| a.wrapping_add(*b)).collect();
    bytes(&stream)[..4].try_into().unwrap()
}

/// draft-irtf-cfrg-xchacha section 2.2: the first and the last row of the state.
fn hchacha(key: &[u8; 32], nonce: &[u8; 16]) -> [u8; 32] {
    let (_, end) = rounds(key, nonce);
    bytes(&[&end[..4], &end[12..]].concat()).try_into().unwrap()
}

fn masked(mask: &[u8; 32], header: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let mask = chacha_mask(mask, rest[..16].try_into().unwrap());
    let header = header.iter().zip(mask).map(|(byte, mask)| byte ^ mask);
    header.chain(rest.iter().copied()).collect()
}

fn sealed(key: &[u8; 32], nonce: &[u8; 12], plain: &[u8]) -> Vec<u8> {
    let mut text = plain.to_vec();
    let cipher = ChaCha20Poly1305::new(key.into());
    let tag = cipher.encrypt_in_place_detached(Nonce::from_slice(nonce), &[], &mut text).unwrap();
    [text, tag.to_vec()].concat()
}

/// A data datagram under ChaCha20-Poly1305.
pub fn data_datagram(key: &[u8; 32], iv: &[u8; 12], mask: &[u8; 32], counter: u32, payload: &[u8]) -> Vec<u8> {
    let mut nonce = *iv;
    for (byte, counter) in nonce.iter_mut().skip(8).zip(counter.to_be_bytes()) {
        *byte ^= counter;
    }
    masked(mask, counter.to_be_bytes(), &sealed(key, &nonce, payload))
}

/// A handshake datagram whose sealed part is `head | body`.
pub fn handshake_datagram(wrap: &[u8; 32], mask: &[u8; 32], nonce: &[u8; 16], head: [u8; 8], body: &[u8]) -> Vec<u8> {
    // Of 16 random | 8 zero bytes, HChaCha20 takes the random ones, and what is left for the cipher is zeros.
    let subkey = hchacha(wrap, nonce);
    let plain = [&head[..], body].concat();
    masked(mask, [0; 4], &[&nonce[..], &sealed(&subkey, &[0; 12], &plain)].concat())
}

/// draft-irtf-cfrg-xchacha section 2.2.1.
#[test]
fn hchacha_vector() {
    let key = std::array::from_fn(|at| at as u8);
    let nonce = [0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0, 0x31, 0x41, 0x59, 0x27];
    let subkey = hchacha(&key, &nonce);
    assert_eq!(subkey[..8], [0x82, 0x41, 0x3b, 0x42, 0x27, 0xb2, 0x7b, 0xfe]);
    assert_eq!(subkey[24..], [0xc1, 0x2e, 0xc4, 0x13, 0x26, 0xd3, 0xec, 0xdc]);
}
