//! The interface that datagrams leave by, and its queueing disciplines: read over netlink, never on a timed thread.

use std::io;
use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::{
    DefaultNla, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload, Nla, NlaBuffer, NlasIterator,
};
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric};
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcOption};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr as NetlinkAddress};

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Egress {
    /// The kernel's number.
    pub index: u32,
    /// Its name.
    pub name: String,
}

/// A queueing discipline of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qdisc {
    /// Number of its interface.
    pub index: u32,
    /// `noqueue`, `etf`, ...
    pub kind: String,
    /// It is the interface's own and hangs below no other.
    pub root: bool,
    /// Its options, by number.
    pub options: Vec<(u16, Vec<u8>)>,
}

/// Where to: an address, with the number of its interface if it is link-local, else 0.
#[derive(Clone, Copy, Debug)]
pub struct Destination {
    address: IpAddr,
    zone: u32,
}

impl From<IpAddr> for Destination {
    fn from(address: IpAddr) -> Self {
        Destination { address, zone: 0 }
    }
}

impl From<SocketAddr> for Destination {
    fn from(to: SocketAddr) -> Self {
        let zone = if let SocketAddr::V6(v6) = to { v6.scope_id() } else { 0 };
        Destination { address: to.ip(), zone }
    }
}

impl Egress {
    /// The interface of the route to an address.
    ///
    /// # Errors
    /// `ENETUNREACH` where there is no route; what else the kernel says.
    pub fn towards(to: impl Into<Destination>, fwmark: Option<u32>) -> io::Result<Egress> {
        let mut index = None;
        ask(RouteNetlinkMessage::GetRoute(question(to.into(), fwmark)), 0, |answer| {
            if let RouteNetlinkMessage::NewRoute(route) = answer {
                index = index.or(route.attributes.iter().find_map(|attribute| match attribute {
                    RouteAttribute::Oif(index) => Some(*index),
                    _ => None,
                }));
            }
        })?;
        let index = index.ok_or_else(|| io::Error::from_raw_os_error(libc::ENETUNREACH))?;
        Ok(Egress { index, name: name_of(index)? })
    }

    /// Its queueing disciplines.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn qdiscs(&self) -> io::Result<Vec<Qdisc>> {
        Ok(all_qdiscs()?.into_iter().filter(|qdisc| qdisc.index == self.index).collect())
    }
}

/// Which route leads to an address.
fn question(Destination { address, zone }: Destination, fwmark: Option<u32>) -> RouteMessage {
    let address = address.to_canonical();
    let mut question = RouteMessage::default();
    (question.header.address_family, question.header.destination_prefix_length) = match address {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    };
    question.attributes.push(RouteAttribute::Destination(RouteAddress::from(address)));
    question.attributes.extend(fwmark.map(RouteAttribute::Mark));
    question.attributes.extend((zone != 0).then_some(RouteAttribute::Oif(zone)));
    question
}

/// MTU of the way to an address, as this machine is configured: the interface's, or the route's own if that is less.
///
/// # Errors
/// `ENETUNREACH` where there is no route; what else the kernel says.
pub fn mtu_towards(to: impl Into<Destination>, fwmark: Option<u32>) -> io::Result<u32> {
    let to = to.into();
    let Egress { index, .. } = Egress::towards(to, fwmark)?;
    let mut link = LinkMessage::default();
    link.header.index = index;
    let mut mtu = None;
    ask(RouteNetlinkMessage::GetLink(link), 0, |answer| {
        if let RouteNetlinkMessage::NewLink(link) = answer {
            mtu = mtu.or(link.attributes.iter().find_map(|attribute| match attribute {
                LinkAttribute::Mtu(mtu) => Some(*mtu),
                _ => None,
            }));
        }
    })?;
    let mtu = mtu.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
    // The route of the table, and not what the kernel made of it: that has what ICMP told in it.
    let mut of_table = question(to, fwmark);
    of_table.header.flags |= RouteFlags::FibMatch;
    let mut configured = None;
    let asked = ask(RouteNetlinkMessage::GetRoute(of_table), 0, |answer| {
        if let RouteNetlinkMessage::NewRoute(route) = answer {
            configured = configured.or(route.attributes.iter().find_map(configured_mtu));
        }
    });
    // A kernel or sandbox that can't tell leaves the interface's.
    Ok(asked.ok().and(configured).map_or(mtu, |configured: u32| configured.min(mtu)))
}

fn configured_mtu(attribute: &RouteAttribute) -> Option<u32> {
    let RouteAttribute::Metrics(metrics) = attribute else { return None };
    metrics.iter().find_map(|metric| match metric {
        RouteMetric::Mtu(mtu) if *mtu > 0 => Some(*mtu),
        _ => None,
    })
}

/// The queueing disciplines of every interface of this network namespace.
///
/// # Errors
/// What the kernel says.
pub fn all_qdiscs() -> io::Result<Vec<Qdisc>> {
    let mut qdiscs = Vec::new();
    ask(RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default()), NLM_F_DUMP, |answer| {
        if let RouteNetlinkMessage::NewQueueDiscipline(message) = answer {
            qdiscs.extend(qdisc(&message));
        }
    })?;
    Ok(qdiscs)
}

