//! The two directions of a relay: what each does to datagrams, what is on its way, and what it remembers.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use i405_random::Random;
use i405_testkit::clock::{monotonic_ns, realtime_ns};
use i405_testkit::endpoint::{connect_udp, headers};
use i405_testkit::faults::Faults;
use i405_testkit::ip::{Headers, UDP};
use i405_testkit::json::Line;
use i405_testkit::record::{self, Direction, Record};

use crate::copies::Copier;

/// Client to server, and an index into the two paths.
pub const UP: usize = 0;
/// Server to client.
pub const DOWN: usize = 1;

/// One direction.
#[derive(Debug)]
pub struct Path {
    pub faults: Faults,
    random: Random,
    received: u64,
    sent: u64,
    dropped: u64,
    remembered: VecDeque<Vec<u8>>,
    most_remembered: usize,
}

impl Path {
    pub fn new(faults: Faults, seed: u64, most_remembered: usize) -> Self {
        Self {
            faults,
            random: Random::new(seed),
            received: 0,
            sent: 0,
            dropped: 0,
            remembered: VecDeque::new(),
            most_remembered,
        }
    }

    fn remember(&mut self, payload: &[u8]) {
        if self.most_remembered == 0 {
            return;
        }
        if self.remembered.len() == self.most_remembered {
            self.remembered.pop_front();
        }
        self.remembered.push_back(payload.to_vec());
    }
}

/// Ordered by release time, then by arrival.
type OnItsWay = Reverse<(u64, u64, usize, Vec<u8>)>;

/// Sockets, paths, and datagrams on their way.
pub struct Relay {
    front: UdpSocket,
    back: UdpSocket,
    to: SocketAddr,
    client: Option<SocketAddr>,
    paths: [Path; 2],
    queue: BinaryHeap<OnItsWay>,
    arrivals: u64,
    record: Option<BufWriter<File>>,
    garbage: Random,
    /// Who sends copies of what comes from the client.
    pub copier: Option<Copier>,
    /// Counts of datagrams upwards after which the source port changes, ascending.
    pub rebind_after: Vec<u64>,
}

impl Relay {
    pub fn new(
        front: UdpSocket,
        back: UdpSocket,
        to: SocketAddr,
        paths: [Path; 2],
        record: Option<&str>,
        seed: u64,
    ) -> io::Result<Self> {
        let record = match record {
            None => None,
            Some(path) => {
                let mut file = BufWriter::new(File::create(path)?);
                record::start(&mut file)?;
                Some(file)
            }
        };
        let garbage = Random::new(!seed);
        Ok(Self {
            front,
            back,
            to,
            client: None,
            paths,
            queue: BinaryHeap::new(),
            arrivals: 0,
            record,
            garbage,
            copier: None,
            rebind_after: Vec::new(),
        })
    }

    pub fn to(&self) -> SocketAddr {
        self.to
    }

    /// Towards the client, towards the server.
    pub fn sockets(&self) -> (&UdpSocket, &UdpSocket) {
        (&self.front, &self.back)
    }

    pub fn faults(&mut self, direction: usize) -> &mut Faults {
        &mut self.paths[direction].faults
    }

    /// When the next delayed datagram leaves.
    pub fn next_ns(&self) -> Option<u64> {
        self.queue.peek().map(|Reverse((due, ..))| *due)
    }

    pub fn take_up(&mut self, from: SocketAddr, payload: &[u8]) -> io::Result<()> {
        self.client = Some(from);
        if self.rebind_after.first().is_some_and(|&count| count <= self.paths[UP].received) {
            self.rebind_after.remove(0);
            self.rebind()?;
        }
        if let Some(copier) = &mut self.copier {
            copier.copy(payload);
        }
        self.pass(UP, payload)
    }

    pub fn take_down(&mut self, payload: &[u8]) -> io::Result<()> {
        self.pass(DOWN, payload)
    }

