//! Packets, a queue, and a sink that keeps everything.

use i405_proto::packer::{ControlBlock, InnerQueue};
use i405_proto::unpacker::BlockSink;
use proptest::prelude::*;
use std::collections::VecDeque;

/// A packet of that length with bytes that depend on `tag`: IPv4, or IPv6 if told so and it is long enough.
pub fn packet(length: usize, v6: bool, tag: u32) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..length).map(|k| (k as u32).wrapping_mul(31).wrapping_add(tag) as u8).collect();
    if v6 && length >= 40 {
        bytes[0] = 0x60;
        bytes[4..6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
    } else {
        bytes[0] = 0x45;
        bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    }
    bytes
}

pub fn v4(length: usize) -> Vec<u8> {
    packet(length, false, length as u32)
}

/// Mostly small packets, some ordinary, few of the greatest length.
pub fn packets(count: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let length = prop_oneof![6 => 20..100usize, 3 => 100..1600usize, 1 => 65_000..=65_535usize];
    prop::collection::vec((length, any::<bool>(), any::<u32>()).prop_map(|(l, v6, tag)| packet(l, v6, tag)), 0..count)
}

#[derive(Debug, Clone, Default)]
pub struct Queue(pub VecDeque<Vec<u8>>);

impl Queue {
    pub fn of(packets: &[Vec<u8>]) -> Queue {
        Queue(packets.iter().cloned().collect())
    }
}

impl InnerQueue for Queue {
    fn next_len(&mut self) -> Option<usize> {
        self.0.front().map(Vec::len)
    }

    fn read(&mut self, into: &mut [u8]) {
        into.copy_from_slice(&self.0.pop_front().expect("`next_len` said that there is one"));
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    Packet(Vec<u8>),
    Control(u8, Vec<u8>),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sink(pub Vec<Block>);

impl Sink {
    pub fn packets(&self) -> Vec<Vec<u8>> {
        let packet = |block: &Block| match block {
            Block::Packet(bytes) => Some(bytes.clone()),
            Block::Control(..) => None,
        };
        self.0.iter().filter_map(packet).collect()
    }

    pub fn controls(&self) -> Vec<(u8, Vec<u8>)> {
        let control = |block: &Block| match block {
            Block::Packet(_) => None,
            Block::Control(kind, body) => Some((*kind, body.clone())),
        };
        self.0.iter().filter_map(control).collect()
    }
}

impl BlockSink for Sink {
    fn packet(&mut self, inner: &[u8]) {
        self.0.push(Block::Packet(inner.to_vec()));
    }

    fn control(&mut self, kind: u8, body: &[u8]) {
        self.0.push(Block::Control(kind, body.to_vec()));
    }
}

/// Control blocks that own their bodies.
pub type Controls = Vec<(u8, Vec<u8>)>;

pub fn borrowed(controls: &Controls) -> Vec<ControlBlock<'_>> {
    controls.iter().map(|(kind, body)| ControlBlock { kind: *kind, body }).collect()
}
