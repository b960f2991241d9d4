//! Capture files: a file header, then records of a fixed header and as much payload as was kept.
//!
//! Little-endian throughout. `lab/host/capture.ts` reads the same layout.
//!
//! ```text
//! file     magic "i405cap1" (8)
//! record   0 time ns (8)    8 kept (2)      10 IP length (2)    12 version (1)    13 direction (1)
//!          14 TTL (1)       15 class (1)    16 fragment (2)     18 id (2)         20 flow label (4)
//!          24 source (16)   40 destination (16)                 56 source port (2)
//!          58 destination port (2)          60 UDP length (2)   62 UDP checksum (2)
//!          64 protocol (1)  65 notes (1)    66 payload length (2)                 68 payload (kept)
//! ```

use std::io::{self, Read, Write};

use crate::ip::Headers;

/// First bytes of a file.
pub const MAGIC: &[u8; 8] = b"i405cap1";

/// Bytes of a record before its payload.
pub const HEADER_BYTES: usize = 68;

/// Note: the checksum field is not final, the sender leaves it to its (virtual) hardware.
pub const CHECKSUM_PENDING: u8 = 1;

/// Which way a packet went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Received by the interface, or by a relay from its client.
    In = 0,
    /// Sent by the interface, or by a relay from its server.
    Out = 1,
}

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Record<'a> {
    pub time_ns: u64,
    pub direction: Direction,
    pub notes: u8,
    pub headers: Headers,
    /// Length of the whole payload.
    pub payload_length: u16,
    /// As much of it as was kept.
    pub payload: &'a [u8],
}

/// Begins a file.
pub fn start(out: &mut impl Write) -> io::Result<()> {
    out.write_all(MAGIC)
}

impl Record<'_> {
    /// Appends the record.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let h = &self.headers;
        let kept = self.payload.len().min(usize::from(u16::MAX));
        let mut bytes = [0_u8; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&self.time_ns.to_le_bytes());
        bytes[8..10].copy_from_slice(&(kept as u16).to_le_bytes());
        bytes[10..12].copy_from_slice(&h.ip_length.to_le_bytes());
        bytes[12..16].copy_from_slice(&[h.version, self.direction as u8, h.ttl, h.traffic_class]);
        bytes[16..18].copy_from_slice(&h.fragment.to_le_bytes());
        bytes[18..20].copy_from_slice(&h.identification.to_le_bytes());
        bytes[20..24].copy_from_slice(&h.flow_label.to_le_bytes());
        bytes[24..40].copy_from_slice(&h.source);
        bytes[40..56].copy_from_slice(&h.destination);
        bytes[56..58].copy_from_slice(&h.source_port.to_le_bytes());
        bytes[58..60].copy_from_slice(&h.destination_port.to_le_bytes());
        bytes[60..62].copy_from_slice(&h.udp_length.to_le_bytes());
        bytes[62..64].copy_from_slice(&h.udp_checksum.to_le_bytes());
        bytes[64..66].copy_from_slice(&[h.protocol, self.notes]);
        bytes[66..68].copy_from_slice(&self.payload_length.to_le_bytes());
        out.write_all(&bytes)?;
        out.write_all(&self.payload[..kept])
    }
}

/// The UDP payloads of one direction of a file, in order: what a replay needs.
pub fn payloads(file: &mut impl Read, direction: Direction) -> io::Result<Vec<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("not a capture file: {what}"));
    let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(|| bad("magic"))?;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (header, behind) = rest.split_at_checked(HEADER_BYTES).ok_or_else(|| bad("header cut off"))?;
        let kept = usize::from(u16::from_le_bytes([header[8], header[9]]));
        let (payload, behind) = behind.split_at_checked(kept).ok_or_else(|| bad("payload cut off"))?;
        if header[13] == direction as u8 {
            found.push(payload.to_vec());
        }
        rest = behind;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back_by_direction() {
        let mut file = Vec::new();
        start(&mut file).expect("memory");
        for (direction, payload) in [(Direction::In, "one"), (Direction::Out, "two"), (Direction::In, "three")] {
            let record = Record {
                time_ns: 7,
                direction,
                notes: 0,
                headers: Headers::default(),
                payload_length: payload.len() as u16,
                payload: payload.as_bytes(),
            };
            record.write(&mut file).expect("memory");
        }
        let up = payloads(&mut file.as_slice(), Direction::In).expect("valid");
        assert_eq!(up, [b"one".to_vec(), b"three".to_vec()]);
        assert!(payloads(&mut &file[..file.len() - 1], Direction::In).is_err());
        assert!(payloads(&mut &b"something"[..], Direction::In).is_err());
    }
}
