//! The waiting queue: inner packets between ingress and dispatcher, bounded in time.
//!
//! It is a ring of bytes with one producer and one consumer; each packet stands behind its length. The bound is what
//! the schedule can carry in the configured time, so that a saturated slow tunnel does not build seconds of delay.
//!
//! A schedule that carries more than the ring has room for gets a larger ring behind the one before. The producer turns
//! to it when it likes, and the consumer empties the one before first. So neither depends on when, or whether, the
//! schedule begins: another one may replace it before that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use i405_proto::packer::InnerQueue;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::rings::packet_ring::{self, LENGTH_PREFIX};
use i405_sys::memory;

/// Room for two of the largest inner packets, whatever the bound: one on its way out, one waiting.
const LEAST_CAPACITY: usize = 2 * (65_535 + LENGTH_PREFIX);

/// What both ends of the queue see.
#[derive(Debug)]
pub struct Gate {
    bound: AtomicUsize,
    open: AtomicBool,
}

impl Gate {
    /// Closed at first: there is nobody to send to.
    pub fn new() -> Arc<Self> {
        Arc::new(Gate { bound: AtomicUsize::new(0), open: AtomicBool::new(false) })
    }

    /// Lets packets in, or not.
    pub fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Release);
    }

    /// Bytes that may wait.
    pub fn set_bound(&self, bytes: usize) {
        self.bound.store(bytes, Ordering::Release);
    }
}

/// Ingress's end.
pub struct QueueProducer {
    ring: Producer<u8>,
    gate: Arc<Gate>,
}

/// The dispatcher's end.
pub struct QueueConsumer {
    ring: Consumer<u8>,
    next: Option<usize>,
    /// The ring that the producer turned to, or will.
    newer: Option<Box<QueueConsumer>>,
}

/// A queue that can hold `bound` bytes, its memory touched and locked.
pub fn queue(bound: usize, gate: Arc<Gate>) -> (QueueProducer, QueueConsumer) {
    let (mut producer, consumer) = RingBuffer::<u8>::new(bound.max(LEAST_CAPACITY) + LENGTH_PREFIX);
    let capacity = producer.slots();
    if let Ok(mut chunk) = producer.write_chunk(capacity) {
        // Writing the zeros is what maps the pages; an unlockable page is only a page that may be swapped.
        let (memory, _) = chunk.as_mut_slices();
        let _ = memory::lock(memory);
    }
    (QueueProducer { ring: producer, gate }, QueueConsumer { ring: consumer, next: None, newer: None })
}

impl QueueProducer {
    /// Capacity in bytes.
    pub fn capacity(&self) -> usize {
        self.ring.buffer().capacity()
    }

    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        self.capacity() - self.ring.slots()
    }

    /// Takes a packet if the bound allows: always if none waits, else as long as it fits.
    pub fn push(&mut self, packet: &[u8]) -> bool {
        if !self.gate.open.load(Ordering::Acquire) {
            return false;
        }
        let waiting = self.waiting();
        let needed = packet.len() + LENGTH_PREFIX;
        if waiting != 0 && waiting + needed > self.gate.bound.load(Ordering::Acquire) {
            return false;
        }
        packet_ring::push(&mut self.ring, packet)
    }

    /// Whether a packet would be taken that was refused before.
    pub fn has_room(&self) -> bool {
        self.gate.open.load(Ordering::Acquire) && self.waiting() * 2 <= self.gate.bound.load(Ordering::Acquire)
    }
}

impl QueueConsumer {
    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        self.ring.slots() + self.newer.as_ref().map_or(0, |newer| newer.waiting())
    }

    /// Has this queue's packets come after all that wait.
    pub fn append(&mut self, newer: Box<QueueConsumer>) {
        match &mut self.newer {
            Some(next) => next.append(newer),
            None => self.newer = Some(newer),
        }
    }

    /// Goes on to the next ring if nothing comes from this one any more. Returns this one, to be freed elsewhere.
    pub fn advance(&mut self) -> Option<Box<QueueConsumer>> {
        // The producer is looked at first: what it left is then seen.
        if self.newer.is_none() || self.next.is_some() || !self.ring.is_abandoned() || self.ring.slots() != 0 {
            return None;
        }
        let mut newer = self.newer.take()?;
        std::mem::swap(self, &mut newer);
        Some(newer)
    }
}

