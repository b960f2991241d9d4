//! A spin loop in the kernel, at the egress hook (tcx) of the interface that datagrams leave by.
//!
//! A slot is handed over shortly before its deadline with that as its launch time (SCM_TXTIME). Route, allocation and copy
//! are done by then. The program below, called with the datagram on its way to the driver, loops until the deadline with
//! bottom halves off, so that no other thread gets in between. No queueing discipline has to know of launch times.
//!
//! The program and its hook end with their descriptors, also after SIGKILL.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;

use crate::platform::egress::Egress;
use crate::platform::lock::lock;
use crate::platform::refused::Refused;
use crate::platform::socket::OuterSocket;
use i405_sys::bpf::{self, LoadError, SharedCounters};
use i405_sys::txtime::LaunchClock;
use program::{Wait, spin};

mod program;

/// Interfaces where it is attached at a time.
const MOST_HOOKS: usize = 2;

/// Where the program is attached.
struct Hook {
    interface: Egress,
    /// Ends with it.
    _link: OwnedFd,
}

/// The program, loaded for one socket, and its hook.
pub struct KernelSpin {
    program: OwnedFd,
    counters: SharedCounters,
    fwmark: Option<u32>,
    /// Where it was attached last, newest last: the schedule before may still leave by the older one.
    hooks: Mutex<Vec<Hook>>,
}

impl KernelSpin {
    /// Loads the program; it is attached nowhere yet.
    ///
    /// # Errors
    /// What is missing and what to do about it.
    pub fn load(socket: &OuterSocket, fwmark: Option<u32>) -> Result<Self, Refused> {
        KernelSpin::load_with(socket, fwmark, Wait::MayGoto)
    }

    /// With this loop, or the other one where the kernel doesn't know it.
    fn load_with(socket: &OuterSocket, fwmark: Option<u32>, waits: Wait) -> Result<Self, Refused> {
        if clocks_are_shifted() {
            return Err(Refused::new(
                "this process is in a time namespace whose CLOCK_MONOTONIC is not the kernel's",
                format!("Leave the time namespace, {INSTEAD}"),
            ));
        }
        if fs::read_to_string("/sys/kernel/realtime").is_ok_and(|set| set.trim() == "1") {
            return Err(Refused::new(
                "in a PREEMPT_RT kernel threads get in between while it spins",
                INSTEAD.replacen("or l", "L", 1),
            ));
        }
        let cookie = bpf::socket_cookie(socket.as_fd()).map_err(|error| refused("SO_COOKIE", &error))?;
        let counters = SharedCounters::new(2).map_err(|error| refused("a map for its counters", &error))?;
        let load = |wait| bpf::load(&spin(cookie, counters.number(), wait));
        let unknown = |refusal: &LoadError| refusal.error.raw_os_error() == Some(libc::EINVAL);
        let loaded = match load(waits) {
            Err(refusal) if waits == Wait::MayGoto && unknown(&refusal) => load(Wait::Callback),
            loaded => loaded,
        };
        let program = loaded.map_err(|refusal| {
            let Refused { reason, remedy } = refused("the program", &refusal.error);
            let words = if refusal.verifier.is_empty() { String::new() } else { format!(" ({})", refusal.verifier) };
            Refused { reason: reason + &words, remedy }
        })?;
        Ok(KernelSpin { program, counters, fwmark, hooks: Mutex::default() })
    }

    /// Attaches it at the interface by which datagrams to this address leave. It stays where it is if that is the same, and
    /// at the interface before as well.
    ///
    /// # Errors
    /// What is missing and what to do about it.
    pub fn attach_towards(&self, to: SocketAddr) -> Result<(), Refused> {
        let interface = Egress::towards(to, self.fwmark).map_err(|error| {
            Refused::new(format!("the way to {} could not be looked up: {error}", to.ip()), "Check the route")
        })?;
        let mut hooks = lock(&self.hooks);
        if let Some(place) = hooks.iter().position(|hook| hook.interface == interface) {
            hooks[place..].rotate_left(1);
            return Ok(());
        }
        let link = bpf::attach_egress(self.program.as_fd(), interface.index)
            .map_err(|error| refused(&format!("a hook at the interface {}", interface.name), &error))?;
        hooks.push(Hook { interface, _link: link });
        let surplus = hooks.len().saturating_sub(MOST_HOOKS);
        hooks.drain(..surplus);
        Ok(())
    }

    /// Whether datagrams to this address leave where it is attached.
    pub fn is_on_the_way(&self, to: SocketAddr) -> bool {
        let way = Egress::towards(to, self.fwmark).ok();
        lock(&self.hooks).iter().any(|hook| Some(&hook.interface) == way.as_ref())
    }

