//! Packets in a ring of bytes: each behind its length, pushed whole, so that a reader never sees half of one.

use rtrb::{Consumer, Producer};

/// Bytes that a packet costs besides its own.
pub const LENGTH_PREFIX: usize = 4;

/// Copies a packet in. False: no room, nothing changed.
#[inline]
pub fn push(ring: &mut Producer<u8>, packet: &[u8]) -> bool {
    let Ok(mut chunk) = ring.write_chunk(LENGTH_PREFIX + packet.len()) else { return false };
    let (first, second) = chunk.as_mut_slices();
    let mut at = 0;
    for part in [(packet.len() as u32).to_ne_bytes().as_slice(), packet] {
        // The chunk is two slices where it runs over the end of the ring.
        let (head, tail) = part.split_at(part.len().min(first.len().saturating_sub(at)));
        let behind = (at + head.len()).saturating_sub(first.len());
        if !head.is_empty() {
            first[at..at + head.len()].copy_from_slice(head);
        }
        second[behind..behind + tail.len()].copy_from_slice(tail);
        at += part.len();
    }
    chunk.commit_all();
    true
}

/// Length of the next packet; its bytes are the next to pop.
#[inline]
pub fn pop_length(ring: &mut Consumer<u8>) -> Option<usize> {
    let mut prefix = [0; LENGTH_PREFIX];
    ring.pop_entire_slice(&mut prefix).ok()?;
    Some(u32::from_ne_bytes(prefix) as usize)
}
