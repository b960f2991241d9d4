//! The rules of [`super::StrongHost`], as tables of the packet filter.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::host::nftables::{Batch, Family, Hook, Side, Step, Verdict};

/// linux/if_arp.h.
const ARPHRD_LOOPBACK: u16 = 772;
/// linux/netfilter/nf_tables.h: the kind of an interface, as `ip link` names it.
const NFT_META_IIFKIND: i32 = 26;
const NFT_META_OIFKIND: i32 = 27;
/// A VRF's own interface sees each packet a second time, after or before the interface proper.
const VRF: &[u8; 16] = b"vrf\0\0\0\0\0\0\0\0\0\0\0\0\0";
/// ARP over Ethernet: where the sender's protocol address is.
const ARP_SENDER: u32 = 14;
/// linux/rtnetlink.h.
const RTN_LOCAL: u32 = 2;

/// The interface, and whose addresses are inner ones.
#[derive(Clone, Copy)]
pub struct Inside<'a> {
    /// The interface's number.
    pub index: u32,
    /// The group of interfaces that have the same addresses.
    pub group: Option<u32>,
    /// Their addresses.
    pub addresses: &'a BTreeSet<IpAddr>,
}

/// How long the rules are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// As long as the interface.
    Tunnel,
    /// Longer: an address may have become another interface's by then.
    Longer,
}

/// One way of a packet: which address of the header counts, and how its interface is asked for.
struct Way {
    side: Side,
    chain: &'static str,
    elsewhere: &'static str,
    hook: i32,
    /// Where the address is in an IPv4 and an IPv6 header.
    at: (u32, u32),
    interface: i32,
    kind_of_link: i32,
    kind: i32,
    group: i32,
}

const WAYS: [Way; 2] = [
    Way {
        side: Side::Arriving,
        chain: "arriving",
        elsewhere: "arriving-elsewhere",
        hook: libc::NF_INET_PRE_ROUTING,
        at: (16, 24),
        interface: libc::NFT_META_IIF,
        kind_of_link: libc::NFT_META_IIFTYPE,
        kind: NFT_META_IIFKIND,
        group: libc::NFT_META_IIFGROUP,
    },
    Way {
        side: Side::Leaving,
        chain: "leaving",
        elsewhere: "leaving-elsewhere",
        hook: libc::NF_INET_POST_ROUTING,
        at: (12, 8),
        interface: libc::NFT_META_OIF,
        kind_of_link: libc::NFT_META_OIFTYPE,
        kind: NFT_META_OIFKIND,
        group: libc::NFT_META_OIFGROUP,
    },
];

/// Packets that arrive or leave elsewhere.
pub fn packets(table: &str, inside: Inside<'_>, lasting: Lasting) -> Batch {
    let Inside { index, group, addresses } = inside;
    let mut batch = Batch::table(Family::Inet, table);
    let pass = Step::Decide(Verdict::Accept);
    for way in WAYS {
        batch.chain(way.elsewhere, None);
        let mut let_pass = |key: i32, value: &[u8]| {
            batch.rule(way.elsewhere, &[Step::Meta(key), Step::Equals(value), pass]);
        };
        let_pass(way.interface, &index.to_ne_bytes());
        let_pass(way.kind_of_link, &ARPHRD_LOOPBACK.to_ne_bytes());
        let_pass(way.kind, VRF);
        if let Some(group) = group {
            let_pass(way.group, &group.to_ne_bytes());
        }
        if lasting == Lasting::Longer {
            let own = RTN_LOCAL.to_ne_bytes();
            batch.rule(way.elsewhere, &[Step::AddressKind(way.side), Step::Equals(&own), pass]);
        }
        batch.rule(way.elsewhere, &[Step::Count, Step::Decide(Verdict::Drop)]);
        batch.chain(way.chain, Some(Hook { number: way.hook, priority: libc::NF_IP_PRI_RAW }));
        // The address first: what isn't of the inside, the tunnel's own datagrams above all, is through after that.
        for address in addresses {
            let (protocol, header, octets) = match address {
                IpAddr::V4(v4) => {
                    (libc::NFPROTO_IPV4, Step::Header { offset: way.at.0, length: 4 }, v4.octets().to_vec())
                }
                IpAddr::V6(v6) => {
                    (libc::NFPROTO_IPV6, Step::Header { offset: way.at.1, length: 16 }, v6.octets().to_vec())
                }
            };
            let family = [protocol as u8];
            let to = Step::Decide(Verdict::Jump(way.elsewhere));
            let same = [Step::Meta(libc::NFT_META_NFPROTO), Step::Equals(&family), header, Step::Equals(&octets), to];
            batch.rule(way.chain, &same);
        }
    }
    batch
}

/// A program that answers whoever asks at any of the machine's addresses answers from that of the interface by which it does.
pub fn answerable(table: &str, index: u32) -> Batch {
    let mut batch = Batch::table(Family::Inet, table);
    batch.chain("for-here", Some(Hook { number: libc::NF_INET_LOCAL_IN, priority: libc::NF_IP_PRI_RAW }));
    let (own, none) = (index.to_ne_bytes(), 0_u32.to_ne_bytes());
    let by_it = [Step::Meta(libc::NFT_META_IIF), Step::Equals(&own)];
    let no_way_back = [Step::WayBack, Step::Equals(&none), Step::Count, Step::Decide(Verdict::Drop)];
    batch.rule("for-here", &[&by_it[..], &no_way_back].concat());
    batch
}

/// The TUN interface itself speaks no ARP.
pub fn arp(table: &str, Inside { index, addresses, .. }: Inside<'_>) -> Batch {
    let mut batch = Batch::table(Family::Arp, table);
    batch.chain("leaving", Some(Hook { number: libc::NF_ARP_OUT, priority: 0 }));
    let own = index.to_ne_bytes();
    batch.rule("leaving", &[Step::Meta(libc::NFT_META_OIF), Step::Equals(&own), Step::Decide(Verdict::Accept)]);
    for address in addresses {
        let IpAddr::V4(v4) = address else { continue };
        let octets = v4.octets();
        let sender = Step::Header { offset: ARP_SENDER, length: 4 };
        batch.rule("leaving", &[sender, Step::Equals(&octets), Step::Count, Step::Decide(Verdict::Drop)]);
    }
    batch
}
