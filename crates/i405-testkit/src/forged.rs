//! Datagrams under a source address that isn't one's own.

use std::net::{Ipv4Addr, SocketAddrV4};

use i405_random::Random;

use crate::ip::UDP;

/// Bytes of the IPv4 and UDP headers.
pub const HEADERS: usize = 28;

/// Where forged datagrams claim to come from.
#[derive(Debug, Clone, Copy)]
pub enum From {
    /// This address and port.
    One(SocketAddrV4),
    /// Any address whose first bits are these, and any port from 1024 on.
    Network(Ipv4Addr, u8),
}

impl From {
    /// Reads `10.0.0.1:1405` or `10.0.0.0/24`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let network = || {
            let (address, bits) = text.split_once('/')?;
            let bits = bits.parse().ok().filter(|bits| *bits <= 32)?;
            Some(Self::Network(address.parse().ok()?, bits))
        };
        text.parse()
            .map(Self::One)
            .ok()
            .or_else(network)
            .ok_or_else(|| format!("{text}: 10.0.0.1:1405 or 10.0.0.0/24 is expected"))
    }

    fn choose(self, random: &mut Random) -> SocketAddrV4 {
        match self {
            Self::One(address) => address,
            Self::Network(network, bits) => {
                let host = random.draw() as u32 & u32::MAX.checked_shr(bits.into()).unwrap_or(0);
                let port = 1024 + random.below(65_536 - 1024) as u16;
                SocketAddrV4::new(Ipv4Addr::from_bits(network.to_bits() | host), port)
            }
        }
    }
}

/// Bytes of a payload that each packet has anew: all that is looked at before a tag is checked, and more.
const FRESH: usize = 32;

/// A packet with this payload to `to`, for [`aim`] to complete. Without a UDP checksum, which IPv4 allows.
pub fn packet(payload: &[u8], to: SocketAddrV4) -> Vec<u8> {
    let mut packet = vec![0; HEADERS];
    packet.extend_from_slice(payload);
    let length = packet.len() as u16;
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    // Don't fragment.
    packet[6] = 0x40;
    packet[8] = 64;
    packet[9] = UDP;
    packet[16..20].copy_from_slice(&to.ip().octets());
    packet[22..24].copy_from_slice(&to.port().to_be_bytes());
    packet[24..26].copy_from_slice(&(length - 20).to_be_bytes());
    packet
}

/// Writes a source into a packet.
pub fn aim(packet: &mut [u8], from: From, random: &mut Random) {
    let source = from.choose(random);
    packet[12..16].copy_from_slice(&source.ip().octets());
    packet[20..22].copy_from_slice(&source.port().to_be_bytes());
}

/// Makes a random payload another one, cheaply.
pub fn refresh(packet: &mut [u8], random: &mut Random) {
    let end = packet.len().min(HEADERS + FRESH);
    random.fill(&mut packet[HEADERS..end]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::parse;

    #[test]
    fn packets_are_what_was_asked_for() {
        let to = "10.201.0.2:1405".parse().expect("an address");
        let mut random = Random::new(1);
        let mut packet = packet(&[7; 1472], to);
        for _ in 0..100 {
            refresh(&mut packet, &mut random);
            aim(&mut packet, From::parse("10.201.0.0/24").expect("a network"), &mut random);
            let (headers, payload) = parse(&packet).expect("whole");
            assert_eq!((headers.ip_length, headers.udp_length, payload, packet.len()), (1500, 1480, 28, 1500));
            assert_eq!((&headers.source[..3], &headers.destination[..4]), (&[10, 201, 0][..], &[10, 201, 0, 2][..]));
            assert!(headers.source_port >= 1024 && headers.destination_port == 1405);
        }
        aim(&mut packet, From::parse("192.0.2.7:9").expect("an address"), &mut random);
        let (headers, _) = parse(&packet).expect("whole");
        assert_eq!((&headers.source[..4], headers.source_port), (&[192, 0, 2, 7][..], 9));
        assert!(packet[28..60] != [7; 32] && packet[60..] == [7; 1440]);
        assert!(From::parse("10.0.0.0/33").is_err() && From::parse("here").is_err());
    }
}
