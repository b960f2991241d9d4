//! Where a peer is, and under which of our own addresses it knows us.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Between the two addresses in text: `192.0.2.1:1405 via 198.51.100.7`.
const VIA: &str = " via ";

/// An address and port, and the own address that datagrams between here and there have. A server that listens on all of
/// its addresses answers from the one that was asked (docs/protocol.md, "Conventions and words").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The peer's.
    pub address: SocketAddr,
    /// Ours; None: the one that the socket is bound to, or that the kernel prefers.
    pub local: Option<IpAddr>,
}

impl Endpoint {
    /// One form for each: IPv4 as IPv4, even if a socket for both families yields it as IPv6, and no flow label.
    pub fn canonical(self) -> Self {
        let address = match self.address {
            SocketAddr::V6(mut v6) => match v6.ip().to_ipv4_mapped() {
                Some(v4) => SocketAddr::from((v4, v6.port())),
                None => {
                    v6.set_flowinfo(0);
                    SocketAddr::V6(v6)
                }
            },
            SocketAddr::V4(_) => self.address,
        };
        Self { address, local: self.local.map(|local| local.to_canonical()) }
    }
}

impl Endpoint {
    /// Whether a datagram can be sent there at all, and from the own address. Others are forged, or were sent to many.
    pub fn can_be_answered(&self) -> bool {
        let names_one = |address: &IpAddr| match address {
            IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && !v4.is_broadcast(),
            IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
        };
        names_one(&self.address.ip()) && self.local.iter().all(names_one) && self.address.port() != 0
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { address, local: None }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.local {
            Some(local) => write!(f, "{}{VIA}{local}", self.address),
            None => self.address.fmt(f),
        }
    }
}

/// A text that names no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address and port such as 192.0.2.1:1405, and behind \"{VIA}\" an own address if there is one")]
pub struct NoEndpoint;

impl FromStr for Endpoint {
    type Err = NoEndpoint;

    fn from_str(text: &str) -> Result<Self, NoEndpoint> {
        let (address, local) = match text.split_once(VIA) {
            Some((address, local)) => (address, Some(local.parse().map_err(|_| NoEndpoint)?)),
            None => (text, None),
        };
        Ok(Self { address: address.parse().map_err(|_| NoEndpoint)?, local })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_there_and_back() {
        for text in [
            "192.0.2.1:1405",
            "[2001:db8::7]:9",
            "[fe80::1%3]:1405",
            "192.0.2.1:1405 via 198.51.100.7",
            "[2001:db8::7]:9 via 2001:db8::1",
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
        }
        for text in
            ["", "192.0.2.1", "192.0.2.1:1405 via ", "192.0.2.1:1405 via 1.2.3.4:5", "192.0.2.1:1405via 1.2.3.4"]
        {
            assert_eq!(text.parse::<Endpoint>(), Err(NoEndpoint), "{text}");
        }
    }

    #[test]
    fn one_form_for_each() {
        let mapped: Endpoint = "[::ffff:192.0.2.1]:1405 via ::ffff:198.51.100.7".parse().unwrap();
        assert_eq!(mapped.canonical().to_string(), "192.0.2.1:1405 via 198.51.100.7");
    }
}
