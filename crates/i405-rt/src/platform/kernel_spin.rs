//! A spin loop in the kernel, at the egress hook (tcx) of the interface that datagrams leave by.
//!
//! A slot is handed over shortly before its deadline with that as its launch time (SCM_TXTIME). Route, allocation and copy
//! are done by then. The program below, called with the datagram on its way to the driver, loops until the deadline with
//! bottom halves off, so that no other thread gets in between. No queueing discipline has to know of launch times.
//!
//! The program and its hook end with their descriptors, also after SIGKILL.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;

use crate::platform::egress::Egress;
use crate::platform::lock::lock;
use crate::platform::refused::Refused;
use crate::platform::socket::OuterSocket;
use i405_sys::bpf::{self, Instruction, SharedCounters};
use i405_sys::txtime::LaunchClock;

/// Longest spin. A launch time further ahead is a mistake or somebody's clock, and the datagram is dropped: nothing ever
/// keeps a core for longer with bottom halves off. Several times the lead of any poll mode.
const MOST_SPIN_NS: i32 = 1_000_000;

/// Interfaces where it is attached at a time.
const MOST_HOOKS: usize = 2;

/// Registers that calls of helpers leave alone.
const DATAGRAM: u8 = 6;
const LAUNCH: u8 = 7;
/// What helpers return and take.
const R0: u8 = 0;
const R1: u8 = 1;
const R2: u8 = 2;
const R3: u8 = 3;
/// linux/bpf.h: `___BPF_FUNC_MAPPER`.
const KTIME_GET_NS: i32 = 5;
const GET_SOCKET_COOKIE: i32 = 46;
const SKB_SET_TSTAMP: i32 = 192;
/// `offsetof(struct __sk_buff, tstamp)`.
const TSTAMP: i16 = 152;
/// `enum tcx_action_base`.
const TCX_NEXT: i32 = -1;
const TCX_DROP: i32 = 2;
/// Places of the counters, bytes.
const HELD: i32 = 0;
const REFUSED: i32 = 8;

/// linux/bpf_common.h and linux/bpf.h: class, operation and operand of the instructions that are used.
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const COPY: u8 = 0xbf;
const SET: u8 = 0xb7;
const SET_WIDE: u8 = 0x18;
const LOAD: u8 = 0x79;
const ADD: u8 = 0x07;
const ADD_ATOMICALLY: u8 = 0xdb;
const GO_IF_ZERO: u8 = 0x15;
const GO_IF_NOT_EQUAL: u8 = 0x5d;
const GO_IF_ABOVE: u8 = 0x2d;
const GO_IF_BELOW: u8 = 0xad;
const MAY_GO: u8 = 0xe5;
/// What a number in two instructions is: a number, or (`BPF_PSEUDO_MAP_VALUE`) a map and a place in its value.
const NUMBER: u8 = 0;
const PLACE: u8 = 2;

/// `struct bpf_insn`: operation, registers, offset, number.
const fn instruction(code: u8, to: u8, from: u8, offset: i16, number: i32) -> Instruction {
    // The two registers are four bits each, in the order of the machine's bit fields.
    let registers = if cfg!(target_endian = "little") { from << 4 | to } else { to << 4 | from };
    let [low, high] = offset.to_ne_bytes();
    let [a, b, c, d] = number.to_ne_bytes();
    Instruction::from_ne_bytes([code, registers, low, high, a, b, c, d])
}

