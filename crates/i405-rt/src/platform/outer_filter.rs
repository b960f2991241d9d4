//! What the kernel drops at the outer socket, before it wakes a thread: datagrams that can't be the peer's.
//!
//! - Whatever came out of our own TUN interface. Nothing from inside reaches the outer socket, whichever of this
//!   machine's addresses it was aimed at. Otherwise a peer could have the tunnel carried inside itself.
//! - What is shorter than any datagram.
//! - At a client, what isn't from its server's address and port.
//!
//! The receiver checks the last two again. The filter only saves the wake-up, and where it can't be had nothing is
//! lost. Lengths aren't compared with the session's: the receiver counts strangers' datagrams too, and a new session
//! may have another length.

use std::net::{IpAddr, SocketAddr};

use i405_proto::seal::MIN_DATAGRAM;

/// UDP's header is what a filter on a UDP socket sees first.
const UDP_HEADER: u32 = 8;

/// linux/filter.h: offsets from here on are of the IP header (SKF_NET_OFF).
const NETWORK: u32 = -0x10_0000_i32 as u32;
/// linux/filter.h: SKF_AD_OFF + SKF_AD_IFINDEX, the number of the interface that it came in by.
const INTERFACE: u32 = (-0x1000_i32 + 8) as u32;

const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const LOAD_LENGTH: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_LEN;
const SHIFT_RIGHT: u32 = libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const WHOLE: u32 = u32::MAX;
const NOTHING: u32 = 0;

/// What passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passing {
    /// The only source that counts.
    pub peer: Option<SocketAddr>,
    /// Number of our own TUN interface, by which nothing may come.
    pub tun: Option<u32>,
}

/// Whether a check wants the comparison to hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    True,
    False,
}

struct Program {
    instructions: Vec<libc::sock_filter>,
    checks: Vec<(usize, Wanted)>,
}

impl Program {
    fn run(&mut self, code: u32, k: u32) {
        self.instructions.push(libc::sock_filter { code: code as u16, jt: 0, jf: 0, k });
    }

    fn check(&mut self, code: u32, k: u32, wanted: Wanted) {
        self.checks.push((self.instructions.len(), wanted));
        self.run(code, k);
    }

    /// Every check that fails jumps to the last instruction.
    fn finish(mut self) -> Vec<libc::sock_filter> {
        self.run(RETURN, WHOLE);
        self.run(RETURN, NOTHING);
        let last = self.instructions.len() - 1;
        for (at, wanted) in self.checks {
            // A handful of instructions: the distance fits.
            let distance = (last - at - 1) as u8;
            let instruction = &mut self.instructions[at];
            match wanted {
                Wanted::True => instruction.jf = distance,
                Wanted::False => instruction.jt = distance,
            }
        }
        self.instructions
    }
}

/// The program for a UDP socket.
pub fn program(passing: Passing) -> Vec<libc::sock_filter> {
    let mut program = Program { instructions: Vec::new(), checks: Vec::new() };
    if let Some(index) = passing.tun {
        program.run(LOAD_WORD, INTERFACE);
        program.check(EQUAL, index, Wanted::False);
    }
    program.run(LOAD_LENGTH, 0);
    program.check(AT_LEAST, MIN_DATAGRAM as u32 + UDP_HEADER, Wanted::True);
    if let Some(peer) = passing.peer {
        let (version, source_at, words) = match peer.ip().to_canonical() {
            IpAddr::V4(v4) => (4, 12, vec![v4.to_bits()]),
            IpAddr::V6(v6) => (6, 8, (0..4).rev().map(|word| (v6.to_bits() >> (32 * word)) as u32).collect::<Vec<_>>()),
        };
        program.run(LOAD_BYTE, NETWORK);
        program.run(SHIFT_RIGHT, 4);
        program.check(EQUAL, version, Wanted::True);
        for (index, word) in words.into_iter().enumerate() {
            program.run(LOAD_WORD, NETWORK + source_at + 4 * index as u32);
            program.check(EQUAL, word, Wanted::True);
        }
        program.run(LOAD_HALF, 0);
        program.check(EQUAL, peer.port().into(), Wanted::True);
    }
    program.finish()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::*;
    use i405_sys::filter::attach;

    /// What a socket with the filter receives of datagrams of these lengths, sent in this order, each by its sender.
    fn received(listen: &str, passing: impl Fn(&[UdpSocket]) -> Passing, sent: &[(usize, usize)]) -> Vec<usize> {
        let listener = UdpSocket::bind(listen).unwrap();
        let mut to = listener.local_addr().unwrap();
        if to.ip().is_unspecified() {
            to.set_ip("127.0.0.1".parse().unwrap());
        }
        let senders: Vec<UdpSocket> = (0..2).map(|_| UdpSocket::bind((to.ip(), 0)).unwrap()).collect();
        attach(listener.as_fd(), &mut program(passing(&senders))).unwrap();
        // Loopback delivers within the call, so everything is there, and in order.
        for (who, length) in sent {
            senders[*who].send_to(&vec![7; *length], to).unwrap();
        }
        listener.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut buffer = [0; 65_535];
        std::iter::from_fn(|| listener.recv(&mut buffer).ok()).collect()
    }

    const SENT: [(usize, usize); 7] = [(0, 51), (0, 52), (1, 60), (1, 0), (0, 1472), (1, 53), (0, 9000)];

    #[test]
    fn what_is_too_short_does_not_come() {
        assert_eq!(received("127.0.0.1:0", |_| Passing::default(), &SENT), [52, 60, 1472, 53, 9000]);
    }

    #[test]
    fn promise_client_hears_its_server_before_anybody_wakes() {
        let first = |senders: &[UdpSocket]| Passing { peer: senders[0].local_addr().ok(), tun: None };
        for listen in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            if UdpSocket::bind(listen).is_err() {
                continue;
            }
            assert_eq!(received(listen, first, &SENT), [52, 1472, 9000], "{listen}");
        }
    }

    #[test]
    fn an_address_that_differs_in_any_part_is_another() {
        for other in ["127.0.0.2:1", "126.0.0.1:1", "[::1]:1", "[::ffff:0:7f00:1]:1"] {
            let passing = |senders: &[UdpSocket]| {
                let mut peer: SocketAddr = other.parse().unwrap();
                peer.set_port(senders[0].local_addr().unwrap().port());
                Passing { peer: Some(peer), tun: None }
            };
            assert_eq!(received("127.0.0.1:0", passing, &SENT), [0; 0], "{other}");
        }
    }

    #[test]
    fn promise_inside_stays_inside() {
        let loopback = rustix::net::netdevice::name_to_index(UdpSocket::bind("127.0.0.1:0").unwrap(), "lo").unwrap();
        let by = |tun| move |_: &[UdpSocket]| Passing { peer: None, tun: Some(tun) };
        assert_eq!(received("127.0.0.1:0", by(loopback), &SENT), [0; 0]);
        assert_eq!(received("127.0.0.1:0", by(loopback + 1000), &SENT), [52, 60, 1472, 53, 9000]);
    }
}
