//! Launch times (SO_TXTIME): when they can be had, and which one a slot gets.
//!
//! The socket option alone proves nothing: under most queueing disciplines the kernel takes the launch time and sends
//! at once. So the interface's discipline is read first. Nothing is sent to try it out, because an observer would see a
//! datagram outside the schedule. The first slots then show whether they were held ([`crate::platform::launch_trial`]).
//!
//! A slot is handed over [`Launch::lead_ns`] before its deadline, so that a late wake-up moves nothing on the wire.

use std::net::SocketAddr;

use crate::platform::clock::{monotonic_ns, tai_ns};
use crate::platform::config::{OpenConfig, PollMode, SendBy};
use crate::platform::egress::{Egress, Qdisc, all_qdiscs};
use crate::platform::error::Error;
use crate::platform::kernel_spin;
use crate::platform::launch_trial::TELLING_NS;
use crate::platform::refused::Refused;
use crate::platform::socket::OuterSocket;
use crate::platform::timestamping;
use i405_sys::txtime::LaunchClock;

/// The waking up of a thread that a launch time makes up for: more than its p99.9 where this was measured.
const LATEST_WAKE_NS: u64 = 500_000;
/// From the call until the discipline has the datagram and has set its timer.
const QUEUEING_NS: u64 = 100_000;
/// The kernel's spin loop takes over so long before the deadline. In `sleepy` that makes up for the wake-up (p99 about
/// 65 us where this was measured) and the call (10 us with cold caches); in the other modes the thread has spun already, and it
/// makes up for the call alone and what may interrupt the thread.
const SLEEPY_SPIN_NS: u64 = 120_000;
const SPUN_NS: u64 = 40_000;
/// At most one part in so many of an interval is spun in the kernel, where nothing else of that core has its turn.
const LEAST_INTERVALS_IN_SPIN: u64 = 4;
/// What a discipline that holds datagrams is called.
const ETF: &str = "etf";
const FQ: &str = "fq";
/// Disciplines that only hand on to others.
const CONTAINERS: [&str; 3] = ["mq", "mqprio", "taprio"];
/// linux/pkt_sched.h: etf's one option, `delta`, `clockid`, `flags` of four bytes each.
const TCA_ETF_PARMS: u16 = 1;
const TC_ETF_DEADLINE_MODE_ON: u32 = 1 << 0;
const TC_ETF_OFFLOAD_ON: u32 = 1 << 1;

/// How slots are given launch times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The discipline's clock.
    pub clock: LaunchClock,
    /// From the call to the earliest deadline that can be kept.
    pub least_ns: u64,
    /// etf without offload sends this much before the launch time.
    pub early_ns: u64,
    /// How much later than planned the call may come.
    pub spare_ns: u64,
    /// Who holds the datagram until then.
    pub holder: Holder,
}

/// What slots are launched with, and towards where.
#[derive(Clone, Copy, Debug)]
pub struct Launching {
    /// How.
    pub launch: Launch,
    /// Where to.
    pub to: SocketAddr,
    /// There is a hook on the way, and slots are launched. Else they leave by the call.
    pub on: bool,
}

/// Who holds datagrams until their launch time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A queueing discipline or the card. Timestamps show whether it does.
    Discipline,
    /// [`crate::platform::kernel_spin`]. It counts what it holds.
    Kernel,
}

impl Launch {
    /// How long before its deadline a slot is handed over.
    pub fn lead_ns(self) -> u64 {
        self.least_ns + self.spare_ns
    }

    /// By the kernel's spin loop, which is entered `spare_ns` before the deadline if the thread wakes in time.
    pub fn by_kernel(mode: PollMode, interval_ns: u64) -> Launch {
        let spare_ns = if mode == PollMode::Sleepy { SLEEPY_SPIN_NS } else { SPUN_NS };
        let spare_ns = spare_ns.min(interval_ns / LEAST_INTERVALS_IN_SPIN);
        Launch { clock: kernel_spin::CLOCK, least_ns: 0, early_ns: 0, spare_ns, holder: Holder::Kernel }
    }

    /// The launch time of a slot: its deadline, or, where it is handed over too late for that, the next possible instant.
    #[inline]
    pub fn launch_ns(self, deadline_ns: u64, called_ns: u64) -> u64 {
        let at_ns = deadline_ns.max(called_ns + self.least_ns) + self.early_ns;
        match self.clock {
            LaunchClock::Monotonic => at_ns,
            // Both are read for each slot: somebody may set the clock.
            LaunchClock::Tai => at_ns + tai_ns().saturating_sub(monotonic_ns()),
        }
    }

    /// Whether a slot handed over now will be held long enough for its timestamp to say that it was.
    #[inline]
    pub fn is_telling(self, deadline_ns: u64, called_ns: u64) -> bool {
        deadline_ns >= called_ns + self.least_ns + TELLING_NS
    }

