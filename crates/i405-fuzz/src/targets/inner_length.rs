//! A packet is accepted by exactly the rule of its header's length field.

use i405_proto::block::inner_length;

/// The bytes are the packet.
pub fn run(data: &[u8]) {
    let field = |at: usize| data.get(at..at + 2).map(|two| usize::from(two[0]) * 256 + usize::from(two[1]));
    let expected = match data.first().map(|first| first >> 4) {
        Some(4) if data.len() >= 20 => field(2),
        Some(6) if data.len() >= 40 => field(4).map(|payload| payload + 40),
        _ => None,
    };
    let fits = expected.filter(|length| *length == data.len() && *length <= 65_535);
    assert_eq!(inner_length(data), fits);
}
