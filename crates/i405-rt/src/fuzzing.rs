//! What crates/i405-fuzz needs of this crate's inside. Not part of its interface.

use i405_proto::outbound::{NO_SESSION, SealedUnder};

use crate::platform::egress::qdiscs_in;
use crate::platform::launch::Launch;
use crate::realtime::burner::{self, courtesy};
use crate::realtime::cgroup;
use crate::realtime::refusal;
use crate::rings::packet_ring;
use i405_sys::errqueue::Report;
use i405_sys::fuzzing::told;

pub use crate::realtime::quantile::Quantile;
pub use crate::report::matching::Matcher;
pub use crate::rings::record::{Fate, SlotRecord};
pub use i405_sys::fuzzing::Message;

/// A slot of which nothing else matters.
pub fn slot_record(called_ns: u64, deadline_ns: u64, fate: Fate) -> SlotRecord {
    let under = SealedUnder { generation: NO_SESSION, counter: 0 };
    SlotRecord { deadline_ns, called_ns, under, missed: 0, least_ns: 0, fate }
}

/// Level and type of the control messages that are read.
pub const KNOWN_MESSAGES: [(i32, i32); 4] = [
    (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING),
    (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS),
    (libc::SOL_IP, libc::IP_RECVERR),
    (libc::SOL_IPV6, libc::IPV6_RECVERR),
];

/// What control messages said.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// When a datagram left.
    pub departed: bool,
    /// When one came.
    pub received: bool,
}

/// Reads control messages as the kernel lays them out.
pub fn control_messages(messages: &[Message]) -> Told {
    let (report, received) = told(messages);
    Told { departed: matches!(report, Report::Departed { .. }), received: received.is_some() }
}

/// Reads queueing disciplines from bytes of a netlink socket, and launch times from those.
pub fn netlink(bytes: &[u8]) {
    if let Ok(qdiscs) = qdiscs_in(bytes)
        && let Ok(launch) = Launch::through("eth0", &qdiscs)
    {
        assert!(launch.lead_ns() >= launch.least_ns);
    }
}

/// Reads a text as each of the files under /proc that this crate reads.
pub fn proc_files(text: &str) {
    let (cpu, unified) = cgroup::memberships(text);
    assert!(cpu.is_none_or(|path| text.contains(path)) && unified.is_none_or(|path| text.contains(path)));
    refusal::effective(text);
    refusal::covers_everybody(text);
    burner::last_core(text);
    for core in [0, 1, 17] {
        courtesy::core_ticks(text, core);
    }
}

/// A ring of packets, both of its ends.
#[derive(Debug)]
pub struct PacketRing {
    producer: rtrb::Producer<u8>,
    consumer: rtrb::Consumer<u8>,
}

impl PacketRing {
    /// A ring of so many bytes.
    pub fn new(capacity: usize) -> Self {
        let (producer, consumer) = rtrb::RingBuffer::new(capacity);
        PacketRing { producer, consumer }
    }

    /// Whether there was room.
    pub fn push(&mut self, packet: &[u8]) -> bool {
        packet_ring::push(&mut self.producer, packet)
    }

    /// The next packet.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let mut packet = vec![0; packet_ring::pop_length(&mut self.consumer)?];
        self.consumer.pop_entire_slice(&mut packet).expect("packets are pushed whole");
        Some(packet)
    }
}