    /// What an interface's disciplines allow.
    ///
    /// # Errors
    /// What is missing and what to do about it.
    pub fn through(interface: &str, qdiscs: &[Qdisc]) -> Result<Launch, Refused> {
        let leaves: Vec<&Qdisc> = qdiscs.iter().filter(|qdisc| !CONTAINERS.contains(&qdisc.kind.as_str())).collect();
        let refused = |reason: String| {
            Err(Refused {
                reason,
                remedy: format!(
                    "Put etf there (tc qdisc replace dev {interface} root etf clockid CLOCK_TAI delta 200000, with `offload` \
             where the card has it; kernel option CONFIG_NET_SCH_ETF), or leave sendBy at \"call\""
                ),
            })
        };
        let Some(first) = leaves.first() else {
            return refused(format!("the interface {interface} has no queueing discipline, so it sends at once"));
        };
        if let Some(other) = leaves.iter().find(|leaf| leaf.kind != ETF && leaf.kind != FQ) {
            let some = leaves.iter().any(|leaf| leaf.kind == ETF || leaf.kind == FQ);
            let kind = &other.kind;
            return refused(if some {
                format!("only some queues of the interface {interface} hold datagrams, others are {kind}")
            } else {
                format!("the interface {interface} sends through {kind}, which ignores launch times")
            });
        }
        if leaves.iter().any(|leaf| (&leaf.kind, &leaf.options) != (&first.kind, &first.options)) {
            return refused(format!("the queues of the interface {interface} have different disciplines"));
        }
        if first.kind == FQ {
            return Ok(Launch {
                clock: LaunchClock::Monotonic,
                least_ns: QUEUEING_NS,
                early_ns: 0,
                spare_ns: LATEST_WAKE_NS,
                holder: Holder::Discipline,
            });
        }
        match Launch::through_etf(first) {
            Some(launch) => Ok(launch),
            None => refused(format!("etf on the interface {interface} is not on CLOCK_TAI, or in deadline mode")),
        }
    }

    fn through_etf(etf: &Qdisc) -> Option<Launch> {
        let (_, parameters) = etf.options.iter().find(|(kind, _)| *kind == TCA_ETF_PARMS)?;
        let word = |index: usize| Some(u32::from_ne_bytes(parameters.get(index * 4..index * 4 + 4)?.try_into().ok()?));
        let (delta_ns, clockid, flags) = (u64::from(word(0)?), word(1)?, word(2)?);
        if clockid != libc::CLOCK_TAI.unsigned_abs() || flags & TC_ETF_DEADLINE_MODE_ON != 0 {
            return None;
        }
        // etf lets a datagram go `delta` before its time: to the card, which waits, or without one to the wire.
        let (least_ns, early_ns) = if flags & TC_ETF_OFFLOAD_ON != 0 { (delta_ns, 0) } else { (0, delta_ns) };
        Some(Launch {
            clock: LaunchClock::Tai,
            least_ns: least_ns + QUEUEING_NS,
            early_ns,
            spare_ns: LATEST_WAKE_NS,
            holder: Holder::Discipline,
        })
    }
}

/// Whether and how slots to this address get launch times: reads the discipline and sets the socket up.
///
/// # Errors
/// What is missing and what to do about it.
pub fn towards(socket: &OuterSocket, to: SocketAddr, fwmark: Option<u32>) -> Result<Launch, Refused> {
    let unreadable =
        |error| Refused::new(format!("the way to {} could not be looked up: {error}", to.ip()), "Check the route");
    let egress = Egress::towards(to, fwmark).map_err(unreadable)?;
    let launch = Launch::through(&egress.name, &egress.qdiscs().map_err(unreadable)?)?;
    if !timestamping::can_be_seen(socket, &egress.name) {
        let name = &egress.name;
        return Err(Refused::new(
            format!(
                "the driver of {name} has no transmit timestamps (ethtool -T {name}), by which it would be seen whether \
                 launch times are kept"
            ),
            "Leave sendBy at \"call\"",
        ));
    }
    socket.launch_by(launch.clock).map_err(|error| {
        let remedy = "Give the program CAP_NET_ADMIN, or leave sendBy at \"call\"";
        Refused::new(format!("the kernel refused SO_TXTIME: {error}"), remedy)
    })?;
    Ok(launch)
}