    /// Datagrams with a launch time that have come by.
    pub fn held(&self) -> u64 {
        self.counters.get(0)
    }

    /// Datagrams that were dropped for a launch time too far ahead.
    pub fn refused(&self) -> u64 {
        self.counters.get(1)
    }
}

/// Loads it and attaches it to the loopback interface, and takes both away again. Nothing is sent.
///
/// # Errors
/// What is missing and what to do about it.
pub fn works_here() -> Result<(), Refused> {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let socket = OuterSocket::open(anywhere, None)
        .map_err(|error| Refused::new(error.to_string(), "Set the loopback interface up (ip link set lo up)"))?;
    // Port 9 is only for the lookup of the route.
    KernelSpin::load(&socket, None)?.attach_towards(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)))
}

/// What its launch times are in.
pub const CLOCK: LaunchClock = LaunchClock::Monotonic;
const INSTEAD: &str = "or leave sendBy at \"call\"";

fn refused(what: &str, error: &io::Error) -> Refused {
    let remedy = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => format!("Give the program CAP_BPF and CAP_NET_ADMIN, {INSTEAD}"),
        Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP) => format!("It takes Linux 6.6 or newer, {INSTEAD}"),
        _ => INSTEAD.replacen("or l", "L", 1),
    };
    Refused::new(format!("the kernel refused {what}: {error}"), remedy)
}

/// The program reads the machine's clock, and we the namespace's.
fn clocks_are_shifted() -> bool {
    // Without the file there are no time namespaces.
    let offsets = fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
    offsets.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("monotonic") && words.any(|offset| offset != "0")
    })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::platform::clock::monotonic_ns;

    /// Without CAP_BPF nothing can be shown here. Where a test run has it, nothing may be left out.
    fn assert_not_root() {
        assert!(!rustix::process::geteuid().is_root(), "root may load programs");
    }

    #[test]
    fn datagrams_of_this_socket_alone_are_held_until_their_launch_time_and_no_longer_than_is_allowed() {
        // A kernel that knows the first one never comes to the second by itself.
        [Wait::MayGoto, Wait::Callback].into_iter().for_each(holds);
    }

    fn holds(waits: Wait) {
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        to.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let address = to.local_addr().unwrap();
        let [ours, other] = [(); 2].map(|()| OuterSocket::open("127.0.0.1:0".parse().unwrap(), None).unwrap());
        let spin = match KernelSpin::load_with(&ours, None, waits) {
            Ok(spin) => spin,
            Err(refused) => {
                assert!(refused.remedy.contains("CAP_BPF"), "{refused}");
                return assert_not_root();
            }
        };
        spin.attach_towards(address).unwrap();
        assert!(spin.is_on_the_way(address));
        let endpoint = i405_proto::endpoint::Endpoint::from(address);
        let mut buffer = [0; 16];
        let mut sent = |socket: &OuterSocket, ahead_ns: u64| {
            socket.launch_by(CLOCK).unwrap();
            let launch_ns = monotonic_ns() + ahead_ns;
            socket.send_at(b"slot", &socket.destination(endpoint), launch_ns).unwrap();
            to.recv(&mut buffer).map(|_| monotonic_ns() >= launch_ns)
        };
        assert!((0..20).all(|_| sent(&ours, 500_000).unwrap()), "none arrives before its time");
        assert_eq!((spin.held(), spin.refused()), (20, 0));
        let begun = Instant::now();
        assert!(!sent(&other, 3_600_000_000_000).unwrap(), "another socket's leaves at once");
        assert!(begun.elapsed() < Duration::from_secs(60));
        assert_eq!((spin.held(), spin.refused()), (20, 0));
        to.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let far = |ahead_ns: u64| {
            let launch_ns = monotonic_ns() + ahead_ns;
            ours.send_at(b"slot", &ours.destination(endpoint), launch_ns).unwrap();
            to.recv(&mut [0; 16]).is_err()
        };
        assert!(far(3_600_000_000_000), "too far ahead is dropped");
        assert_eq!((spin.held(), spin.refused()), (20, 1));
    }

    #[test]
    fn it_works_here_or_says_why_not() {
        if let Err(refused) = works_here() {
            assert!(refused.remedy.contains("CAP_BPF"), "{refused}");
            assert_not_root();
        }
    }

    #[test]
    fn without_permission_the_remedy_names_it() {
        let Refused { reason, remedy } = refused("the program", &io::Error::from_raw_os_error(libc::EPERM));
        assert!(reason.contains("the program") && remedy.contains("CAP_BPF and CAP_NET_ADMIN"), "{reason}. {remedy}");
        assert_eq!(refused("it", &io::Error::from_raw_os_error(libc::ENODEV)).remedy, "Leave sendBy at \"call\"");
    }
}
