//! Mistakes that are put in on purpose: a check that finds nothing in them would be worth nothing.

/// Which mistake, once a session is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// None.
    Nothing,
    /// A datagram leaves twice in one slot.
    DoubleDatagram,
    /// A datagram is sealed under a counter that was used before, with other contents.
    ReusedCounter,
    /// A datagram is one byte short.
    ShortDatagram,
    /// An inner packet is handed over twice.
    DuplicateDelivery,
    /// An inner packet is handed over with one bit changed.
    AlteredPacket,
    /// Two inner packets change places.
    SwappedPackets,
    /// An inner packet is dropped.
    LostPacket,
    /// A slot sends nothing.
    SkippedSlot,
    /// A deadline is none of the schedule's.
    LateSlot,
    /// A deadline is later where an inner packet was begun in the slot before it.
    MovedByTraffic,
    /// A deadline is later by as much as the slot before it was.
    MovedByLateness,
    /// A deadline is later where the slot before it had another length.
    MovedByLength,
    /// A datagram is shorter where an inner packet was begun in the slot before it.
    LengthByTraffic,
    /// The client goes on at a length that is not the ladder's.
    StrayLength,
    /// The client's slots keep their length when it was to be another.
    LostRedirect,
    /// The client's schedule begins anew when its length becomes another.
    RestartedSchedule,
    /// The client never goes down the ladder.
    OneRung,
    /// The server begins to send without having been asked.
    UnaskedSchedule,
    /// The network never heals.
    NeverHeals,
    /// The server says that its session is over.
    LostSession,
}

impl Plant {
    /// By its name in JavaScript; None if there is no such mistake.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "nothing" => Plant::Nothing,
            "doubleDatagram" => Plant::DoubleDatagram,
            "reusedCounter" => Plant::ReusedCounter,
            "shortDatagram" => Plant::ShortDatagram,
            "duplicateDelivery" => Plant::DuplicateDelivery,
            "alteredPacket" => Plant::AlteredPacket,
            "swappedPackets" => Plant::SwappedPackets,
            "lostPacket" => Plant::LostPacket,
            "skippedSlot" => Plant::SkippedSlot,
            "lateSlot" => Plant::LateSlot,
            "movedByTraffic" => Plant::MovedByTraffic,
            "movedByLateness" => Plant::MovedByLateness,
            "movedByLength" => Plant::MovedByLength,
            "lengthByTraffic" => Plant::LengthByTraffic,
            "strayLength" => Plant::StrayLength,
            "lostRedirect" => Plant::LostRedirect,
            "restartedSchedule" => Plant::RestartedSchedule,
            "oneRung" => Plant::OneRung,
            "unaskedSchedule" => Plant::UnaskedSchedule,
            "neverHeals" => Plant::NeverHeals,
            "lostSession" => Plant::LostSession,
            _ => return None,
        })
    }
}