/// What can be told at opening. The way to a client's server is known. A server doesn't know the ways to its clients
/// yet, but where no interface holds datagrams, none of these ways does.
///
/// # Errors
/// [`Error::Txtime`] with the reason.
pub fn check(socket: &OuterSocket, config: &OpenConfig) -> Result<(), Error> {
    if config.send_by != SendBy::Txtime {
        return Ok(());
    }
    if let Some(peer) = config.peer {
        return towards(socket, peer, config.fwmark).map(|_| ()).map_err(Error::Txtime);
    }
    let qdiscs = all_qdiscs().map_err(Error::system("read the queueing disciplines"))?;
    if qdiscs.iter().any(|qdisc| qdisc.kind == ETF || qdisc.kind == FQ) {
        return Ok(());
    }
    Err(Error::Txtime(Refused::new(
        "no interface has etf or fq, and every other queueing discipline ignores launch times",
        "Put etf on the outgoing one (tc qdisc replace dev IF root etf clockid CLOCK_TAI delta 200000; kernel option \
         CONFIG_NET_SCH_ETF), or leave sendBy at \"call\"",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAUNCH: Launch = Launch {
        clock: LaunchClock::Monotonic,
        least_ns: QUEUEING_NS,
        early_ns: 0,
        spare_ns: LATEST_WAKE_NS,
        holder: Holder::Discipline,
    };

    fn qdisc(kind: &str, options: Vec<(u16, Vec<u8>)>) -> Qdisc {
        Qdisc { index: 2, kind: kind.to_owned(), root: true, options }
    }

    fn etf(delta_ns: u32, clockid: i32, flags: u32) -> Qdisc {
        let words = [delta_ns.to_ne_bytes(), clockid.to_ne_bytes(), flags.to_ne_bytes()];
        qdisc(ETF, vec![(TCA_ETF_PARMS, words.concat())])
    }

    #[test]
    fn other_disciplines_are_refused_by_name_and_with_the_remedy() {
        for kind in ["noqueue", "fq_codel", "pfifo_fast", "noprio"] {
            let Refused { reason, remedy } = Launch::through("eth0", &[qdisc(kind, Vec::new())]).unwrap_err();
            assert!(
                reason.contains(kind) && remedy.contains("tc qdisc replace dev eth0 root etf"),
                "{reason}. {remedy}"
            );
        }
        assert!(Launch::through("eth0", &[]).unwrap_err().reason.contains("no queueing discipline"));
        let mixed = [qdisc("mqprio", Vec::new()), etf(200_000, libc::CLOCK_TAI, 0), qdisc("fq_codel", Vec::new())];
        assert!(Launch::through("eth0", &mixed).unwrap_err().reason.contains("only some queues"));
        for bad in [etf(200_000, libc::CLOCK_MONOTONIC, 0), etf(200_000, libc::CLOCK_TAI, TC_ETF_DEADLINE_MODE_ON)] {
            assert!(Launch::through("eth0", &[bad]).unwrap_err().reason.contains("not on CLOCK_TAI"));
        }
        assert!(Launch::through("eth0", &[qdisc(ETF, Vec::new())]).is_err(), "etf without its options");
    }

    #[test]
    fn etf_leaves_at_the_deadline_with_and_without_the_card() {
        let tai = libc::CLOCK_TAI;
        let software = Launch::through("eth0", &[etf(200_000, tai, 0)]).unwrap();
        let card =
            [qdisc("mq", Vec::new()), etf(200_000, tai, TC_ETF_OFFLOAD_ON), etf(200_000, tai, TC_ETF_OFFLOAD_ON)];
        let card = Launch::through("eth0", &card).unwrap();
        let tai = LaunchClock::Tai;
        let held = Launch { clock: tai, least_ns: QUEUEING_NS, early_ns: 200_000, ..LAUNCH };
        assert_eq!(software, held);
        assert_eq!(card, Launch { clock: tai, least_ns: 200_000 + QUEUEING_NS, ..LAUNCH });
        let different = [etf(200_000, libc::CLOCK_TAI, 0), etf(300_000, libc::CLOCK_TAI, 0)];
        assert!(Launch::through("eth0", &different).unwrap_err().reason.contains("different"));
    }

    #[test]
    fn the_launch_time_is_the_deadline_or_the_next_instant_that_can_be_kept() {
        let fq = Launch::through("eth0", &[qdisc(FQ, Vec::new())]).unwrap();
        assert_eq!(fq.launch_ns(9_000_000, 9_000_000 - fq.lead_ns()), 9_000_000);
        assert_eq!(fq.launch_ns(9_000_000, 9_000_000 - fq.least_ns), 9_000_000);
        assert_eq!(fq.launch_ns(9_000_000, 9_000_000), 9_000_000 + fq.least_ns);
        let etf = Launch { clock: LaunchClock::Tai, least_ns: 1, early_ns: 200_000, ..LAUNCH };
        let deadline_ns = monotonic_ns() + 1_000_000_000;
        let ahead_ns = etf.launch_ns(deadline_ns, 0) - tai_ns();
        assert!((900_000_000..1_000_300_000).contains(&ahead_ns), "{ahead_ns}");
    }

    #[test]
    fn the_kernel_spins_for_a_part_of_the_interval_at_most() {
        let leads = |mode, interval_ns| Launch::by_kernel(mode, interval_ns).lead_ns();
        assert_eq!((leads(PollMode::Sleepy, 1_000_000), leads(PollMode::Dozy, 1_000_000)), (120_000, 40_000));
        assert_eq!((leads(PollMode::Sleepy, 100_000), leads(PollMode::Spinny, 100_000)), (25_000, 25_000));
        // Called too late, it leaves at once.
        assert_eq!(Launch::by_kernel(PollMode::Sleepy, 1_000_000).launch_ns(5, 7), 7);
    }
}
