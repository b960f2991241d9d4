//! Inner packets that say which they are, so that a lost, doubled or altered one is recognised.

use i405_proto::block::inner_length;

/// Bytes of the longest header, behind which the number and the pattern stand.
const HEADER: usize = 40;
/// Shortest packet that has room for its number.
pub const LEAST: usize = HEADER + 4;

/// The packet of that number: IPv6 if the number is odd, at least [`LEAST`] bytes long.
pub fn packet(number: u32, length: usize) -> Vec<u8> {
    let length = length.clamp(LEAST, 65_535);
    let mut bytes: Vec<u8> = (0..length).map(|at| (at as u32).wrapping_mul(31).wrapping_add(number) as u8).collect();
    if number % 2 == 1 {
        bytes[0] = 0x60;
        bytes[4..6].copy_from_slice(&((length - HEADER) as u16).to_be_bytes());
    } else {
        bytes[0] = 0x45;
        bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    }
    bytes[HEADER..LEAST].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// The number of a packet made by [`packet`].
///
/// # Panics
/// If it isn't one, byte for byte.
pub fn number_of(bytes: &[u8]) -> u32 {
    assert_eq!(inner_length(bytes), Some(bytes.len()), "a packet whose header contradicts its length");
    let number = bytes.get(HEADER..LEAST).map(|at| u32::from_be_bytes(at.try_into().expect("four bytes")));
    let number = number.expect("a packet too short to be one that was sent");
    assert!(packet(number, bytes.len()) == bytes, "packet {number} arrived altered");
    number
}
