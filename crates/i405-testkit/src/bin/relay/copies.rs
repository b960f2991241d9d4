//! Copies of what comes from the client, sent at once under other sources: ahead of what the relay delays.

use std::io;
use std::net::{SocketAddr, SocketAddrV4};

use i405_random::Random;
use i405_testkit::args::Failure;
use i405_testkit::forged::{self, From};
use i405_testkit::sys::raw::RawSocket;

/// Somebody on the way who sends copies; over IPv4 only.
pub struct Copier {
    socket: RawSocket,
    to: SocketAddrV4,
    from: Vec<SocketAddrV4>,
    random: Random,
    /// Copies that are still to be made of each datagram's; none: no end.
    left: Option<u64>,
    sent: u64,
}

impl Copier {
    /// Copies under each of these sources, `10.0.0.1:1405` with commas, of so many datagrams, or of all.
    pub fn new(to: SocketAddr, sources: &str, count: Option<u64>) -> Result<Self, Failure> {
        let SocketAddr::V4(to) = to else {
            return Err(format!("copies go to an IPv4 address, not to {to}").into());
        };
        let from = sources.split(',').map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { socket: RawSocket::open()?, to, from, random: Random::new(0), left: count, sent: 0 })
    }

    /// A datagram came. One that can't be sent is lost, as on any network.
    pub fn copy(&mut self, payload: &[u8]) {
        match &mut self.left {
            Some(0) => return,
            Some(left) => *left -= 1,
            None => {}
        }
        for &source in &self.from {
            let mut packet = forged::packet(payload, self.to);
            forged::aim(&mut packet, From::One(source), &mut self.random);
            let sent: io::Result<usize> = self.socket.send(&mut [packet], self.to);
            self.sent += sent.unwrap_or(0) as u64;
        }
    }

    pub fn sent(&self) -> u64 {
        self.sent
    }
}