fn qdisc(message: &TcMessage) -> Option<Qdisc> {
    let kind = message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Kind(kind) => Some(kind.clone()),
        _ => None,
    })?;
    // The ingress hook is listed with the queueing disciplines, and queues nothing that leaves.
    if kind == "ingress" || kind == "clsact" {
        return None;
    }
    let mut options = Vec::new();
    for attribute in &message.attributes {
        if let TcAttribute::Options(found) = attribute {
            options.extend(found.iter().flat_map(|option| match option {
                TcOption::Other(nested) => unnest(nested),
                _ => Vec::new(),
            }));
        }
    }
    Some(Qdisc {
        index: message.header.index.unsigned_abs(),
        kind,
        root: message.header.parent == TcHandle::ROOT,
        options,
    })
}

/// A kind that the parser has no type for comes with its options still in one piece.
fn unnest(nested: &DefaultNla) -> Vec<(u16, Vec<u8>)> {
    let mut bytes = vec![0; nested.value_len()];
    nested.emit_value(&mut bytes);
    let attributes = NlasIterator::new(bytes.as_slice());
    let found = attributes.map_while(Result::ok).map(|inner: NlaBuffer<&[u8]>| (inner.kind(), inner.value().to_vec()));
    found.collect()
}

fn name_of(index: u32) -> io::Result<String> {
    let any = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    Ok(rustix::net::netdevice::index_to_name(&any, index)?)
}

/// Sends a question to the kernel and hands over every answer.
pub(crate) fn ask(
    question: RouteNetlinkMessage,
    flags: u16,
    mut answer: impl FnMut(RouteNetlinkMessage),
) -> io::Result<()> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    socket.connect(&NetlinkAddress::new(0, 0))?;
    let mut message = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(question));
    message.header.flags = NLM_F_REQUEST | flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        let ended = answers(&bytes, &mut answer)?;
        // A question for one thing has one answer and no end mark.
        if ended || flags & NLM_F_DUMP == 0 {
            return Ok(());
        }
    }
}

/// Hands over every answer in what came at once; true: it was the last.
fn answers(bytes: &[u8], answer: &mut impl FnMut(RouteNetlinkMessage)) -> io::Result<bool> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let part = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
        // Messages are padded to four bytes; one of length zero would never end.
        let length = (part.header.length as usize).next_multiple_of(4).max(4);
        rest = rest.get(length..).unwrap_or_default();
        match part.payload {
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => {
                // Negative, as the kernel's are; `ErrorMessage::to_io` panics at the one number that has no opposite.
                if let Some(code) = error.code {
                    return Err(io::Error::from_raw_os_error(code.get().saturating_neg()));
                }
            }
            NetlinkPayload::InnerMessage(inner) => answer(inner),
            _ => {}
        }
    }
    Ok(false)
}

/// What [`all_qdiscs`] makes of bytes from the kernel.
#[cfg(feature = "fuzzing")]
pub fn qdiscs_in(bytes: &[u8]) -> io::Result<Vec<Qdisc>> {
    let mut qdiscs = Vec::new();
    answers(bytes, &mut |answer| {
        if let RouteNetlinkMessage::NewQueueDiscipline(message) = answer {
            qdiscs.extend(qdisc(&message));
        }
    })?;
    Ok(qdiscs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_the_way_to_itself_and_has_no_queue() {
        for address in ["127.0.0.1", "::ffff:127.0.0.1"] {
            let egress = Egress::towards(address.parse::<IpAddr>().unwrap(), None).unwrap();
            assert_eq!(egress.name, "lo");
            assert_eq!(mtu_towards(address.parse::<IpAddr>().unwrap(), None).unwrap(), 65_536);
            let qdiscs = egress.qdiscs().unwrap();
            assert!(qdiscs.iter().all(|qdisc| qdisc.kind == "noqueue" && qdisc.root), "{qdiscs:?}");
        }
    }

    #[test]
    fn a_zone_is_the_way_to_a_link_local_address() {
        let lo =
            rustix::net::netdevice::name_to_index(std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), "lo").unwrap();
        let question =
            question(SocketAddr::from(std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 9, 0, lo)).into(), None);
        assert!(question.attributes.contains(&RouteAttribute::Oif(lo)));
        let without = super::question("fe80::1".parse::<IpAddr>().unwrap().into(), None);
        assert!(!without.attributes.iter().any(|attribute| matches!(attribute, RouteAttribute::Oif(_))));
    }

    #[test]
    fn options_that_the_parser_does_not_know_are_taken_apart() {
        let etf = DefaultNla::new(1, vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let mut nested = vec![0; netlink_packet_core::Emitable::buffer_len(&etf)];
        netlink_packet_core::Emitable::emit(&etf, &mut nested);
        let message = TcMessage::from_parts(
            netlink_packet_route::tc::TcHeader { index: 3, parent: TcHandle::ROOT, ..Default::default() },
            vec![
                TcAttribute::Kind("etf".to_owned()),
                TcAttribute::Options(vec![TcOption::Other(DefaultNla::new(2, nested))]),
            ],
        );
        let parsed = qdisc(&message).unwrap();
        assert_eq!((parsed.index, parsed.kind.as_str(), parsed.root), (3, "etf", true));
        assert_eq!(parsed.options, [(1, vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])]);
    }
}
