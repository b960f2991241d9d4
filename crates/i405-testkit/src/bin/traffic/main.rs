//! Traffic for the tests and benches, and what arrives of it. Every payload can be checked by the receiver.
//!
//! ```text
//! traffic udp-send   --to A:P --length 1400[,60,..] --pps 1000 [--count N] [--seconds S] [--seed N] [--bind A:P]
//! traffic udp-sink   --listen A:P [--count N] [--seconds S] [--seed N] [--report-ms 1000]
//! traffic udp-echo   --listen A:P [--seconds S]
//! traffic udp-ping   --to A:P [--length 64] [--count 100] [--mean-ms 20] [--timeout-ms 2000] [--list]
//! traffic tcp-source --to A:P (--bytes N | --seconds S) [--seed N] [--abort]
//! traffic tcp-sink   --listen A:P [--connections 1] [--seconds S] [--seed N] [--report-ms 1000]
//! ```
//!
//! Lengths count the whole IP packet. Listeners print `ready` first; `done` has the figures; SIGTERM ends with `done`.

mod echo;
mod tcp;
mod udp;

use std::process::ExitCode;

use i405_testkit::args::{Args, Failure};
use i405_testkit::program;

fn main() -> ExitCode {
    program::run(|args: Args| -> Result<(), Failure> {
        match args.mode.clone().as_deref() {
            Some("udp-send") => udp::send(args),
            Some("udp-sink") => udp::sink(args),
            Some("udp-echo") => echo::answer(args),
            Some("udp-ping") => echo::ping(args),
            Some("tcp-source") => tcp::source(args),
            Some("tcp-sink") => tcp::sink(args),
            other => Err(format!("a mode is needed, udp-send to tcp-sink, got {other:?}").into()),
        }
    })
}
