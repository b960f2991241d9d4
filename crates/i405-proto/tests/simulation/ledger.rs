//! What becomes of one direction's inner packets: in which datagrams each went out, and whether it may come back.

use std::collections::{HashMap, HashSet};

use i405_proto::outbound::Contents;

use crate::secrets::SessionId;
use crate::traffic::{Numbered, number_of};

/// One data datagram.
pub type Slot = (SessionId, u32);

/// One packet that was taken from the queue.
struct Fate {
    /// Until it is delivered.
    packet: Vec<u8>,
    /// The datagrams that hold it, all of one session.
    slots: Vec<Slot>,
    sent: usize,
    delivered: bool,
}

#[derive(Default)]
pub struct Ledger {
    /// By number: packets are taken in the order in which they were made.
    fates: Vec<Fate>,
    under_way: Option<usize>,
    lost: HashSet<Slot>,
    /// The last packet that came under each session.
    last_under: HashMap<SessionId, usize>,
    /// Numbers in the order in which they were delivered.
    pub delivered: Vec<u64>,
}

impl Ledger {
    /// What a slot took and carried. With the lengths alone this says which bytes of which packets it must have been.
    pub fn sent(&mut self, slot: Slot, contents: Contents, taken: Vec<Numbered>) {
        let (packets, mut bytes) = match contents {
            Contents::Carrying { packets, bytes } => (packets, bytes as usize),
            _ => (0, 0),
        };
        assert_eq!(taken.len(), packets as usize, "packets taken and packets told");
        let mut taken = taken.into_iter();
        while bytes > 0 {
            let number = match self.under_way {
                Some(number) => number,
                None => {
                    let (number, packet) = taken.next().expect("more bytes told than packets had");
                    assert_eq!(number as usize, self.fates.len(), "taken in order");
                    self.fates.push(Fate { packet, slots: Vec::new(), sent: 0, delivered: false });
                    self.fates.len() - 1
                }
            };
            let fate = &mut self.fates[number];
            let part = bytes.min(fate.packet.len() - fate.sent);
            fate.sent += part;
            fate.slots.push(slot);
            bytes -= part;
            self.under_way = (fate.sent < fate.packet.len()).then_some(number);
        }
        assert!(taken.next().is_none(), "a packet was taken of which nothing is told");
    }

    /// The packet under way starts again. False: none was.
    pub fn restart(&mut self) -> bool {
        let Some(number) = self.under_way else { return false };
        self.fates[number].slots.clear();
        std::mem::take(&mut self.fates[number].sent) > 0
    }

    /// The packet under way is given up.
    pub fn abandon(&mut self) {
        self.under_way = None;
    }

    pub fn under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// The datagram will not arrive intact, or nobody can open it any more.
    pub fn lose(&mut self, slot: Slot) {
        self.lost.insert(slot);
    }

    /// A packet came out at the other end: unaltered, whole, for the first time, in the order of its session.
    pub fn deliver(&mut self, packet: &[u8]) {
        let number = number_of(packet) as usize;
        let fate = self.fates.get_mut(number).expect("a packet that was never sent");
        assert!(!fate.delivered, "packet {number} came twice");
        assert!(fate.packet == packet, "packet {number} came altered");
        assert_eq!(fate.sent, fate.packet.len(), "packet {number} came before it was sent");
        fate.delivered = true;
        fate.packet = Vec::new();
        let (session, _) = fate.slots[0];
        assert!(fate.slots.iter().all(|slot| slot.0 == session), "packet {number} ran over between keys");
        if let Some(before) = self.last_under.insert(session, number) {
            assert!(before < number, "packet {number} came after {before}, of one session");
        }
        self.delivered.push(number as u64);
    }

    /// How many packets were sent whole.
    pub fn complete(&self) -> usize {
        self.fates.iter().filter(|fate| fate.delivered || fate.sent == fate.packet.len()).count()
    }

    /// Every packet that no lost datagram touched has come. Returns how many were touched.
    pub fn assert_untouched_arrived(&self) -> usize {
        let mut touched = 0;
        for (number, fate) in self.fates.iter().enumerate() {
            if fate.delivered || fate.sent < fate.packet.len() {
                continue;
            }
            let lost = fate.slots.iter().find(|slot| self.lost.contains(slot));
            assert!(lost.is_some(), "packet {number} did not come, and each of {:?} arrived", fate.slots);
            touched += 1;
        }
        touched
    }

    /// Everything that was sent has come, exactly in the order in which it was sent.
    pub fn assert_all_in_order(&self) {
        self.assert_untouched_arrived();
        let expected: Vec<u64> = (0..self.complete() as u64).collect();
        assert!(self.delivered == expected, "{} of {} in order", self.delivered.len(), expected.len());
    }
}
