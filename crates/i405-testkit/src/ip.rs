//! The fields of an IP header, and of the UDP header behind it, that an observer of the wire sees.

/// Protocol number of UDP.
pub const UDP: u8 = 17;

/// Bytes of a UDP header.
const UDP_HEADER: usize = 8;

/// What is read from a packet's headers. Addresses of IPv4 take the first four bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Headers {
    pub version: u8,
    pub protocol: u8,
    /// Total length by the header, IPv6's fixed header included.
    pub ip_length: u16,
    /// TTL or hop limit.
    pub ttl: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// IPv4: flags and fragment offset as they stand.
    pub fragment: u16,
    pub identification: u16,
    pub flow_label: u32,
    pub source: [u8; 16],
    pub destination: [u8; 16],
    pub source_port: u16,
    pub destination_port: u16,
    pub udp_length: u16,
    pub udp_checksum: u16,
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Reads the headers; gives the place where the UDP (or other) payload begins. `None` if the packet is not IP or cut off.
pub fn parse(bytes: &[u8]) -> Option<(Headers, usize)> {
    let mut headers = Headers { version: bytes.first()? >> 4, ..Headers::default() };
    let mut payload = match headers.version {
        4 if bytes.len() >= 20 => parse_v4(bytes, &mut headers),
        6 if bytes.len() >= 40 => parse_v6(bytes, &mut headers),
        _ => return None,
    };
    let first_fragment = headers.version == 6 || headers.fragment & 0x1fff == 0;
    if headers.protocol == UDP && first_fragment && bytes.len() >= payload + UDP_HEADER {
        headers.source_port = half(bytes, payload);
        headers.destination_port = half(bytes, payload + 2);
        headers.udp_length = half(bytes, payload + 4);
        headers.udp_checksum = half(bytes, payload + 6);
        payload += UDP_HEADER;
    }
    Some((headers, payload.min(bytes.len())))
}

/// RFC 791 section 3.1.
fn parse_v4(bytes: &[u8], headers: &mut Headers) -> usize {
    headers.traffic_class = bytes[1];
    headers.ip_length = half(bytes, 2);
    headers.identification = half(bytes, 4);
    headers.fragment = half(bytes, 6);
    headers.ttl = bytes[8];
    headers.protocol = bytes[9];
    headers.source[..4].copy_from_slice(&bytes[12..16]);
    headers.destination[..4].copy_from_slice(&bytes[16..20]);
    usize::from(bytes[0] & 0xf) * 4
}

/// RFC 8200 section 3.
fn parse_v6(bytes: &[u8], headers: &mut Headers) -> usize {
    let first = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    headers.traffic_class = (first >> 20) as u8;
    headers.flow_label = first & 0xf_ffff;
    headers.ip_length = half(bytes, 4).saturating_add(40);
    headers.protocol = bytes[6];
    headers.ttl = bytes[7];
    headers.source.copy_from_slice(&bytes[8..24]);
    headers.destination.copy_from_slice(&bytes[24..40]);
    40
}

/// The Internet's checksum (RFC 1071).
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u64 =
        bytes.chunks(2).map(|pair| u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ipv4_with_options() {
        let mut packet = vec![0x46, 0xb9, 0, 37, 0x12, 0x34, 0x40, 0, 61, UDP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([1, 1, 1, 1]);
        packet.extend([0x05, 0x7d, 0x05, 0x7e, 0, 13, 0xab, 0xcd]);
        packet.extend(b"hello");
        let (headers, payload) = parse(&packet).expect("whole");
        assert_eq!(&packet[payload..], b"hello");
        assert_eq!((headers.ip_length, headers.ttl, headers.traffic_class), (37, 61, 0xb9));
        assert_eq!((headers.fragment, headers.identification), (0x4000, 0x1234));
        assert_eq!((headers.source_port, headers.destination_port), (1405, 1406));
        assert_eq!((headers.udp_length, headers.udp_checksum), (13, 0xabcd));
        assert_eq!(headers.source[..4], [10, 0, 0, 1]);
    }

    #[test]
    fn reads_ipv6() {
        let mut packet = vec![0x6b, 0x94, 0x56, 0x78, 0, 9, UDP, 62];
        packet.extend([1; 16]);
        packet.extend([2; 16]);
        packet.extend([0, 7, 0, 8, 0, 9, 0, 1, 0xff]);
        let (headers, payload) = parse(&packet).expect("whole");
        assert_eq!((headers.ip_length, payload), (49, 48));
        assert_eq!((headers.traffic_class, headers.flow_label), (0xb9, 0x4_5678));
        assert_eq!((headers.ttl, headers.destination_port), (62, 8));
    }

    #[test]
    fn refuses_what_is_not_ip() {
        assert!(parse(&[]).is_none());
        assert!(parse(&[0x45; 19]).is_none());
        assert!(parse(&[0x00; 64]).is_none());
    }
}
