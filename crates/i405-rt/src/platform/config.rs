//! What a tunnel is opened with: parsed in TypeScript, typed here.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;

use i405_proto::inner::AllowedIps;

pub use i405_proto::inbound::Role;

/// How the dispatcher waits for a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollMode {
    /// Sleeps to the deadline.
    Sleepy,
    /// Sleeps until a margin before the deadline, then spins.
    Dozy,
    /// One thread polls socket, device and clock.
    Spinny,
}

/// Whether the timed threads run under SCHED_FIFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedFifo {
    /// Try; a refusal is a warning.
    On,
    /// Don't.
    Off,
    /// A refusal is an error.
    Require,
}

/// On which cores threads of idle priority loop, so that a core is never idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BurnerPlace {
    /// On none.
    Off,
    /// On the timed thread's.
    Cpu,
    /// On every one that this process may use.
    All,
}

/// From what the deviation statistics are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviationSource {
    /// The clock at the call that sends.
    #[default]
    Call,
    /// The kernel's timestamp, taken as the driver gets the datagram.
    Software,
    /// The network card's timestamp.
    Hardware,
}

/// What makes a datagram leave at its deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SendBy {
    /// The call, at the deadline.
    #[default]
    Call,
    /// The kernel's queueing discipline or the network card, told the deadline beforehand (SO_TXTIME).
    Txtime,
    /// A spin loop in the kernel at the interface's egress hook, told the deadline beforehand (SO_TXTIME).
    Kernel,
}

/// An address of the TUN interface.
#[derive(Clone, Copy, Debug)]
pub struct InterfaceAddress {
    /// The interface's own address.
    pub address: IpAddr,
    /// Length of the network's prefix, bits.
    pub prefix: u8,
}

/// Where inner packets come from and go to.
#[derive(Clone, Debug)]
pub enum DeviceConfig {
    /// The program itself.
    Packets,
    /// A new TUN interface.
    Tun {
        /// None: the kernel chooses.
        name: Option<String>,
        /// Its addresses.
        addresses: Vec<InterfaceAddress>,
        /// Its MTU, bytes.
        mtu: u16,
        /// Its addresses are its own: nothing from or to them by another interface.
        strong_host: bool,
    },
    /// A TUN descriptor that the program opened; duplicated, so the program's own stays open.
    Fd(RawFd),
}

/// The wrap and header-protection keys of a pairing, by direction as seen from here.
#[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct PairingKeys {
    /// Wraps what we send.
    pub send_wrap: [u8; 32],
    /// Masks what we send.
    pub send_mask: [u8; 32],
    /// Unwraps what we receive.
    pub receive_wrap: [u8; 32],
    /// Unmasks what we receive.
    pub receive_mask: [u8; 32],
}

/// Everything that [`crate::Tunnel::open`] needs.
#[derive(Clone)]
pub struct OpenConfig {
    /// Which end this is.
    pub role: Role,
    /// Local socket address.
    pub bind: SocketAddr,
    /// The client's server.
    pub peer: Option<SocketAddr>,
    /// SO_MARK.
    pub fwmark: Option<u32>,
    /// Where inner packets come from and go to.
    pub device: DeviceConfig,
    /// Which source addresses the peer's inner packets may have.
    pub allowed_ips: AllowedIps,
    /// How to wait.
    pub poll_mode: PollMode,
    /// Under which scheduling class.
    pub sched_fifo: SchedFifo,
    /// On which cores, one for each dispatcher; empty: wherever the kernel puts one, two chosen ones for two.
    pub cpus: Vec<usize>,
    /// 1, or 2: two dispatchers hedge every slot.
    pub dispatchers: usize,
    /// Which cores are kept busy.
    pub burner: BurnerPlace,
    /// The pairing's keys.
    pub pairing: PairingKeys,
    /// Length of the pairing's initiation message, bytes: 1344 or 1296.
    pub initiation_length: usize,
    /// Server: stamps at or below are dropped.
    pub floor_ms: u64,
    /// Server: older stamps are dropped.
    pub max_stamp_age_ms: Option<u64>,
    /// Bound of the waiting queue as a duration of slots.
    pub queue_ns: u64,
    /// How long before its deadline a slot's contents are fixed; None: by poll mode.
    pub finalize_ns: Option<u64>,
    /// Later payloads held before a missing one is given up.
    pub reorder_window: usize,
    /// From what the deviation statistics are, where the driver delivers it.
    pub deviation_source: DeviationSource,
    /// What makes a datagram leave at its deadline.
    pub send_by: SendBy,
    /// Whether slots, departures and arrivals are told one by one.
    pub record: bool,
}
