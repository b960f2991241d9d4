//! Addresses of this network namespace's interfaces, and word that they changed: over netlink, never on a timed thread.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr as NetlinkAddress};

use crate::platform::egress::ask;

/// linux/rtnetlink.h: the groups that tell of addresses.
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;

/// Every address, with its interface's number.
///
/// # Errors
/// What the kernel says.
pub fn all_addresses() -> io::Result<Vec<(u32, IpAddr)>> {
    let mut addresses = Vec::new();
    ask(RouteNetlinkMessage::GetAddress(AddressMessage::default()), NLM_F_DUMP, |answer| {
        if let RouteNetlinkMessage::NewAddress(message) = answer {
            addresses.extend(own_address(&message).map(|address| (message.header.index, address)));
        }
    })?;
    Ok(addresses)
}

/// With a peer's address, `Address` is the peer's and `Local` the own one; IPv6 often has the first alone.
fn own_address(message: &AddressMessage) -> Option<IpAddr> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
}

/// Number, name and group of every interface.
///
/// # Errors
/// What the kernel says.
pub fn all_interfaces() -> io::Result<Vec<(u32, String, u32)>> {
    let mut interfaces = Vec::new();
    ask(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP, |answer| {
        let RouteNetlinkMessage::NewLink(link) = answer else { return };
        let (mut name, mut group) = (String::new(), 0);
        for attribute in &link.attributes {
            match attribute {
                LinkAttribute::IfName(found) => name.clone_from(found),
                LinkAttribute::Group(found) => group = *found,
                _ => {}
            }
        }
        interfaces.push((link.header.index, name, group));
    })?;
    Ok(interfaces)
}

/// Puts an interface into a group (`ip link show group`).
///
/// # Errors
/// What the kernel says.
pub fn set_group(index: u32, group: u32) -> io::Result<()> {
    let mut link = LinkMessage::default();
    link.header.index = index;
    link.attributes.push(LinkAttribute::Group(group));
    ask(RouteNetlinkMessage::SetLink(link), NLM_F_ACK, |_| {})
}

/// Hears that an address came or went, anywhere in the namespace.
pub struct AddressWatch {
    socket: Socket,
}

impl AddressWatch {
    /// Listens from now on.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&NetlinkAddress::new(0, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))?;
        socket.set_non_blocking(true)?;
        Ok(AddressWatch { socket })
    }

    /// Whether anything was told since the last look. What it was is read anew: some of it may have been lost.
    pub fn heard(&self) -> bool {
        let mut heard = false;
        loop {
            match self.socket.recv_from_full() {
                Ok(_) => heard = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return heard,
                // ENOBUFS: more came than the socket holds.
                Err(_) => return true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_its_address_and_its_name() {
        let interfaces = all_interfaces().unwrap();
        let (index, _, _) = interfaces.iter().find(|(_, name, _)| name == "lo").unwrap();
        assert!(all_addresses().unwrap().contains(&(*index, "127.0.0.1".parse().unwrap())));
        assert!(!AddressWatch::new().unwrap().heard());
    }
}
