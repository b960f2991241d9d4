//! Takes one core at a time away from everybody, as a hypervisor does: random bursts under SCHED_FIFO.
//!
//! ```text
//! thief --seconds 30 [--cpus 0,1] [--priority 80] [--least-ms 1] [--most-ms 100] [--share 0.4]
//! ```
//!
//! Each burst is on a random one of the cores; `share` is the part of the time in which some core is taken. Bursts are
//! never on two cores at once. A share of 0.4 over two cores leaves each below the kernel's limit for real-time threads
//! (95 %) beside a dispatcher that pauses for 8 %.

use std::process::ExitCode;

use i405_random::Random;
use i405_testkit::args::{Args, Failure};
use i405_testkit::clock::{monotonic_ns, seconds, sleep_until};
use i405_testkit::json::Line;
use i405_testkit::program::{self, stopped};
use i405_testkit::sys::sched;

/// Above the tunnel's dispatchers (45) and the yardsticks (50).
const PRIORITY: i32 = 80;
/// A part of the time in which both cores together are taken that still leaves the machine usable.
const MOST_SHARE: f64 = 0.8;

fn main() -> ExitCode {
    program::run(thief)
}

fn thief(mut args: Args) -> Result<(), Failure> {
    let duration_ns = seconds(f64::min(args.or("seconds", 10.0)?, program::LONGEST_S));
    let cpus: String = args.or("cpus", "0,1".to_owned())?;
    let cpus = cpus.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let priority: i32 = args.or("priority", PRIORITY)?;
    let least_ns = seconds(args.or("least-ms", 1.0)? / 1e3);
    let most_ns = seconds(args.or("most-ms", 100.0)? / 1e3);
    let share: f64 = args.or("share", 0.4)?;
    let seed: u64 = args.or("seed", 1405)?;
    args.finish()?;
    if least_ns == 0 || most_ns < least_ns || !(0.01..=MOST_SHARE).contains(&share) {
        return Err(format!("expected 0 < least-ms <= most-ms, and a share of 0.01 to {MOST_SHARE}").into());
    }

    sched::fifo(priority)?;
    sched::settle()?;
    let mut random = Random::new(seed);
    let end_ns = monotonic_ns() + duration_ns;
    let (mut bursts, mut taken_ns) = (0_u64, 0_u64);
    Line::event("ready").print();
    while monotonic_ns() < end_ns && !stopped() {
        sched::pin(random.one_of(&cpus))?;
        let start_ns = monotonic_ns();
        let burst_ns = random.between(least_ns, most_ns);
        while monotonic_ns() < start_ns + burst_ns {
            std::hint::spin_loop();
        }
        let after_ns = monotonic_ns();
        bursts += 1;
        taken_ns += after_ns - start_ns;
        sleep_until(after_ns + (burst_ns as f64 * (1.0 - share) / share) as u64);
    }
    Line::event("done").plain("bursts", bursts).real("seconds", taken_ns as f64 / 1e9).print();
    Ok(())
}
