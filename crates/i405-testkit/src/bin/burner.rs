//! The tunnel's burner as a program of its own, so that each kind of loop can be measured beside a tunnel without one.
//! It is also an ordinary program that counts what it gets done, which shows what a burner takes from others.
//!
//! ```text
//! burner spin|pause|memory|vector --cpu 1 [--seconds 60]
//! burner work --cpu 1 [--seconds 10] [--rest-us 0] [--work-us 1000]
//! ```
//!
//! `work` is a program of the ordinary class that works for `--work-us` by the clock of its own CPU time and then
//! sleeps for `--rest-us`, again and again. `done` has how many pieces it finished, the wall-clock seconds, and the CPU
//! seconds.

use std::hint::black_box;
use std::process::ExitCode;

use i405_rt::burner::burn_for_ever;
use i405_rt::burner::load::Kind;
use i405_testkit::args::{Args, Failure};
use i405_testkit::clock::{monotonic_ns, seconds, sleep_until, thread_cpu_ns};
use i405_testkit::json::Line;
use i405_testkit::program::{self, stopped};
use i405_testkit::sys::sched;

/// Steps of the ordinary program between two looks at the clock: some microseconds, so that looking costs little.
const STEPS: u64 = 4_096;

fn main() -> ExitCode {
    program::run(burner)
}

fn burner(mut args: Args) -> Result<(), Failure> {
    let mode = args.mode.clone().ok_or("a mode is needed: spin, pause, memory, vector or work")?;
    let cpu: usize = args.required("cpu")?;
    let end_ns = monotonic_ns() + seconds(f64::min(args.or("seconds", program::LONGEST_S)?, program::LONGEST_S));
    if mode == "work" {
        let work_ns = seconds(args.or("work-us", 1000.0)? / 1e6);
        let rest_ns = seconds(args.or("rest-us", 0.0)? / 1e6);
        args.finish()?;
        return work(cpu, work_ns, rest_ns, end_ns);
    }
    let kind: Kind = mode.parse()?;
    args.finish()?;
    Line::event("ready").print();
    burn_for_ever(cpu, kind, || stopped() || monotonic_ns() >= end_ns)?;
    Line::event("done").print();
    Ok(())
}

fn work(cpu: usize, work_ns: u64, rest_ns: u64, end_ns: u64) -> Result<(), Failure> {
    sched::pin(cpu)?;
    Line::event("ready").print();
    let (start_ns, cpu_before) = (monotonic_ns(), thread_cpu_ns());
    let (mut rounds, mut pieces) = (0_u64, 0_u64);
    while !stopped() && monotonic_ns() < end_ns {
        let until_ns = thread_cpu_ns() + work_ns;
        while thread_cpu_ns() < until_ns {
            (0..STEPS).for_each(|step| {
                black_box(step);
            });
            rounds += 1;
        }
        pieces += 1;
        if rest_ns > 0 {
            sleep_until(monotonic_ns() + rest_ns);
        }
    }
    Line::event("done")
        .plain("pieces", pieces)
        .plain("rounds", rounds)
        .real("seconds", (monotonic_ns() - start_ns) as f64 / 1e9)
        .real("cpuSeconds", (thread_cpu_ns() - cpu_before) as f64 / 1e9)
        .print();
    Ok(())
}
