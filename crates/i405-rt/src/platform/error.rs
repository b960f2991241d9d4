//! The crate's one error type. Each names what could not be done; codes are stable and reach the user.

use std::io;

use crate::platform::refused::Refused;

/// Why a tunnel could not be opened or a command not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The local address is in use, not ours, or not permitted.
    #[error("cannot bind the local address {address}: {source}")]
    Bind {
        /// What was asked for.
        address: std::net::SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// A socket option was refused.
    #[error("cannot set {option} on the outer socket: {source}")]
    SocketOption {
        /// The option's name.
        option: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no route to the peer.
    #[error("no route to {address}: {source}")]
    Route {
        /// Where to.
        address: std::net::IpAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The interface's name is another one's.
    #[error("the interface {name} {reason}")]
    TunInUse {
        /// The interface's name.
        name: String,
        /// Whose it is, as the end of the sentence.
        reason: &'static str,
    },
    /// Not allowed to make a TUN interface.
    #[error("not permitted to {what}: {source}")]
    TunPermission {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no TUN driver.
    #[error("cannot open /dev/net/tun: {source}")]
    TunDevice {
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel takes no such name.
    #[error("the kernel takes no interface name \"{name}\": {source}")]
    TunName {
        /// The interface's name.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The interface has an IPv6 address, and IPv6 is off.
    #[error("the interface {name} can't have the address {address}, because IPv6 is disabled{by}: {source}")]
    TunIpv6 {
        /// The interface's name.
        name: String,
        /// The address.
        address: std::net::IpAddr,
        /// By what, in brackets, or nothing.
        by: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// An address was refused.
    #[error("the interface {name} can't have the address {address}/{prefix}: {source}")]
    TunAddress {
        /// The interface's name.
        name: String,
        /// The address.
        address: std::net::IpAddr,
        /// Its prefix, bits.
        prefix: u8,
        /// What the kernel said.
        source: io::Error,
    },
    /// The MTU was refused.
    #[error("the interface {name} can't have an MTU of {mtu}: {source}")]
    TunMtu {
        /// The interface's name.
        name: String,
        /// The MTU, bytes.
        mtu: u16,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another step failed.
    #[error("cannot {what} the TUN interface {name}: {source}")]
    Tun {
        /// The interface's name, or "(any)".
        name: String,
        /// Which step.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The descriptor handed in is not usable.
    #[error("the file descriptor {fd} is not usable as a TUN device: {source}")]
    DeviceFd {
        /// Which.
        fd: i32,
        /// What the kernel said.
        source: io::Error,
    },
    /// SCHED_FIFO was required and refused.
    #[error("SCHED_FIFO was refused ({source}): {refused}")]
    SchedFifo {
        /// What the kernel said.
        source: io::Error,
        /// Why, as far as can be told.
        refused: Refused,
    },
    /// The core does not exist or is not allowed to this process.
    #[error("cannot pin the timed thread to core {cpu}: {source}")]
    Cpu {
        /// Which core.
        cpu: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// Two dispatchers need two cores.
    #[error("{dispatchers} dispatchers need as many cores, and this process may use fewer")]
    Cores {
        /// How many were asked for.
        dispatchers: usize,
    },
    /// The kernel cannot be told beforehand when datagrams are to leave.
    #[error("slots cannot have launch times: {0}")]
    Txtime(Refused),
    /// The kernel cannot spin for us at the interface.
    #[error("the kernel cannot hold slots until their deadlines: {0}")]
    Bpf(Refused),
    /// A command's argument makes no sense to the core.
    #[error("{0}")]
    Argument(String),
    /// The tunnel is closed.
    #[error("the tunnel is closed")]
    Closed,
    /// Another system call failed.
    #[error("cannot {what}: {source}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Error {
    /// The stable code that users see.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => "ERR_I405_ADDRESS_IN_USE",
            Error::Bind { .. } => "ERR_I405_ADDRESS",
            Error::SocketOption { .. } => "ERR_I405_SOCKET_OPTION",
            Error::Route { .. } => "ERR_I405_ROUTE",
            Error::TunInUse { .. } => "ERR_I405_TUN_IN_USE",
            Error::TunPermission { .. } => "ERR_I405_TUN_PERMISSION",
            Error::TunDevice { .. } => "ERR_I405_TUN_DEVICE",
            Error::TunName { .. } => "ERR_I405_TUN_NAME",
            Error::TunIpv6 { .. } => "ERR_I405_TUN_IPV6",
            Error::TunAddress { .. } => "ERR_I405_TUN_ADDRESS",
            Error::TunMtu { .. } => "ERR_I405_TUN_MTU",
            Error::Tun { .. } => "ERR_I405_TUN",
            Error::DeviceFd { .. } => "ERR_I405_DEVICE_FD",
            Error::SchedFifo { .. } => "ERR_I405_SCHED_FIFO",
            Error::Cpu { .. } | Error::Cores { .. } => "ERR_I405_CPU",
            Error::Txtime(_) => "ERR_I405_TXTIME",
            Error::Bpf(_) => "ERR_I405_BPF",
            Error::Argument(_) => "ERR_I405_ARGUMENT",
            Error::Closed => "ERR_I405_CLOSED",
            Error::System { .. } => "ERR_I405_SYSTEM",
        }
    }

    /// A system call failed while `what` was done, in words that go on "cannot".
    pub fn system(what: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::System { what, source }
    }
}
