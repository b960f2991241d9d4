//! Prints the ids of the BPF programs that the kernel has loaded.
//!
//! ```text
//! bpf-programs
//! ```

use std::process::ExitCode;

use i405_testkit::args::{Args, Failure};
use i405_testkit::json::Line;
use i405_testkit::program;
use i405_testkit::sys::bpf;

fn main() -> ExitCode {
    program::run(list)
}

fn list(args: Args) -> Result<(), Failure> {
    args.finish()?;
    for id in bpf::programs()? {
        Line::event("program").plain("id", id).print();
    }
    Ok(())
}
