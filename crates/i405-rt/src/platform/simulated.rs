//! A thread that is simulated: its clocks, its randomness and its wire are a simulation's (see `simulation`). Other threads,
//! and all of a build without the feature, know nothing of this.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

use crate::platform::clock::Clock;
use i405_sys::own_address::Destination;
use i405_sys::socket::Received;

/// What the clocks of a simulated host show, ns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clocks {
    /// CLOCK_MONOTONIC.
    pub monotonic_ns: u64,
    /// CLOCK_BOOTTIME.
    pub boottime_ns: u64,
    /// CLOCK_REALTIME.
    pub realtime_ns: u64,
}

/// The clocks of a simulated thread: those of the host that is moved. Any other thread has none, and they show 0 there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Simulated;

impl Clock for Simulated {
    fn monotonic_ns(&self) -> u64 {
        now().unwrap_or_default().monotonic_ns
    }

    fn boottime_ns(&self) -> u64 {
        now().unwrap_or_default().boottime_ns
    }

    fn realtime_ns(&self) -> u64 {
        now().unwrap_or_default().realtime_ns
    }
}

/// A datagram that was handed to the wire.
pub struct Sent {
    /// Where to.
    pub to: SocketAddr,
    /// The UDP payload.
    pub datagram: Vec<u8>,
    /// The host refused it: there is no route, or its interface takes nothing so long.
    pub refused: bool,
}

/// What waits at the simulated socket.
struct Waiting {
    source: SocketAddr,
    datagram: Vec<u8>,
    received_realtime_ns: u64,
}

/// Everything of a thread that is simulated but its clocks and its route.
struct Stage {
    random: ChaCha12Rng,
    sent: Vec<Sent>,
    waiting: Option<Waiting>,
}

thread_local! {
    static NOW: Cell<Option<Clocks>> = const { Cell::new(None) };
    static ROUTE: Cell<Option<u32>> = const { Cell::new(None) };
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

/// From here on this thread is simulated; everything random follows from the seed.
pub(crate) fn begin(seed: [u8; 32]) {
    NOW.set(Some(Clocks::default()));
    let stage = Stage { random: ChaCha12Rng::from_seed(seed), sent: Vec::new(), waiting: None };
    STAGE.with_borrow_mut(|place| *place = Some(stage));
}

/// The thread is as before.
pub(crate) fn end() {
    NOW.set(None);
    ROUTE.set(None);
    STAGE.with_borrow_mut(|place| *place = None);
}

/// What the clocks show from here on: those of the host that is about to be moved.
pub fn set_clocks(clocks: Clocks) {
    NOW.set(Some(clocks));
}

/// The route of the host that is about to be moved, to wherever: its MTU in bytes of IP packets; None: there is none.
pub fn set_route(mtu: Option<u32>) {
    ROUTE.set(mtu);
}

/// What a simulated host says of its route; None: this thread isn't simulated.
pub(crate) fn route_mtu() -> Option<io::Result<u32>> {
    NOW.get()?;
    Some(ROUTE.get().ok_or_else(|| io::Error::from_raw_os_error(libc::ENETUNREACH)))
}

/// IP and UDP headers of what goes to an address, bytes.
pub fn header_overhead(to: SocketAddr) -> usize {
    if to.ip().to_canonical().is_ipv4() { 28 } else { 48 }
}

/// As the kernel does it with DF set: what the interface doesn't take is refused.
fn admit(datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
    let mtu = route_mtu().unwrap_or(Ok(u32::MAX))?;
    if datagram.len() + header_overhead(to) > mtu as usize {
        return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
    }
    Ok(datagram.len())
}

/// The clocks of a simulated thread; None on every other.
pub fn now() -> Option<Clocks> {
    NOW.get()
}

/// What was handed to the wire since the last call, moved behind what `into` holds.
pub fn take_sent(into: &mut Vec<Sent>) {
    STAGE.with_borrow_mut(|stage| {
        if let Some(stage) = stage {
            into.append(&mut stage.sent);
        }
    });
}

/// Random bytes of the simulation. False: this thread isn't simulated.
pub(crate) fn fill_random(bytes: &mut [u8]) -> bool {
    STAGE.with_borrow_mut(|stage| {
        let Some(stage) = stage else { return false };
        stage.random.fill_bytes(bytes);
        true
    })
}

/// A datagram comes to the socket of this thread. `received_realtime_ns`: when the kernel had it, CLOCK_REALTIME.
pub(crate) fn arrive(source: SocketAddr, datagram: Vec<u8>, received_realtime_ns: u64) {
    STAGE.with_borrow_mut(|stage| {
        if let Some(stage) = stage {
            stage.waiting = Some(Waiting { source, datagram, received_realtime_ns });
        }
    });
}

/// A send of this thread; None: to the real socket.
pub(crate) fn send(datagram: &[u8], to: &Destination) -> Option<io::Result<usize>> {
    NOW.get()?;
    STAGE.with_borrow_mut(|stage| {
        let to = to.as_socket()?;
        let admitted = admit(datagram, to);
        stage.as_mut()?.sent.push(Sent { to, datagram: datagram.to_vec(), refused: admitted.is_err() });
        Some(admitted)
    })
}

/// A receive of this thread; None: from the real socket.
pub(crate) fn receive(buffer: &mut [u8]) -> Option<io::Result<Received>> {
    NOW.get()?;
    STAGE.with_borrow_mut(|stage| {
        let Some(Waiting { source, datagram, received_realtime_ns }) = stage.as_mut()?.waiting.take() else {
            return Some(Err(io::ErrorKind::WouldBlock.into()));
        };
        // As the kernel does it: what doesn't fit is cut off.
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Some(Ok(Received { length, source, local: None, kernel_realtime_ns: Some(received_realtime_ns) }))
    })
}