impl InnerQueue for QueueConsumer {
    fn next_len(&mut self) -> Option<usize> {
        if self.next.is_none() {
            self.next = packet_ring::pop_length(&mut self.ring);
        }
        self.next
    }

    fn read(&mut self, into: &mut [u8]) {
        // Prefix and packet are committed together, so the bytes are there.
        let complete = self.ring.pop_entire_slice(into).is_ok();
        debug_assert!(complete && self.next == Some(into.len()));
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bound: usize) -> (QueueProducer, QueueConsumer) {
        let gate = Gate::new();
        gate.set_open(true);
        gate.set_bound(bound);
        queue(bound, gate)
    }

    #[test]
    fn packets_come_out_as_they_went_in_across_the_end_of_the_ring() {
        let (mut producer, mut consumer) = opened(200_000);
        let mut expected = std::collections::VecDeque::new();
        for round in 0u32..4_000 {
            let packet: Vec<u8> = (0..(round * 37) % 1_500 + 1).map(|i| (i + round) as u8).collect();
            assert!(producer.push(&packet));
            expected.push_back(packet);
            if round % 3 != 0 || expected.len() > 20 {
                let length = consumer.next_len().unwrap();
                let mut out = vec![0; length];
                consumer.read(&mut out);
                assert_eq!(Some(out), expected.pop_front());
            }
            while expected.len() > 40 {
                let mut out = vec![0; consumer.next_len().unwrap()];
                consumer.read(&mut out);
                assert_eq!(Some(out), expected.pop_front());
            }
        }
    }

    #[test]
    fn the_bound_holds_but_an_empty_queue_takes_any_packet() {
        let (mut producer, mut consumer) = opened(5_000);
        assert!(producer.push(&[0; 9_000]), "larger than the bound, but nothing waits");
        assert!(!producer.push(&[0; 20]));
        let mut out = vec![0; consumer.next_len().unwrap()];
        consumer.read(&mut out);
        let taken = (0..100).filter(|_| producer.push(&[0; 996])).count();
        assert_eq!(taken, 5);
        assert!(!producer.has_room());
    }

    #[test]
    fn larger_queues_go_on_where_the_smaller_ones_end() {
        let gate = Gate::new();
        gate.set_open(true);
        gate.set_bound(1_000_000);
        let (mut producer, mut consumer) = queue(0, Arc::clone(&gate));
        let mut sent = 0u8;
        let mut push = |producer: &mut QueueProducer| {
            sent += 1;
            assert!(producer.push(&[sent; 100]));
        };
        let mut freed = 0;
        let mut taken = 0u8;
        let mut take = |consumer: &mut QueueConsumer| {
            while let Some(old) = consumer.advance() {
                freed += 1;
                drop(old);
            }
            let mut packet = vec![0; consumer.next_len()?];
            consumer.read(&mut packet);
            taken += 1;
            assert_eq!(packet, [taken; 100]);
            Some(freed)
        };
        push(&mut producer);
        push(&mut producer);
        assert_eq!(take(&mut consumer), Some(0));
        // Two in a row, before the producer has heard of either.
        let (second, behind) = queue(200_000, Arc::clone(&gate));
        consumer.append(Box::new(behind));
        let (mut third, behind) = queue(400_000, gate);
        consumer.append(Box::new(behind));
        push(&mut producer);
        drop(producer);
        drop(second);
        (0..5).for_each(|_| push(&mut third));
        assert_eq!(consumer.waiting(), 7 * (100 + LENGTH_PREFIX));
        assert_eq!((take(&mut consumer), take(&mut consumer)), (Some(0), Some(0)));
        for _ in 0..5 {
            assert_eq!(take(&mut consumer), Some(2));
        }
        assert_eq!(take(&mut consumer), None);
        push(&mut third);
        assert_eq!(take(&mut consumer), Some(2));
    }

    #[test]
    fn a_closed_gate_takes_nothing() {
        let gate = Gate::new();
        gate.set_bound(1_000);
        let (mut producer, mut consumer) = queue(1_000, gate);
        assert!(!producer.push(&[0x45; 40]));
        assert_eq!(consumer.next_len(), None);
    }
}
