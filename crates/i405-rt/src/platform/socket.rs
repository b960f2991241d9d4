//! The outer UDP socket: constant in everything that an observer could read.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};

use i405_proto::endpoint::Endpoint;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::platform::egress;
use crate::platform::error::Error;
use crate::platform::outer_filter::{self, Passing};
use i405_sys::errqueue::{self, Report, Timestamps};
use i405_sys::filter;
use i405_sys::option;
use i405_sys::own_address::{self, Destination};
use i405_sys::socket::{self, Received};
use i405_sys::txtime::{self, LaunchClock};

/// Largest UDP payload over IPv4.
pub const LONGEST_DATAGRAM: usize = 65_507;

/// TTL and hop limit of every datagram. Linux's usual value: the least remarkable one.
const HOP_LIMIT: i32 = 64;
/// DSCP and ECN of every datagram: none; nothing is copied from inside (RFC 9347 section 2.2.6 leaves ECN to options).
const TRAFFIC_CLASS: i32 = 0;
/// Receive buffer, bytes: 20 ms of the shortest slots at 1500 bytes, so that a late receiver loses nothing.
const RECEIVE_BUFFER: usize = 4 << 20;
/// SO_PRIORITY: the most urgent that needs no privilege. In a `pfifo_fast` queue this machine's other datagrams then
/// wait, and ours don't. Nothing of it is on the wire.
const PRIORITY: i32 = 6;
/// Do not look at path MTU, set DF always: ICMP from strangers is not believed. IP_PMTUDISC_PROBE.
const PMTUDISC_PROBE: i32 = libc::IP_PMTUDISC_PROBE;

/// The outer socket.
pub struct OuterSocket {
    socket: Socket,
    ipv6: bool,
    /// Bound to all addresses: the kernel says which one a datagram came to.
    asks_own_address: bool,
    passing: Mutex<Passing>,
}

