//! Opens a TUN interface and becomes another program, which inherits the descriptor.
//!
//! `with-tun NAME PROGRAM [ARGUMENT...]`, where `{fd}` in an argument stands for the descriptor's number.

use std::error::Error;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use i405_testkit::sys::tun;

fn main() -> ExitCode {
    let error = become_program(std::env::args().skip(1));
    eprintln!("with-tun: {error}");
    ExitCode::from(2)
}

/// Returns only if it fails.
fn become_program(mut words: impl Iterator<Item = String>) -> Box<dyn Error> {
    let (Some(name), Some(program)) = (words.next(), words.next()) else {
        return "the name of an interface and a program are needed".into();
    };
    match tun::open_inheritable(&name) {
        Ok(file) => {
            let fd = file.as_raw_fd().to_string();
            Command::new(program).args(words.map(|word| word.replace("{fd}", &fd))).exec().into()
        }
        Err(error) => format!("{name}: {error}").into(),
    }
}