/// The program for one socket. It counts in the map `counters`. On the right is each instruction as the verifier lists it.
#[rustfmt::skip]
fn program(cookie: u64, counters: i32) -> [Instruction; 29] {
    let (cookie_low, cookie_high) = (cookie as u32 as i32, (cookie >> 32) as i32);
    [
        // The datagram is kept where calls leave it alone.
        instruction(COPY, DATAGRAM, R1, 0, 0),               //  0: r6 = r1
        // Other sockets' datagrams are none of our business, whatever launch times they carry.
        instruction(CALL, 0, 0, 0, GET_SOCKET_COOKIE),       //  1: call bpf_get_socket_cookie
        instruction(SET_WIDE, R1, NUMBER, 0, cookie_low),    //  2: r1 = cookie
        instruction(0, 0, 0, 0, cookie_high),
        instruction(GO_IF_NOT_EQUAL, R0, R1, 16, 0),         //  4: if r0 != r1 goto 21
        // Without a launch time this slot leaves by the call.
        instruction(LOAD, LAUNCH, DATAGRAM, TSTAMP, 0),      //  5: r7 = *(u64 *)(r6 + 152)
        instruction(GO_IF_ZERO, LAUNCH, 0, 14, 0),           //  6: if r7 == 0 goto 21
        // Is it too far ahead?
        instruction(CALL, 0, 0, 0, KTIME_GET_NS),            //  7: call bpf_ktime_get_ns
        instruction(ADD, R0, 0, 0, MOST_SPIN_NS),            //  8: r0 += 1000000
        instruction(GO_IF_ABOVE, LAUNCH, R0, 13, 0),         //  9: if r7 > r0 goto 23
        // Counted before the loop, so that nothing comes after it that needn't.
        instruction(SET_WIDE, R1, PLACE, 0, counters),       // 10: r1 = &held
        instruction(0, 0, 0, 0, HELD),
        instruction(SET, R2, 0, 0, 1),                       // 12: r2 = 1
        instruction(ADD_ATOMICALLY, R1, R2, 0, 0),           // 13: lock *(u64 *)(r1 + 0) += r2
        // The loop. The kernel leaves it at `may_goto` after 2^23 rounds, from Linux 6.15 on after 250 ms.
        instruction(MAY_GO, 0, 0, 2, 0),                     // 14: may_goto 17
        instruction(CALL, 0, 0, 0, KTIME_GET_NS),            // 15: call bpf_ktime_get_ns
        instruction(GO_IF_BELOW, R0, LAUNCH, -3, 0),         // 16: if r0 < r7 goto 14
        // With its launch time, what comes behind would hold it or drop it as late.
        instruction(COPY, R1, DATAGRAM, 0, 0),               // 17: r1 = r6
        instruction(SET, R2, 0, 0, 0),                       // 18: r2 = 0
        instruction(SET, R3, 0, 0, 0),                       // 19: r3 = 0
        instruction(CALL, 0, 0, 0, SKB_SET_TSTAMP),          // 20: call bpf_skb_set_tstamp
        // Whoever else is at the hook has its turn, with what is not ours as well.
        instruction(SET, R0, 0, 0, TCX_NEXT),                // 21: r0 = -1
        instruction(EXIT, 0, 0, 0, 0),                       // 22: exit
        // Too far ahead: dropped, and counted.
        instruction(SET_WIDE, R1, PLACE, 0, counters),       // 23: r1 = &refused
        instruction(0, 0, 0, 0, REFUSED),
        instruction(SET, R2, 0, 0, 1),                       // 25: r2 = 1
        instruction(ADD_ATOMICALLY, R1, R2, 0, 0),           // 26: lock *(u64 *)(r1 + 0) += r2
        instruction(SET, R0, 0, 0, TCX_DROP),                // 27: r0 = 2
        instruction(EXIT, 0, 0, 0, 0),                       // 28: exit
    ]
}

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
        let program = bpf::load("i405_spin", &program(cookie, counters.number())).map_err(|refusal| {
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

/// What its launch times are in.
pub const CLOCK: LaunchClock = LaunchClock::Monotonic;
const INSTEAD: &str = "or leave sendBy at \"call\"";

fn refused(what: &str, error: &io::Error) -> Refused {
    let remedy = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => format!("Give the program CAP_BPF and CAP_NET_ADMIN, {INSTEAD}"),
        Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP) => format!("It takes Linux 6.9 or newer, {INSTEAD}"),
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

    /// The program as the kernel reads it, for whoever reads it here.
    const LISTING: [&str; 22] = [
        "0: (bf) r6 = r1",
        "1: (85) call bpf_get_socket_cookie#46",
        "2: (18) r1 = 0x102030405060708",
        "4: (5d) if r0 != r1 goto pc+16",
        "5: (79) r7 = *(u64 *)(r6 +152)",
        "6: (15) if r7 == 0x0 goto pc+14",
        "7: (85) call bpf_ktime_get_ns#5",
        "8: (07) r0 += 1000000",
        "9: (2d) if r7 > r0 goto pc+13",
        "10: (18) r1 = 0x",
        "12: (b7) r2 = 1",
        "13: (db) lock *(u64 *)(r1 +0) += r2",
        "14: (e5) may_goto pc+2",
        "15: (85) call bpf_ktime_get_ns#5",
        "16: (ad) if r0 < r7 goto pc-3",
        "17: (bf) r1 = r6",
        "18: (b7) r2 = 0",
        "19: (b7) r3 = 0",
        "20: (85) call bpf_skb_set_tstamp#192",
        "21: (b7) r0 = -1",
        "22: (95) exit",
        "27: (b7) r0 = 2",
    ];

    #[test]
    fn the_kernel_reads_the_program_as_it_is_meant() {
        let Ok(counters) = SharedCounters::new(2) else { return assert_not_root() };
        let listing = bpf::listing("i405_spin", &program(0x0102_0304_0506_0708, counters.number())).unwrap();
        for line in LISTING {
            assert!(listing.lines().any(|read| read.starts_with(line)), "{line} is not in\n{listing}");
        }
    }

    /// Without CAP_BPF nothing can be shown here. Where a test run has it, nothing may be left out.
    fn assert_not_root() {
        assert!(!rustix::process::geteuid().is_root(), "root may load programs");
    }

    #[test]
    fn datagrams_of_this_socket_alone_are_held_until_their_launch_time_and_no_longer_than_is_allowed() {
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        to.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let address = to.local_addr().unwrap();
        let [ours, other] = [(); 2].map(|()| OuterSocket::open("127.0.0.1:0".parse().unwrap(), None).unwrap());
        let spin = match KernelSpin::load(&ours, None) {
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
    fn without_permission_the_remedy_names_it() {
        let Refused { reason, remedy } = refused("the program", &io::Error::from_raw_os_error(libc::EPERM));
        assert!(reason.contains("the program") && remedy.contains("CAP_BPF and CAP_NET_ADMIN"), "{reason}. {remedy}");
        assert_eq!(refused("it", &io::Error::from_raw_os_error(libc::ENODEV)).remedy, "Leave sendBy at \"call\"");
    }
}