    fn pass(&mut self, direction: usize, payload: &[u8]) -> io::Result<()> {
        self.write_record(direction, payload)?;
        let path = &mut self.paths[direction];
        path.received += 1;
        path.remember(payload);
        let fate = path.faults.decide(&mut path.random, path.received, payload.len() + headers(&self.to));
        if fate.copies.is_empty() {
            path.dropped += 1;
        }
        let mut payload = payload.to_vec();
        if fate.corrupt && !payload.is_empty() {
            let bit = path.random.below(payload.len() as u64 * 8) as usize;
            payload[bit / 8] ^= 1 << (bit % 8);
        }
        let now = monotonic_ns();
        for delay_ns in fate.copies {
            self.arrivals += 1;
            self.queue.push(Reverse((now + delay_ns, self.arrivals, direction, payload.clone())));
        }
        Ok(())
    }

    /// Sends what is due.
    pub fn release(&mut self) -> io::Result<()> {
        while self.next_ns().is_some_and(|due| due <= monotonic_ns()) {
            if let Some(Reverse((_, _, direction, payload))) = self.queue.pop() {
                self.send(direction, &payload);
            }
        }
        Ok(())
    }

    /// A datagram that can't be sent is lost, as on any network.
    fn send(&mut self, direction: usize, payload: &[u8]) -> bool {
        let sent = match (direction, self.client) {
            (UP, _) => self.back.send(payload).is_ok(),
            (_, Some(client)) => self.front.send_to(payload, client).is_ok(),
            (_, None) => false,
        };
        self.paths[direction].sent += u64::from(sent);
        sent
    }

    /// Random bytes from the relay's own socket; `length` counts the IP packet.
    pub fn inject_garbage(&mut self, direction: usize, count: u64, length: usize) -> u64 {
        let mut payload = vec![0; length.saturating_sub(headers(&self.to))];
        (0..count)
            .filter(|_| {
                self.garbage.fill(&mut payload);
                self.send(direction, &payload)
            })
            .count() as u64
    }

    /// Remembered datagrams once more, byte for byte.
    pub fn replay(&mut self, direction: usize, first: usize, count: usize) -> u64 {
        let again: Vec<Vec<u8>> = self.paths[direction].remembered.iter().skip(first).take(count).cloned().collect();
        again.iter().filter(|payload| self.send(direction, payload)).count() as u64
    }

    /// Another source port towards the server.
    pub fn rebind(&mut self) -> io::Result<()> {
        let address = SocketAddr::new(self.back.local_addr()?.ip(), 0);
        self.back = connect_udp(Some(address), self.to)?;
        self.back.set_nonblocking(true)
    }

    fn write_record(&mut self, direction: usize, payload: &[u8]) -> io::Result<()> {
        let Some(file) = self.record.as_mut() else {
            return Ok(());
        };
        // As seen on the client's side, which may be of another family than the server's.
        let front = self.front.local_addr()?;
        let client = self.client.unwrap_or(front);
        let (from, to) = if direction == UP { (client, front) } else { (front, client) };
        let record = Record {
            time_ns: realtime_ns(),
            direction: if direction == UP { Direction::In } else { Direction::Out },
            notes: 0,
            headers: Headers {
                version: if front.is_ipv4() { 4 } else { 6 },
                protocol: UDP,
                ip_length: (payload.len() + headers(&front)) as u16,
                source: address_bytes(from.ip()),
                destination: address_bytes(to.ip()),
                source_port: from.port(),
                destination_port: to.port(),
                udp_length: payload.len() as u16 + 8,
                ..Headers::default()
            },
            payload_length: payload.len() as u16,
            payload,
        };
        record.write(file)
    }

    pub fn finish(&mut self) -> io::Result<()> {
        self.record.as_mut().map_or(Ok(()), Write::flush)
    }

    pub fn line(&self, event: &str) -> Line {
        let [up, down] = &self.paths;
        Line::event(event)
            .plain("upReceived", up.received)
            .plain("upSent", up.sent)
            .plain("upDropped", up.dropped)
            .plain("upRemembered", up.remembered.len())
            .plain("downReceived", down.received)
            .plain("downSent", down.sent)
            .plain("downDropped", down.dropped)
            .plain("downRemembered", down.remembered.len())
            .plain("copies", self.copier.as_ref().map_or(0, Copier::sent))
            .text("local", &self.back.local_addr().map(|address| address.to_string()).unwrap_or_default())
    }
}

fn address_bytes(address: IpAddr) -> [u8; 16] {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(v4) => bytes[..4].copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => bytes.copy_from_slice(&v6.octets()),
    }
    bytes
}
