//! In place of Noise: keys and messages that follow from a session's id.

use i405_proto::handshake_wire::{INITIATION_IKPSK2, RESPONSE, Unwrapper, Wrapper};
use i405_proto::keys::{DIRECTION_KEY_BYTES, DirectionKeys};
use i405_random::Random;

use crate::settings::Direction;

/// What stands for a session: both ends derive its keys from it.
pub type SessionId = u64;

pub fn session_keys(id: SessionId, direction: Direction) -> DirectionKeys {
    DirectionKeys::from_bytes(&Random::stream(id, direction.name()).bytes::<DIRECTION_KEY_BYTES>())
}

pub fn wrapper(direction: Direction) -> Wrapper {
    let (wrap, mask) = pairing_keys(direction);
    Wrapper::new(&wrap, &mask)
}

pub fn unwrapper(direction: Direction) -> Unwrapper {
    let (wrap, mask) = pairing_keys(direction);
    Unwrapper::new(&wrap, &mask)
}

fn pairing_keys(direction: Direction) -> ([u8; 32], [u8; 32]) {
    let mut random = Random::stream(0, direction.name());
    (random.bytes(), random.bytes())
}

/// The message of an attempt.
pub fn initiation(stamp: u64) -> Vec<u8> {
    message(stamp, INITIATION_IKPSK2)
}

/// The message that makes the session of this id.
pub fn response(id: SessionId) -> Vec<u8> {
    message(id, RESPONSE)
}

/// The id that a response is about. Fails the test if a byte of it is wrong.
pub fn session_of(message: &[u8]) -> SessionId {
    let id = u64::from_be_bytes(message[..8].try_into().unwrap());
    assert!(message == response(id), "a response came altered");
    id
}

fn message(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Random::stream(number, "message").fill(&mut bytes);
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes
}
