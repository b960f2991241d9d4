//! Data blocks: what an AGGFRAG payload consists of (RFC 9347 section 6.1, and the control blocks of docs/protocol.md).
//!
//! A block's first nibble says what it is, and its own header how long it is, so an inner packet costs no header.

/// Longest block in bytes (docs/protocol.md, "Wire format"); also what the 16 bits of a BlockOffset can say.
pub const MAX_BLOCK: usize = 65_535;

/// Body: the Noise message that begins a rekey.
pub const CONTROL_REKEY_INITIATION: u8 = 1;
/// Body: the Noise message that answers one.
pub const CONTROL_REKEY_RESPONSE: u8 = 2;
/// Body: the newest stamp, 6 bytes.
pub const CONTROL_NEWEST_STAMP: u8 = 3;
/// Empty body.
pub const CONTROL_CLOSE: u8 = 4;
/// Body: 8 random bytes, which show where the client is when they come back.
pub const CONTROL_CHALLENGE: u8 = 5;
/// Body: those of the challenge.
pub const CONTROL_ECHO: u8 = 6;
/// Body: a report (`report.rs`).
pub const CONTROL_REPORT: u8 = 8;

/// First nibble of padding, which goes on to the end of the payload.
pub const NIBBLE_PAD: u8 = 0x0;
/// First nibble of an IPv4 packet.
pub const NIBBLE_IPV4: u8 = 0x4;
/// First nibble of an IPv6 packet.
pub const NIBBLE_IPV6: u8 = 0x6;
/// First nibble of a control block; the second is its kind.
pub const NIBBLE_CONTROL: u8 = 0xF;

/// Bytes before a control block's body: nibble and kind, then the body's length.
pub const CONTROL_HEADER: usize = 3;

/// Shortest IPv4 header in bytes (RFC 791 section 3.1).
const IPV4_HEADER: usize = 20;
/// IPv6 header in bytes; its length field doesn't count it (RFC 8200 section 3).
const IPV6_HEADER: usize = 40;

/// A control block to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlBlock<'a> {
    /// 1 to 15; only the low nibble is sent.
    pub kind: u8,
    /// At most 65,532 bytes.
    pub body: &'a [u8],
}

impl ControlBlock<'_> {
    /// Bytes of the whole block, header included.
    pub fn block_len(&self) -> usize {
        CONTROL_HEADER + self.body.len()
    }

    /// The header: nibble and kind, length of the body. Only for bodies within the limit.
    pub(crate) fn header(&self) -> [u8; CONTROL_HEADER] {
        let [high, low] = (self.body.len() as u16).to_be_bytes();
        [NIBBLE_CONTROL << 4 | self.kind & 0x0F, high, low]
    }
}

/// What the first bytes of a block say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Padding, to the end of the payload.
    Pad,
    /// The length field isn't complete yet.
    Unknown,
    /// Bytes of the whole block.
    Bytes(usize),
    /// Unknown nibble, shorter than its own header, or longer than a block may be.
    Malformed,
}

/// Reads a block's extent from its first bytes, of which there may be fewer than its header has.
pub(crate) fn extent(start: &[u8]) -> Extent {
    let Some(first) = start.first() else { return Extent::Unknown };
    let (field, base, least) = match first >> 4 {
        NIBBLE_PAD => return Extent::Pad,
        NIBBLE_IPV4 => (2, 0, IPV4_HEADER),
        NIBBLE_IPV6 => (4, IPV6_HEADER, IPV6_HEADER),
        NIBBLE_CONTROL => (1, CONTROL_HEADER, CONTROL_HEADER),
        _ => return Extent::Malformed,
    };
    let Some(&[high, low]) = start.get(field..field + 2) else { return Extent::Unknown };
    let length = base + usize::from(u16::from_be_bytes([high, low]));
    if (least..=MAX_BLOCK).contains(&length) { Extent::Bytes(length) } else { Extent::Malformed }
}

/// The length of an inner packet, or `None` if it isn't one that a tunnel carries: neither IPv4 nor IPv6, shorter than
/// its header, longer than a block may be, or of another length than its header says.
pub fn inner_length(packet: &[u8]) -> Option<usize> {
    let nibble = packet.first()? >> 4;
    if nibble != NIBBLE_IPV4 && nibble != NIBBLE_IPV6 {
        return None;
    }
    (extent(packet) == Extent::Bytes(packet.len())).then_some(packet.len())
}
