//! The strong host model (RFC 1122 section 3.3.4.2) for the addresses of the TUN interface. What comes from one of them
//! leaves by that interface or not at all, and what arrives for one of them by another interface is not for this
//! machine.
//!
//! Linux is a weak host: it takes a packet for any of its addresses at any interface, and answers by whatever route
//! there is. So the other end, or a neighbour, could make the machine send inner packets in the clear. Packet filter
//! rules of our own ([`crate::host::nftables`]) end that before the interface has its first address:
//!
//! 1. `arriving` comes before anything else. It drops what is for an inner address and arrives neither by the interface
//!    nor by loopback.
//! 2. `leaving` comes behind the last routing decision and before any address translation. It drops what is from an
//!    inner address and leaves neither by the interface nor by loopback.
//! 3. `for-here` drops what arrives by the interface for this machine itself, if no route leads back to its source by
//!    the interface: an answer would take another way, whatever its address.
//! 4. No ARP packet speaks of an inner address.
//!
//! Link-local IPv6 addresses are left out, because the kernel keeps them to their interface itself. Two tunnels of one
//! machine may have the same addresses: their interfaces are put into a group with a number of its own, which the rules
//! let pass. An address that any other interface has as well is left out, with a warning.
//!
//! Later the reporter keeps the rules up to date: an address that is added by hand is looked after as well, as long as
//! the process has CAP_NET_ADMIN.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use crate::host::addresses::{AddressWatch, all_addresses, all_interfaces, set_group};
use crate::host::aftermath::Aftermath;
use crate::host::nftables::Table;
use crate::host::warnings;
use crate::platform::config::DeviceConfig;
use crate::platform::random::random;
use crate::rings::event::Event;
use rules::{Inside, Lasting};

mod rules;

/// Between two looks at what has changed: whoever makes interfaces makes many addresses at once.
const LOOK_NS: u64 = 100_000_000;
/// Looks after the rules.
pub struct StrongHost {
    /// As configured: inner ones whether the interface has them at the moment or not.
    configured: Vec<IpAddr>,
    /// The interface as it is now.
    interface: Option<(String, u32)>,
    guarded: BTreeSet<IpAddr>,
    tables: Vec<Table>,
    /// For when the tunnel has ended.
    aftermath: Option<Aftermath>,
    watch: Option<AddressWatch>,
    looked_ns: u64,
    pending: Vec<Event>,
    told: Told,
}

/// What has been said, so that it isn't said again.
#[derive(Default)]
struct Told {
    shared: BTreeSet<IpAddr>,
    unguarded: BTreeSet<IpAddr>,
}

impl StrongHost {
    /// For the interface that this makes; None where there is none, or it isn't wanted.
    pub fn wanted(device: &DeviceConfig) -> Option<Self> {
        let DeviceConfig::Tun { addresses, strong_host: true, .. } = device else { return None };
        Some(StrongHost {
            configured: addresses.iter().map(|each| each.address).collect(),
            interface: None,
            guarded: BTreeSet::new(),
            tables: Vec::new(),
            aftermath: None,
            watch: AddressWatch::new().ok(),
            looked_ns: 0,
            pending: Vec::new(),
            told: Told::default(),
        })
    }

    /// The interface is there, and has no address yet. What can't be had is told later.
    pub fn begin(&mut self, name: &str, index: u32) {
        self.interface = Some((name.to_owned(), index));
        if let Some(group) = group_of(&self.configured) {
            // Only tunnels with the same addresses need it, and they are told if it comes to that.
            let _ = set_group(index, group);
        }
        match self.inner_addresses() {
            Ok(inner) => self.guard(inner),
            Err(error) => self.pending.push(warnings::no_strong_host(&error)),
        }
    }

    /// Takes up what has changed. What there is to tell.
    pub fn look(&mut self, now_ns: u64) -> Vec<Event> {
        if now_ns.saturating_sub(self.looked_ns) >= LOOK_NS {
            self.looked_ns = now_ns;
            if self.watch.as_ref().is_some_and(AddressWatch::heard)
                && let Ok(inner) = self.inner_addresses()
                && inner != self.guarded
            {
                self.guard(inner);
            }
        }
        std::mem::take(&mut self.pending)
    }

