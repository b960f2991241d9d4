//! The warnings of this folder, by `Event::warning`.

use std::io;
use std::net::IpAddr;

use crate::platform::error::Error;
use crate::rings::event::Event;

/// A deleted interface is there again.
pub fn device_remade(name: &str) -> Event {
    Event::warning(
        "I405_TUN_REMADE",
        format!("the interface {name} was deleted and has been made again"),
        "Routes, firewall rules and settings of your own that went with it have to be set again; those of --route \
         are",
    )
}

/// A deleted interface cannot be made again.
pub fn device_gone(name: Option<&str>, error: &Error) -> Event {
    match name {
        Some(name) => Event::warning(
            "I405_TUN_GONE",
            format!("the interface {name} was deleted and cannot be made again yet: {error}"),
            "The schedule goes on and nothing is carried; it is tried every second: leave its name free, and keep \
             CAP_NET_ADMIN (--keep-capabilities net-admin)",
        ),
        None => Event::warning(
            "I405_TUN_GONE",
            "the interface behind device.fd was deleted",
            "The schedule goes on and nothing is carried; open a new descriptor and a new tunnel",
        ),
    }
}

/// The kernel doesn't keep the inner addresses to their interface.
pub fn no_strong_host(source: &io::Error) -> Event {
    Event::warning(
        "I405_STRONG_HOST",
        format!(
            "the inner addresses can't be kept to their interface ({source}), so the other end or a neighbour may \
             make this machine send from them in the clear"
        ),
        "Load the kernel's packet filter (modprobe nf_tables) and start with CAP_NET_ADMIN; or drop such packets \
         yourself and say strongHost: false",
    )
}

/// The same, of programs that answer at any address.
pub fn answers_elsewhere(source: &io::Error) -> Event {
    Event::warning(
        "I405_STRONG_HOST",
        format!(
            "packets from the tunnel whose source isn't routed into it can't be kept from this machine's programs \
             ({source}), which may answer them in the clear"
        ),
        "Use a kernel with nft_fib (Linux 5.17), or set the sysctl net.ipv4.conf.all.rp_filter to 1; and give \
         allowedIps",
    )
}

/// The same, of ARP alone.
pub fn answers_arp(source: &io::Error) -> Event {
    Event::warning(
        "I405_STRONG_HOST",
        format!(
            "ARP requests of neighbours for the inner addresses can't be left unanswered ({source}), so a \
             neighbour may learn that this machine has them"
        ),
        "Set the sysctl net.ipv4.conf.all.arp_ignore to 1, or use a kernel with CONFIG_NF_TABLES_ARP",
    )
}

/// Nothing is left that keeps programs quiet when the tunnel has ended.
pub fn no_aftermath(source: &io::Error) -> Event {
    Event::warning(
        "I405_STRONG_HOST",
        format!(
            "when the tunnel ends, programs that go on sending from its inner addresses may do so in the clear \
             ({source})"
        ),
        "Make /bin/sh and the kernel's nft_fib available, or end such programs first",
    )
}

/// An address is another interface's as well.
pub fn shared_inner_address(address: IpAddr, other: &str) -> Event {
    Event::warning(
        "I405_STRONG_HOST",
        format!(
            "the inner address {address} is also an address of {other}, so it can't be kept to the tunnel's \
             interface"
        ),
        "Give the tunnel an address of its own, or one that it shares with other tunnels altogether",
    )
}

/// An address was added when the rules could no longer be changed.
pub fn unguarded_address(address: IpAddr, source: &io::Error) -> Event {
    Event::warning(
        "I405_STRONG_HOST",
        format!(
            "the address {address} was added to the interface and can't be kept to it ({source}), so packets from \
             it may leave in the clear"
        ),
        "Give it to the tunnel from the start, or keep CAP_NET_ADMIN (--keep-capabilities net-admin)",
    )
}
