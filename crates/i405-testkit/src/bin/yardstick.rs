//! What this machine does without a tunnel: a bare sender on a fixed grid, and a spinner that counts what it loses.
//!
//! ```text
//! yardstick sleep --interval-us 1000 --seconds 60 [--to 10.0.0.2:9] [--length 1500] [--cpu 1] [--fifo] [--jitter-us 250]
//! yardstick spin  ...the same...  [--breathe-us 80] [--gap-us 50]
//! ```
//!
//! `sleep` waits with an absolute `clock_nanosleep`, `spin` watches the clock. Both follow the tunnel's rule for late
//! wake-ups: go at once, skip the deadlines that have passed, count them as missed. Without `--to` nothing is sent.
//!
//! `--jitter-us` draws every interval anew, from a density of two steps of that half width: the inner half of the width
//! four times as likely as the outer. Each deadline follows from the one before it.
//!
//! A spinner under SCHED_FIFO runs into the kernel's real-time throttle, which takes it off its core for 50 ms of
//! every second. `--breathe-us` sleeps that long after a slot, once in a millisecond (so for slots up to that), and what
//! is counted is the machine's loss and not the throttle's: slots that pass meanwhile are no slots, and what begins in a
//! pause isn't seen. Gaps: spells above `--gap-us` in which the spinner did not run although it wanted to.

use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;

use i405_random::Random;
use i405_testkit::args::{Args, Failure};
use i405_testkit::clock::{monotonic_ns, seconds, sleep_until, thread_cpu_ns};
use i405_testkit::endpoint::{connect_udp, headers};
use i405_testkit::json::Line;
use i405_testkit::program::{self, stopped};
use i405_testkit::summary::Summary;
use i405_testkit::sys::sched;

/// A spell without the CPU that counts as lost, in microseconds: as the design's figures have it.
const GAP_US: f64 = 50.0;

/// A spinner pauses after the slot that comes next to this long after its last pause. 1 ms.
const BREATHE_EVERY_NS: u64 = 1_000_000;

/// Time between set-up and first deadline. 10 ms.
const LEAD_NS: u64 = 10_000_000;

fn main() -> ExitCode {
    program::run(yardstick)
}

/// What a spinner did not get.
struct Lost {
    /// Shorter spells don't count.
    shortest_ns: u64,
    gaps: Vec<u64>,
    looked_ns: u64,
    /// All the time in which it wanted to run.
    watched_ns: u64,
}

impl Lost {
    /// From now on it wants to run. What it has slept till then, and how late it woke up, is its own doing.
    fn watch(&mut self) {
        self.looked_ns = monotonic_ns();
    }

    /// Reads the clock again.
    fn look(&mut self) -> u64 {
        let now_ns = monotonic_ns();
        let gap = now_ns - self.looked_ns;
        if gap > self.shortest_ns {
            self.gaps.push(gap);
        }
        self.watched_ns += gap;
        self.looked_ns = now_ns;
        now_ns
    }
}

enum Wait {
    Sleep,
    Spin(Spinner),
}

struct Spinner {
    /// 0: it never pauses.
    breathe_ns: u64,
    interval_ns: u64,
    breathed_ns: u64,
    lost: Lost,
}

impl Wait {
    fn until(&mut self, deadline_ns: u64) -> u64 {
        match self {
            Self::Sleep => {
                sleep_until(deadline_ns);
                monotonic_ns()
            }
            Self::Spin(Spinner { lost, .. }) => loop {
                let now = lost.look();
                if now >= deadline_ns {
                    return now;
                }
                std::hint::spin_loop();
            },
        }
    }

    /// After a slot. Returns until when it slept, if it did.
    fn breathe(&mut self, now_ns: u64) -> Option<u64> {
        let Self::Spin(spinner) = self else { return None };
        if spinner.breathe_ns == 0 || now_ns + spinner.interval_ns / 2 < spinner.breathed_ns + BREATHE_EVERY_NS {
            return None;
        }
        spinner.breathed_ns = now_ns;
        sleep_until(now_ns + spinner.breathe_ns);
        spinner.lost.watch();
        Some(spinner.lost.looked_ns)
    }
}

/// The deadlines: a grid, or with jitter a random walk.
struct Deadlines {
    interval_ns: u64,
    jitter_ns: u64,
    due_ns: u64,
    random: Random,
}

impl Deadlines {
    /// Goes on to the next one.
    fn advance(&mut self) {
        // Three parts of the density's five lie over the inner half, beside the two under all of the width.
        let reach = if self.random.chance(0.6) { self.jitter_ns / 2 } else { self.jitter_ns };
        let offset = if reach == 0 { 0 } else { self.random.below(2 * reach + 1) };
        self.due_ns += self.interval_ns + offset - reach;
    }
}

