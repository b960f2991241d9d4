//! Inner packets as hosts see them: whose source address they have, whether that is allowed, and whether they go
//! anywhere.
//!
//! The peer is authenticated, but what it sends inside is its own choice: it may write any source address into a
//! packet. The list says which addresses are the peer's, as WireGuard's `AllowedIPs` does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::block::{NIBBLE_IPV4, NIBBLE_IPV6};

/// Prefixes that a list may have at most: it is gone through for each packet, 1 ns a prefix.
pub const MOST_PREFIXES: usize = 1024;

const UDP: u8 = 17;
/// Where an IPv6 packet's payload begins if there are no extension headers.
const IPV6_HEADER: usize = 40;

/// A network: an address and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: u128,
    mask: u128,
    ipv6: bool,
}

impl Prefix {
    /// A network; bits of the address behind the prefix don't count. None if there are more bits than the family has.
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let (address, width, ipv6) = match address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32, false),
            IpAddr::V6(v6) => (v6.to_bits(), 128, true),
        };
        let host_bits = u32::checked_sub(width, bits.into())?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Self { address: address & mask, mask, ipv6 })
    }

    fn holds(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => !self.ipv6 && u128::from(v4.to_bits()) & self.mask == self.address,
            IpAddr::V6(v6) => self.ipv6 && v6.to_bits() & self.mask == self.address,
        }
    }
}

/// The source addresses that a peer's inner packets may have.
#[derive(Clone, Debug, Default)]
pub struct AllowedIps(Option<Box<[Prefix]>>);

impl AllowedIps {
    /// Any.
    pub const ALL: Self = Self(None);

    /// Those within one of these networks, of which the first [`MOST_PREFIXES`] count.
    pub fn within(mut prefixes: Vec<Prefix>) -> Self {
        prefixes.truncate(MOST_PREFIXES);
        // The widest first: most packets are in it.
        prefixes.sort_by_key(|prefix| prefix.mask.count_ones());
        Self(Some(prefixes.into_boxed_slice()))
    }

    /// Whether a packet that [`crate::block::inner_length`] accepts has such a source.
    pub fn permit(&self, packet: &[u8]) -> bool {
        let Some(prefixes) = &self.0 else { return true };
        addresses(packet).is_some_and(|(source, _)| prefixes.iter().any(|prefix| prefix.holds(source)))
    }
}

/// Whether a packet that came out of the tunnel may go to an interface. It may not if it is from or to the machine
/// itself: the kernel drops those as well, unless `route_localnet` is set. Nor may it if it comes from a group, or goes
/// to nobody.
pub fn may_enter(packet: &[u8]) -> bool {
    addresses(packet).is_some_and(|(source, destination)| {
        !(source.is_loopback() || source.is_multicast() || destination.is_loopback() || destination.is_unspecified())
    })
}

/// Whether a packet is from an address that counts on its link only, or from none. A kernel sends such packets by
/// itself through any interface, router solicitations and reports of groups above all. Nobody forges these to get an
/// answer from elsewhere.
pub fn is_of_the_link(packet: &[u8]) -> bool {
    match addresses(packet) {
        Some((IpAddr::V4(source), _)) => source.is_unspecified() || source.is_link_local(),
        Some((IpAddr::V6(source), _)) => source.is_unspecified() || source.is_unicast_link_local(),
        None => false,
    }
}

/// The flow of a UDP packet: source and destination port, and the destination. None for anything else, for later
/// fragments, and behind extension headers, of which the outer socket makes none.
pub fn udp_flow(packet: &[u8]) -> Option<(u16, IpAddr, u16)> {
    let (_, destination) = addresses(packet)?;
    let (protocol, header) = match destination {
        IpAddr::V4(_) if fragment_offset(packet)? != 0 => return None,
        IpAddr::V4(_) => (*packet.get(9)?, usize::from(packet.first()? & 0xF) * 4),
        IpAddr::V6(_) => (*packet.get(6)?, IPV6_HEADER),
    };
    let ports: [u8; 4] = packet.get(header..header + 4)?.try_into().ok()?;
    let [a, b, c, d] = ports;
    (protocol == UDP).then_some((u16::from_be_bytes([a, b]), destination, u16::from_be_bytes([c, d])))
}

fn fragment_offset(packet: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x1FFF)
}