    /// The configured addresses and those that the interface has, without those of other interfaces.
    fn inner_addresses(&mut self) -> io::Result<BTreeSet<IpAddr>> {
        let Some((_, own)) = self.interface else { return Ok(BTreeSet::new()) };
        let all = all_addresses()?;
        let here = all.iter().filter(|(index, _)| *index == own).map(|(_, address)| *address);
        let mut inner: BTreeSet<IpAddr> = here.chain(self.configured.iter().copied()).collect();
        inner.retain(|address| !is_link_local(*address));
        let elsewhere: Vec<_> = all.into_iter().filter(|(index, each)| *index != own && inner.contains(each)).collect();
        if elsewhere.is_empty() {
            return Ok(inner);
        }
        let interfaces = all_interfaces()?;
        let group = group_of(&self.configured);
        for (index, address) in elsewhere {
            let other = interfaces.iter().find(|(number, _, _)| *number == index);
            if other.is_some_and(|(_, _, theirs)| Some(*theirs) == group) {
                continue;
            }
            inner.remove(&address);
            if self.told.shared.insert(address) {
                let name = other.map_or("another interface", |(_, name, _)| name);
                self.pending.push(warnings::shared_inner_address(address, name));
            }
        }
        Ok(inner)
    }

    /// Rules for these; the ones before go when these are there.
    fn guard(&mut self, inner: BTreeSet<IpAddr>) {
        let Some((name, index)) = &self.interface else { return };
        let inside = Inside { index: *index, group: group_of(&self.configured), addresses: &inner };
        let made = tables(name, inside);
        match made {
            Ok((tables, missing)) => {
                self.pending.extend(missing);
                (self.tables, self.guarded) = (tables, inner);
                self.provide_for_the_end();
            }
            Err(error) if self.tables.is_empty() => self.pending.push(warnings::no_strong_host(&error)),
            Err(error) => {
                let told = &mut self.told.unguarded;
                let new: Vec<_> = inner.difference(&self.guarded).filter(|address| told.insert(**address)).collect();
                self.pending.extend(new.iter().map(|address| warnings::unguarded_address(**address, &error)));
            }
        }
    }

    fn provide_for_the_end(&mut self) {
        let Some((name, index)) = &self.interface else { return };
        if self.guarded.is_empty() {
            return;
        }
        let inside = Inside { index: *index, group: group_of(&self.configured), addresses: &self.guarded };
        let made = table_name(name)
            .and_then(|table| Aftermath::prepare(rules::packets(&format!("{table}-after"), inside, Lasting::Longer)));
        match made {
            Ok(aftermath) => self.aftermath = Some(aftermath),
            Err(error) => self.pending.push(warnings::no_aftermath(&error)),
        }
    }
}

/// Nobody else's.
fn table_name(interface: &str) -> io::Result<String> {
    let suffix = u32::from_ne_bytes(random().map_err(io::Error::other)?);
    Ok(format!("i405-{interface}-{suffix:08x}"))
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// A number that interfaces with these addresses have in common (FNV-1a), of 31 bits as the kernel's tools take it.
fn group_of(addresses: &[IpAddr]) -> Option<u32> {
    let sorted: BTreeSet<String> = addresses.iter().map(IpAddr::to_string).collect();
    let text = sorted.into_iter().collect::<Vec<_>>().join(",");
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (!text.is_empty()).then_some((hash >> 1).max(1))
}

/// The tables, and what is missing of them.
fn tables(name: &str, inside: Inside<'_>) -> io::Result<(Vec<Table>, Vec<Event>)> {
    if inside.addresses.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let table = table_name(name)?;
    let mut tables = vec![rules::packets(&table, inside, Lasting::Tunnel).make()?];
    let mut missing = Vec::new();
    match rules::answerable(&format!("{table}-answerable"), inside.index).make() {
        Ok(table) => tables.push(table),
        Err(error) => missing.push(warnings::answers_elsewhere(&error)),
    }
    if inside.addresses.iter().any(IpAddr::is_ipv4) {
        match rules::arp(&table, inside).make() {
            Ok(table) => tables.push(table),
            Err(error) => missing.push(warnings::answers_arp(&error)),
        }
    }
    Ok((tables, missing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::config::InterfaceAddress;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_group_is_of_the_addresses_whatever_their_order() {
        let group = group_of(&addresses(&["10.140.5.1", "fd00::1"]));
        assert_eq!(group, group_of(&addresses(&["fd00::1", "10.140.5.1", "10.140.5.1"])));
        assert_ne!(group, group_of(&addresses(&["10.140.5.1"])));
        assert!(group.is_some_and(|group| group > 0 && group <= i32::MAX as u32));
        assert_eq!(group_of(&[]), None);
    }

    #[test]
    fn only_an_interface_of_ours_is_looked_after_and_only_if_wanted() {
        let tun = |strong_host| DeviceConfig::Tun {
            name: None,
            addresses: vec![InterfaceAddress { address: "10.140.5.1".parse().unwrap(), prefix: 24 }],
            mtu: 1420,
            strong_host,
        };
        assert!(StrongHost::wanted(&tun(true)).is_some());
        for other in [tun(false), DeviceConfig::Packets, DeviceConfig::Fd(3)] {
            assert!(StrongHost::wanted(&other).is_none());
        }
    }
}
