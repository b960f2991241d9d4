//! The warnings of this crate but for those of `host`, by `Event::warning`.

use std::io;

use crate::platform::launch_trial::Verdict;
use crate::platform::refused::Refused;
use crate::realtime::refusal;
use crate::rings::event::Event;

/// SCHED_FIFO was refused.
pub fn sched_fifo(source: &io::Error) -> Event {
    let Refused { reason, remedy } = refusal::explain(source);
    Event::warning(
        "I405_SCHED_FIFO",
        format!("SCHED_FIFO was refused ({source}), so other programs can delay slots: {reason}"),
        format!("{remedy}. Or say schedFifo: false"),
    )
}

/// There is no burner, or it could not follow.
pub fn no_burner(source: &io::Error) -> Event {
    Event::warning(
        "I405_BURNER",
        format!("no burner runs where one was asked for ({source}), so a core may be idle between slots"),
        "Allow sched_setscheduler with SCHED_IDLE, and the core, in the sandbox or container; or say burner: \
         \"off\"",
    )
}

/// Memory could not be locked.
pub fn memory_lock(source: &io::Error) -> Event {
    Event::warning(
        "I405_MEMORY_LOCK",
        format!("memory of the timed thread could not be locked ({source}), so a page fault can delay a slot"),
        "Raise the memlock limit (ulimit -l, LimitMEMLOCK=) to 1 MiB or more, or give CAP_IPC_LOCK",
    )
}

/// A spinning thread was stopped by the kernel's limit.
pub fn throttled(stalls: u64) -> Event {
    Event::warning(
        "I405_RT_THROTTLED",
        format!(
            "the spinning thread was off its core for 30 ms or more {stalls} times: the kernel's real-time \
             throttle or the hypervisor"
        ),
        "Lift the limit (sysctl kernel.sched_rt_runtime_us=-1), use a longer interval, or pollMode \"dozy\"",
    )
}

/// A schedule is too short to pause in.
pub fn steps_down(interval_ns: u64) -> Event {
    Event::warning(
        "I405_RT_THROTTLE_SHORT",
        format!(
            "with {} us between slots there is no room for the pause that keeps a spinning thread off the \
             kernel's real-time throttle, so it is an ordinary thread for some of the time, in which other \
             programs on its core can delay slots",
            interval_ns as f64 / 1_000.0
        ),
        "Keep others off that core, or use a longer interval",
    )
}

/// The timestamps that were asked for do not come.
pub fn no_timestamps(reason: &str) -> Event {
    Event::warning(
        "I405_NO_TIMESTAMPS",
        format!("transmit timestamps do not come: {reason}"),
        "The deviation figures are those of the call until they do. Use another interface or driver, or say \
         deviationSource: \"call\"",
    )
}

/// Slots to this address cannot have launch times.
pub fn no_launches(Refused { reason, remedy }: Refused) -> Event {
    Event::warning("I405_TXTIME", format!("slots cannot have launch times: {reason}"), remedy)
}

/// The kernel cannot spin for slots to this address.
pub fn no_kernel_spin(Refused { reason, remedy }: Refused) -> Event {
    Event::warning("I405_BPF", format!("slots leave by the call until the kernel can hold them: {reason}"), remedy)
}

/// Slots came by no hook.
pub fn kernel_spin_passed_by() -> Event {
    Event::warning(
        "I405_BPF",
        "slots do not come by the hook at which the kernel spins, so they leave by the call until it is tried again",
        "Look at what else sends datagrams another way (policy routes, a redirecting program), or say sendBy: \"call\"",
    )
}

/// Launch times were used, and did nothing.
pub fn launches_ignored(verdict: Verdict) -> Event {
    let seen = match verdict {
        Verdict::AtOnce => "slots left at the call, long before the launch times that they carried",
        Verdict::Unseen => "no timestamp says whether slots leave at the launch times that they carry",
    };
    Event::warning(
        "I405_TXTIME",
        format!("{seen}, so from now on slots leave by the call"),
        "Look at the queueing discipline of the outgoing interface (tc qdisc show), or say sendBy: \"call\"",
    )
}

/// A route sends the tunnel's own datagrams into the tunnel.
pub fn routing_loop(packets: u64) -> Event {
    Event::warning(
        "I405_ROUTING_LOOP",
        format!(
            "{packets} of the tunnel's own datagrams came back out of its TUN interface and were dropped, so they \
             never reach the peer"
        ),
        "Keep the peer's address out of the tunnel: a route of its own past it, or a fwmark with a rule (as \
         --route default sets up)",
    )
}

/// The peer sends from addresses that aren't its own.
pub fn not_allowed(packets: u64) -> Event {
    Event::warning(
        "I405_NOT_ALLOWED",
        format!(
            "{packets} inner packets of the peer's were dropped, because their source isn't within allowedIps, or \
             they are from or to the machine itself"
        ),
        "If they are genuine, add their network to allowedIps",
    )
}

/// The device refuses to be read or written.
pub fn device_failing(refused: u64, errno: u64) -> Event {
    let reason = io::Error::from_raw_os_error(i32::try_from(errno).unwrap_or(libc::EIO));
    Event::warning(
        "I405_TUN_FAILING",
        format!("the TUN interface refused {refused} reads or writes of inner packets, the last one because: {reason}"),
        "The schedule goes on; look whether the interface is up (ip link) and has addresses of the packets' \
         family",
    )
}

/// More came than trial may cost.
pub fn flood(datagrams: u64) -> Event {
    Event::warning(
        "I405_FLOOD",
        format!("{datagrams} datagrams were dropped unseen, because more came from strangers than may be looked at"),
        "The peer that is connected is not affected; a new handshake may take longer. Nothing has to be done \
         here; a firewall that lets only known addresses through ends it",
    )
}

/// The kernel refuses to send.
pub fn send_failing(errors: u64, errno: u64) -> Event {
    let reason = io::Error::from_raw_os_error(i32::try_from(errno).unwrap_or(libc::EIO));
    Event::warning(
        "I405_SEND_FAILED",
        format!("the kernel refused {errors} datagrams, the last one because: {reason}"),
        "The schedule goes on; check route and firewall, and for \"Message too long\" a smaller packet length",
    )
}