/// Source and destination.
fn addresses(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let v4 = |at: usize| <[u8; 4]>::try_from(packet.get(at..at + 4)?).ok().map(|b| IpAddr::V4(Ipv4Addr::from(b)));
    let v6 = |at: usize| <[u8; 16]>::try_from(packet.get(at..at + 16)?).ok().map(|b| IpAddr::V6(Ipv6Addr::from(b)));
    match packet.first()? >> 4 {
        NIBBLE_IPV4 => Some((v4(12)?, v4(16)?)),
        NIBBLE_IPV6 => Some((v6(8)?, v6(24)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(source: &str, destination: &str) -> Vec<u8> {
        let (source, destination): (IpAddr, IpAddr) = (source.parse().unwrap(), destination.parse().unwrap());
        let mut packet = vec![0; 60];
        match (source, destination) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                packet[0] = 0x45;
                packet[9] = UDP;
                packet[12..16].copy_from_slice(&from.octets());
                packet[16..20].copy_from_slice(&to.octets());
                packet[20..24].copy_from_slice(&[0x05, 0x7d, 0x00, 0x35]);
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                packet[0] = 0x60;
                packet[6] = UDP;
                packet[8..24].copy_from_slice(&from.octets());
                packet[24..40].copy_from_slice(&to.octets());
                packet[40..44].copy_from_slice(&[0x05, 0x7d, 0x00, 0x35]);
            }
            _ => panic!("one family"),
        }
        packet
    }

    fn list(prefixes: &[(&str, u8)]) -> AllowedIps {
        let prefixes = prefixes.iter().map(|(address, bits)| Prefix::new(address.parse().unwrap(), *bits).unwrap());
        AllowedIps::within(prefixes.collect())
    }

    #[test]
    fn sources_within_the_prefixes_only() {
        let allowed = list(&[("10.1.2.3", 24), ("192.0.2.7", 32), ("fd00:1::5", 64)]);
        for source in ["10.1.2.0", "10.1.2.255", "192.0.2.7"] {
            assert!(allowed.permit(&packet(source, "10.9.9.9")), "{source}");
        }
        for source in ["10.1.3.0", "10.1.1.255", "192.0.2.6", "0.0.0.0", "255.255.255.255"] {
            assert!(!allowed.permit(&packet(source, "10.1.2.3")), "{source}");
        }
        assert!(allowed.permit(&packet("fd00:1::9:9:9:9", "::2")));
        assert!(!allowed.permit(&packet("fd00:1:0:1::", "fd00:1::5")));
        // An IPv4 address is none of IPv6 whose last bits are the same, nor the other way round.
        assert!(!allowed.permit(&packet("::c000:207", "::2")) && !allowed.permit(&packet("::ffff:192.0.2.7", "::2")));
    }

    #[test]
    fn a_prefix_of_no_bits_is_its_whole_family_and_no_other() {
        let v4 = list(&[("1.2.3.4", 0)]);
        assert!(v4.permit(&packet("203.0.113.9", "10.0.0.1")) && !v4.permit(&packet("2001:db8::1", "::2")));
        let v6 = list(&[("::", 0)]);
        assert!(!v6.permit(&packet("203.0.113.9", "10.0.0.1")) && v6.permit(&packet("2001:db8::1", "::2")));
        assert!(AllowedIps::ALL.permit(&packet("203.0.113.9", "10.0.0.1")));
        assert!(!list(&[]).permit(&packet("203.0.113.9", "10.0.0.1")));
        assert_eq!(Prefix::new("1.2.3.4".parse().unwrap(), 33), None);
        assert_eq!(Prefix::new("::".parse().unwrap(), 129), None);
    }

    #[test]
    fn what_is_no_packet_is_permitted_by_no_list() {
        let allowed = list(&[("0.0.0.0", 0), ("::", 0)]);
        for bytes in [&[][..], &[0x45], &[0x45; 15], &[0x60; 23], &[0x00; 40], &[0xF1; 40]] {
            assert!(!allowed.permit(bytes) && !may_enter(bytes) && udp_flow(bytes).is_none());
        }
    }

    #[test]
    fn nothing_from_or_to_the_machine_itself_enters() {
        let refused = [
            ("127.0.0.1", "10.0.0.1"),
            ("10.0.0.1", "127.9.9.9"),
            ("224.0.0.1", "10.0.0.1"),
            ("10.0.0.1", "0.0.0.0"),
            ("::1", "fd00::1"),
            ("fd00::1", "::1"),
            ("ff02::1", "fd00::1"),
            ("fd00::1", "::"),
        ];
        for (source, destination) in refused {
            assert!(!may_enter(&packet(source, destination)), "{source} to {destination}");
        }
        for (source, destination) in [("10.0.0.1", "224.0.0.1"), ("0.0.0.0", "255.255.255.255"), ("::", "ff02::16")] {
            assert!(may_enter(&packet(source, destination)), "{source} to {destination}");
        }
    }

    #[test]
    fn sources_of_the_link() {
        for source in ["0.0.0.0", "169.254.0.1", "169.254.255.255"] {
            assert!(is_of_the_link(&packet(source, "224.0.0.22")), "{source}");
        }
        for source in ["::", "fe80::1", "febf:ffff::1"] {
            assert!(is_of_the_link(&packet(source, "ff02::16")), "{source}");
        }
        for (source, destination) in
            [("169.253.0.1", "169.254.0.1"), ("10.0.0.1", "0.0.0.0"), ("fec0::1", "fe80::1"), ("::1", "::")]
        {
            assert!(!is_of_the_link(&packet(source, destination)), "{source}");
        }
        assert!(!is_of_the_link(&[]) && !is_of_the_link(&[0x45; 12]));
    }

    #[test]
    fn flows_of_whole_udp_packets() {
        let v4 = packet("10.0.0.1", "192.0.2.1");
        assert_eq!(udp_flow(&v4), Some((1405, "192.0.2.1".parse().unwrap(), 53)));
        assert_eq!(udp_flow(&packet("::1", "2001:db8::1")), Some((1405, "2001:db8::1".parse().unwrap(), 53)));
        let changed = |at: usize, value: u8| {
            let mut changed = v4.clone();
            changed[at] = value;
            udp_flow(&changed)
        };
        assert_eq!(changed(9, 6), None);
        assert_eq!(changed(7, 1), None, "a later fragment");
        assert!(changed(6, 0x20).is_some(), "a first one");
        // Options move the ports; a header that runs past the end has none.
        assert_eq!(changed(0, 0x4F), None);
        assert_eq!(changed(0, 0x46), Some((0, "192.0.2.1".parse().unwrap(), 0)));
    }
}
