//! A stranger's "fragmentation needed": ICMP that tells a machine that the path to its peer carries no more than so much.
//!
//! `icmp-too-big --victim 10.201.0.1:40000 --peer 10.201.0.2:1405 [--mtu 600] [--count 10]`
//!
//! The kernel believes it if the quoted addresses and ports are those of a socket that it has. IPv4 only. Needs CAP_NET_RAW.

use std::net::SocketAddrV4;
use std::process::ExitCode;

use i405_testkit::args::{Args, Failure};
use i405_testkit::ip::{UDP, checksum};
use i405_testkit::json::Line;
use i405_testkit::program;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Destination unreachable, fragmentation needed (RFC 792, RFC 1191 section 4).
const UNREACHABLE: u8 = 3;
const FRAGMENTATION_NEEDED: u8 = 4;
/// What is quoted: a header without options, and the first eight bytes behind it.
const QUOTED: usize = 28;

fn main() -> ExitCode {
    program::run(tell)
}

fn tell(mut args: Args) -> Result<(), Failure> {
    let victim: SocketAddrV4 = args.required("victim")?;
    let peer: SocketAddrV4 = args.required("peer")?;
    let mtu: u16 = args.or("mtu", 600)?;
    let count: u32 = args.or("count", 10)?;
    args.finish()?;
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    let message = message(victim, peer, mtu);
    for _ in 0..count {
        socket.send_to(&message, &SockAddr::from(SocketAddrV4::new(*victim.ip(), 0)))?;
    }
    Line::event("done").plain("sent", count).print();
    Ok(())
}

fn message(victim: SocketAddrV4, peer: SocketAddrV4, mtu: u16) -> Vec<u8> {
    let mut message = vec![UNREACHABLE, FRAGMENTATION_NEEDED, 0, 0, 0, 0];
    message.extend(mtu.to_be_bytes());
    let mut quoted = [0; QUOTED];
    quoted[0] = 0x45;
    quoted[2..4].copy_from_slice(&1500u16.to_be_bytes());
    quoted[6] = 0x40;
    (quoted[8], quoted[9]) = (64, UDP);
    quoted[12..16].copy_from_slice(&victim.ip().octets());
    quoted[16..20].copy_from_slice(&peer.ip().octets());
    let sum = checksum(&quoted[..20]);
    quoted[10..12].copy_from_slice(&sum.to_be_bytes());
    quoted[20..22].copy_from_slice(&victim.port().to_be_bytes());
    quoted[22..24].copy_from_slice(&peer.port().to_be_bytes());
    quoted[24..26].copy_from_slice(&1480u16.to_be_bytes());
    message.extend(quoted);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}
