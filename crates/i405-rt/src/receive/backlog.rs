//! Inner packets that wait for their turn at the interface.
//!
//! In `spinny` a turn has to end before the next deadline, and one datagram can hold seventy small packets, or set free
//! all that waited behind a lost one. Copying them is quick: it takes as long as they are long together. But writing
//! one is a system call, so each gets a turn of its own.

use rtrb::{Consumer, Producer, RingBuffer};

use crate::platform::socket::LONGEST_DATAGRAM;
use crate::rings::packet_ring::{self, LENGTH_PREFIX};

/// The shortest inner packet, an IPv4 header, which costs most beside its own length.
const SHORTEST_PACKET: usize = 20;

/// Packets in the order in which they came. Its thread is the only one that uses it.
pub struct Backlog {
    into: Producer<u8>,
    from: Consumer<u8>,
    /// The packet that was taken out last.
    taken: Box<[u8]>,
}

impl Backlog {
    /// Room for all that one datagram can set free: the payloads held behind a missing one, its own, and the packet that
    /// began before them. Allocates, and touches what it allocates.
    pub fn new(reorder_window: usize) -> Self {
        let payloads = reorder_window + 2;
        let capacity = payloads * LONGEST_DATAGRAM * (SHORTEST_PACKET + LENGTH_PREFIX) / SHORTEST_PACKET;
        let (mut into, from) = RingBuffer::new(capacity);
        // Written to, so that no page has to be found when a packet comes. Dropped without a commit: nothing is in it.
        drop(into.write_chunk(capacity));
        Self { into, from, taken: vec![0; usize::from(u16::MAX)].into_boxed_slice() }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.from.is_empty()
    }

    /// Copies a packet to the end. False: no room, nothing changed.
    pub fn push(&mut self, packet: &[u8]) -> bool {
        packet_ring::push(&mut self.into, packet)
    }

    /// Takes the first packet out.
    pub fn pop(&mut self) -> Option<&[u8]> {
        let length = packet_ring::pop_length(&mut self.from)?;
        let packet = self.taken.get_mut(..length)?;
        self.from.pop_entire_slice(packet).ok()?;
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_whole_and_in_order() {
        let mut backlog = Backlog::new(0);
        let packets: Vec<Vec<u8>> = (0..200u8).map(|number| vec![number; 20 + usize::from(number) * 7]).collect();
        for _ in 0..20 {
            assert!(backlog.is_empty() && backlog.pop().is_none());
            assert!(packets.iter().all(|packet| backlog.push(packet)));
            for packet in &packets {
                assert!(!backlog.is_empty());
                assert_eq!(backlog.pop(), Some(packet.as_slice()));
            }
        }
    }

    #[test]
    fn all_that_one_datagram_sets_free_has_room() {
        for window in [0, 3, 64] {
            let mut backlog = Backlog::new(window);
            assert!(backlog.push(&[1; 65_535]));
            let small = (window + 1) * (LONGEST_DATAGRAM / SHORTEST_PACKET);
            assert!((0..small).all(|_| backlog.push(&[2; SHORTEST_PACKET])), "window {window}");
            while backlog.push(&[3; 1500]) {}
            assert_eq!(backlog.pop().map(<[u8]>::len), Some(65_535), "what had no room changed nothing");
        }
    }
}
