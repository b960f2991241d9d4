//! The frame of every program: parse flags, run, report a failure as one line, stop when told to.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::args::{Args, Failure};
use crate::sys::signal;

/// Longest time that any program runs if nothing else stops it: an hour, in seconds.
pub const LONGEST_S: f64 = 3600.0;

static STOP: AtomicBool = AtomicBool::new(false);

/// Whether SIGINT or SIGTERM came, or the parent died.
pub fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// Runs a program; a failure becomes one line on stderr and exit code 2.
pub fn run(program: fn(Args) -> Result<(), Failure>) -> ExitCode {
    let mut words = std::env::args();
    let name = words.next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    let outcome =
        signal::stop_on_signals(&STOP).map_err(Failure::from).and_then(|()| Args::parse(words)).and_then(program);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::from(2)
        }
    }
}
