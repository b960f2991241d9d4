//! Recognises our own outer datagrams where they come back out of the TUN interface, because a route sends them in
//! there.
//!
//! They would be tunnelled in slots that go the same way, round and round, and nothing would ever leave the machine.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use i405_proto::inner::udp_flow;

/// From which port and to which endpoint our datagrams go. One writer at a time, any number of readers.
#[derive(Debug, Default)]
pub struct OwnFlow {
    port: u16,
    /// The endpoint's digest, so that it can be replaced in one step; 0: there is none.
    endpoint: AtomicU64,
}

impl OwnFlow {
    /// Of a socket that is bound to this port.
    pub fn new(port: u16, endpoint: Option<SocketAddr>) -> Self {
        OwnFlow { port, endpoint: AtomicU64::new(endpoint.map_or(0, |to| digest(to.ip(), to.port()))) }
    }

    /// Datagrams go there from now on.
    pub fn leads_to(&self, endpoint: SocketAddr) {
        self.endpoint.store(digest(endpoint.ip(), endpoint.port()), Ordering::Relaxed);
    }

    /// Whether this inner packet is one of our own outer ones.
    #[inline]
    pub fn is_own(&self, packet: &[u8]) -> bool {
        let endpoint = self.endpoint.load(Ordering::Relaxed);
        endpoint != 0
            && udp_flow(packet).is_some_and(|(from, address, to)| from == self.port && digest(address, to) == endpoint)
    }
}

/// FNV-1a over address and port. It does no harm if somebody finds another endpoint of the same digest: only a program
/// on this machine that also has our port could send there, and its datagrams are dropped.
fn digest(address: IpAddr, port: u16) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let start = port.to_be_bytes().iter().fold(0xcbf2_9ce4_8422_2325, mix);
    let hash = match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().iter().fold(start, mix),
        IpAddr::V6(v6) => v6.octets().iter().fold(start, mix),
    };
    hash.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(from: u16, to: SocketAddr) -> Vec<u8> {
        let mut packet = vec![0; 60];
        match to.ip() {
            IpAddr::V4(v4) => {
                packet[..20].copy_from_slice(
                    &[&[0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1][..], &v4.octets()].concat(),
                );
                packet[20..22].copy_from_slice(&from.to_be_bytes());
                packet[22..24].copy_from_slice(&to.port().to_be_bytes());
            }
            IpAddr::V6(v6) => {
                packet[0] = 0x60;
                packet[6] = 17;
                packet[24..40].copy_from_slice(&v6.octets());
                packet[40..42].copy_from_slice(&from.to_be_bytes());
                packet[42..44].copy_from_slice(&to.port().to_be_bytes());
            }
        }
        packet
    }

    #[test]
    fn only_our_port_towards_our_endpoint_is_ours() {
        for endpoint in ["192.0.2.1:1405", "[2001:db8::1]:1405", "[::ffff:192.0.2.1]:1405"] {
            let endpoint: SocketAddr = endpoint.parse().unwrap();
            let to = SocketAddr::new(endpoint.ip().to_canonical(), endpoint.port());
            let flow = OwnFlow::new(40_000, Some(endpoint));
            assert!(flow.is_own(&udp(40_000, to)));
            assert!(!flow.is_own(&udp(40_001, to)));
            assert!(!flow.is_own(&udp(40_000, SocketAddr::new(to.ip(), 1406))));
            assert!(!flow.is_own(&udp(40_000, "192.0.2.2:1405".parse().unwrap())));
        }
    }

    #[test]
    fn it_follows_the_endpoint_and_without_one_nothing_is_ours() {
        let (first, second) = ("192.0.2.1:1405".parse().unwrap(), "[2001:db8::1]:9".parse().unwrap());
        let flow = OwnFlow::new(1405, None);
        assert!(!flow.is_own(&udp(1405, first)));
        flow.leads_to(first);
        assert!(flow.is_own(&udp(1405, first)));
        flow.leads_to(second);
        assert!(flow.is_own(&udp(1405, second)) && !flow.is_own(&udp(1405, first)));
    }
}