impl OuterSocket {
    /// Opens and binds it.
    ///
    /// # Errors
    /// [`Error::Bind`] and [`Error::SocketOption`].
    pub fn open(bind: SocketAddr, fwmark: Option<u32>) -> Result<Self, Error> {
        let open = |domain| Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP));
        let mut bind = bind;
        let opened = match open(if bind.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 }) {
            // Every address of a machine whose kernel has no IPv6.
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) && bind.ip().is_unspecified() => {
                bind = SocketAddr::from((Ipv4Addr::UNSPECIFIED, bind.port()));
                open(Domain::IPV4)
            }
            opened => opened,
        };
        let socket = opened.map_err(Error::system("open a UDP socket"))?;
        let asks_own_address = bind.ip().is_unspecified();
        let outer = OuterSocket { socket, ipv6: bind.is_ipv6(), asks_own_address, passing: Mutex::default() };
        if outer.ipv6 && bind.ip().is_unspecified() {
            // Both families, whatever net.ipv6.bindv6only says.
            outer.set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0, "IPV6_V6ONLY")?;
        }
        if let Some(mark) = fwmark {
            outer.socket.set_mark(mark).map_err(|source| Error::SocketOption { option: "fwmark (SO_MARK)", source })?;
        }
        outer.set_constant_header()?;
        // After IP_TOS, which sets the priority as well.
        outer.set(libc::SOL_SOCKET, libc::SO_PRIORITY, PRIORITY, "SO_PRIORITY")?;
        outer.set(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS")?;
        // Beyond net.core.rmem_max only with CAP_NET_ADMIN; without, the kernel gives what it may.
        if outer.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, RECEIVE_BUFFER as i32, "SO_RCVBUFFORCE").is_err() {
            let _ = outer.socket.set_recv_buffer_size(RECEIVE_BUFFER);
        }
        outer.socket.bind(&SockAddr::from(bind)).map_err(|source| Error::Bind { address: bind, source })?;
        Ok(outer)
    }

    fn set_constant_header(&self) -> Result<(), Error> {
        // An IPv6 socket may carry IPv4 as well (dual stack), so it gets the IPv4 options too.
        self.set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, PMTUDISC_PROBE, "IP_MTU_DISCOVER")?;
        self.set(libc::IPPROTO_IP, libc::IP_TTL, HOP_LIMIT, "IP_TTL")?;
        self.set(libc::IPPROTO_IP, libc::IP_TOS, TRAFFIC_CLASS, "IP_TOS")?;
        if self.ipv6 {
            self.set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, PMTUDISC_PROBE, "IPV6_MTU_DISCOVER")?;
            self.set(libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, HOP_LIMIT, "IPV6_UNICAST_HOPS")?;
            self.set(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, TRAFFIC_CLASS, "IPV6_TCLASS")?;
            self.set(libc::IPPROTO_IPV6, libc::IPV6_AUTOFLOWLABEL, 0, "IPV6_AUTOFLOWLABEL")?;
        }
        Ok(())
    }

    fn set(&self, level: i32, name: i32, value: i32, option: &'static str) -> Result<(), Error> {
        option::set_option(self.socket.as_fd(), level, name, value)
            .map_err(|source| Error::SocketOption { option, source })
    }

    /// Has the kernel drop whatever is not from this peer, a client's server.
    pub fn hear_only(&self, peer: SocketAddr) {
        self.let_pass(|passing| passing.peer = Some(peer));
    }

    /// Has the kernel drop what comes by our own TUN interface. It has to be said again when that is made anew. None:
    /// there is no such interface, or it is in another network namespace.
    pub fn ignore_interface(&self, index: Option<u32>) {
        self.let_pass(|passing| passing.tun = index);
    }

    /// A kernel that refuses costs only wake-ups, for the receiver looks again, but for what comes out of our own TUN.
    fn let_pass(&self, change: impl FnOnce(&mut Passing)) {
        let mut passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *passing;
        change(&mut passing);
        if *passing != before || before == Passing::default() {
            let _ = filter::attach(self.socket.as_fd(), &mut outer_filter::program(*passing));
        }
    }

    /// What it is bound to.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?;
        address.as_socket().ok_or_else(|| io::Error::other("not an IP socket"))
    }

    /// Has the kernel say of each datagram which of our addresses it came to, if there are several. A server needs it
    /// to answer from there.
    ///
    /// # Errors
    /// [`Error::SocketOption`].
    pub fn tell_own_address(&self) -> Result<(), Error> {
        if !self.asks_own_address {
            return Ok(());
        }
        own_address::tell(self.socket.as_fd(), self.ipv6)
            .map_err(|source| Error::SocketOption { option: "IP_PKTINFO or IPV6_RECVPKTINFO", source })
    }

    /// An endpoint in the form in which the kernel wants it on this socket.
    pub fn destination(&self, endpoint: Endpoint) -> Destination {
        let address = match endpoint.address {
            SocketAddr::V4(v4) if self.ipv6 => SockAddr::from(SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port()))),
            other => SockAddr::from(other),
        };
        Destination::new(address, endpoint.local.filter(|_| self.asks_own_address), self.ipv6)
    }

    /// Sends one datagram. Never blocks: a full send buffer is an error like any other.
    ///
    /// # Errors
    /// What the kernel says.
    #[inline]
    pub fn send(&self, datagram: &[u8], to: &Destination) -> io::Result<usize> {
        #[cfg(feature = "simulation")]
        if let Some(sent) = crate::platform::simulated::send(datagram, to) {
            return sent;
        }
        own_address::send(self.socket.as_fd(), datagram, to, 0)
    }

    /// Warms the path that [`Self::send`] takes; nothing is sent.
    #[inline]
    pub fn probe(&self, to: &Destination) {
        socket::probe(self.socket.as_fd(), to);
    }

    /// Sends one datagram with a launch time, after [`Self::launch_by`].
    ///
    /// # Errors
    /// What the kernel says.
    #[inline]
    pub fn send_at(&self, datagram: &[u8], to: &Destination, launch_ns: u64) -> io::Result<usize> {
        txtime::send_at(self.socket.as_fd(), datagram, to, launch_ns)
    }

    /// Lets datagrams carry launch times on this clock.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn launch_by(&self, clock: LaunchClock) -> io::Result<()> {
        txtime::enable(self.socket.as_fd(), clock)
    }

    /// Has the kernel report when datagrams leave, from the next one on.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn report_departures(&self, timestamps: Timestamps) -> Result<(), Error> {
        errqueue::enable(self.socket.as_fd(), timestamps)
            .map_err(|source| Error::SocketOption { option: "SO_TIMESTAMPING", source })
    }

    /// Takes one report off the error queue without blocking.
    ///
    /// # Errors
    /// `EAGAIN` if there is none.
    #[inline]
    pub fn read_report(&self) -> io::Result<Report> {
        errqueue::read(self.socket.as_fd())
    }

    /// Receives one datagram without blocking.
    ///
    /// # Errors
    /// `EAGAIN` if there is none.
    #[inline]
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        #[cfg(feature = "simulation")]
        if let Some(received) = crate::platform::simulated::receive(buffer) {
            return received;
        }
        socket::receive(self.socket.as_fd(), buffer)
    }

    /// For poll.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// MTU of the way to an address, whatever its port, in bytes of IP packets: the interface's, or less if the route was
/// configured so. What ICMP has told the kernel about the path doesn't count, because strangers can send it.
///
/// # Errors
/// [`Error::Route`] if there is none.
pub fn route_mtu(to: SocketAddr, fwmark: Option<u32>) -> Result<u32, Error> {
    let route = |source| Error::Route { address: to.ip(), source };
    #[cfg(feature = "simulation")]
    if let Some(known) = crate::platform::simulated::route_mtu() {
        return known.map_err(route);
    }
    match egress::mtu_towards(to, fwmark) {
        Err(error) if is_without_netlink(&error) => {
            require_route(to, fwmark).map_err(route)?;
            Ok(UNKNOWN_MTU)
        }
        known => known.map_err(route),
    }
}

/// What nearly every interface carries: for where a sandbox lets nobody ask.
const UNKNOWN_MTU: u32 = 1500;
/// Connecting a UDP socket sends nothing; it only looks the route up, for which any port will do.
const DISCARD_PORT: u16 = 9;

fn is_without_netlink(error: &io::Error) -> bool {
    let refusals = [libc::EAFNOSUPPORT, libc::EPROTONOSUPPORT, libc::EOPNOTSUPP, libc::EPERM, libc::EACCES];
    error.raw_os_error().is_some_and(|errno| refusals.contains(&errno))
}

fn require_route(mut to: SocketAddr, fwmark: Option<u32>) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM.cloexec(), None)?;
    if let Some(mark) = fwmark {
        socket.set_mark(mark)?;
    }
    to.set_port(DISCARD_PORT);
    socket.connect(&SockAddr::from(to))
}