fn yardstick(mut args: Args) -> Result<(), Failure> {
    let breathe_ns = seconds(args.or("breathe-us", 0.0)? / 1e6);
    let shortest_ns = seconds(args.or("gap-us", GAP_US)? / 1e6);
    let interval_ns = seconds(args.or("interval-us", 1000.0)? / 1e6);
    let mut wait = match args.mode.as_deref() {
        Some("sleep") => Wait::Sleep,
        Some("spin") => {
            let lost = Lost { shortest_ns, gaps: Vec::new(), looked_ns: 0, watched_ns: 0 };
            Wait::Spin(Spinner { breathe_ns, interval_ns, breathed_ns: 0, lost })
        }
        other => return Err(format!("a mode is needed, sleep or spin, got {other:?}").into()),
    };
    let duration_ns = seconds(f64::min(args.or("seconds", 10.0)?, program::LONGEST_S));
    let to: Option<SocketAddr> = args.value("to")?;
    let length: usize = args.or("length", 1500)?;
    let cpu: Option<usize> = args.value("cpu")?;
    let fifo = args.switch("fifo")?;
    let jitter_ns = seconds(args.or("jitter-us", 0.0)? / 1e6);
    args.finish()?;
    if interval_ns == 0 {
        return Err("--interval-us must be above 0".into());
    }
    if jitter_ns > interval_ns {
        return Err("--jitter-us must not be above --interval-us".into());
    }

    let socket = to.map(|to| connect_udp(None, to)).transpose()?;
    let mut payload = vec![0; length.saturating_sub(to.map_or(28, |to| headers(&to)))];
    Random::new(1405).fill(&mut payload);
    let slots = duration_ns / interval_ns;
    let mut lateness: Vec<u64> = Vec::with_capacity(slots as usize + 1);
    if let Some(cpu) = cpu {
        sched::pin(cpu)?;
    }
    if fifo {
        sched::fifo(sched::FIFO_PRIORITY)?;
    }
    sched::settle()?;
    Line::event("ready").print();

    let start_ns = monotonic_ns() + LEAD_NS;
    if let Wait::Spin(Spinner { lost, .. }) = &mut wait {
        sleep_until(start_ns - LEAD_NS / 2);
        lost.watch();
    }
    let cpu_before = thread_cpu_ns();
    let (mut slot, mut missed, mut paused, mut errors) = (0, 0, 0, 0_u64);
    let mut deadlines = Deadlines { interval_ns, jitter_ns, due_ns: start_ns, random: Random::new(start_ns) };
    while slot < slots && !stopped() {
        let deadline_ns = deadlines.due_ns;
        let now = wait.until(deadline_ns);
        if now < deadline_ns {
            continue;
        }
        errors += u64::from(send(socket.as_ref(), &mut payload, slot).is_err());
        lateness.push(now - deadline_ns);
        let before = slot;
        while deadlines.due_ns <= now {
            deadlines.advance();
            slot += 1;
        }
        missed += slot.min(slots) - before - 1;
        if let Some(awake_ns) = wait.breathe(now) {
            while deadlines.due_ns <= awake_ns && slot < slots {
                deadlines.advance();
                slot += 1;
                paused += 1;
            }
        }
    }
    let ran_ns = monotonic_ns() - start_ns;
    let cpu_ns = thread_cpu_ns() - cpu_before;
    let mut line = Line::event("done")
        .plain("slots", slot.min(slots) - paused)
        .plain("sent", lateness.len())
        .plain("missed", missed)
        .plain("sendErrors", errors)
        .plain("startNs", start_ns)
        .real("seconds", ran_ns as f64 / 1e9)
        .real("cpuShare", cpu_ns as f64 / ran_ns as f64)
        .summary("latenessUs", &Summary::of(&mut lateness));
    if let Wait::Spin(Spinner { lost, .. }) = &mut wait {
        let total_ns: u64 = lost.gaps.iter().sum();
        line = line
            .real("gapPercent", 100.0 * total_ns as f64 / lost.watched_ns as f64)
            // Whole intervals that passed during gaps: what a perfect spinner has to miss.
            .plain("gapSlots", lost.gaps.iter().map(|gap| gap / interval_ns).sum::<u64>())
            .summary("gapsUs", &Summary::of(&mut lost.gaps));
    }
    line.print();
    Ok(())
}

fn send(socket: Option<&UdpSocket>, payload: &mut [u8], slot: u64) -> std::io::Result<()> {
    let Some(socket) = socket else { return Ok(()) };
    if let Some(head) = payload.first_chunk_mut::<4>() {
        *head = (slot as u32).to_be_bytes();
    }
    socket.send(payload).map(|_| ())
}
