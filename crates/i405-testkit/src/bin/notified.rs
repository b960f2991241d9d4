//! A service manager's ear: prints every notification that it is sent (sd_notify(3)).
//!
//! ```text
//! notified --socket /path/of/a/new/socket
//! notified --socket @abstract-name
//! ```

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::ExitCode;
use std::time::Duration;

use i405_testkit::args::{Args, Failure};
use i405_testkit::json::Line;
use i405_testkit::program::{self, stopped};

/// How soon a signal is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    program::run(listen)
}

fn listen(mut args: Args) -> Result<(), Failure> {
    let socket: String = args.required("socket")?;
    args.finish()?;
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&socket)?,
    };
    let listener = UnixDatagram::bind_addr(&address)?;
    listener.set_read_timeout(Some(LOOK_EVERY))?;
    Line::event("ready").print();
    let mut bytes = [0; 4096];
    while !stopped() {
        match listener.recv(&mut bytes) {
            Ok(length) => Line::event("notified").text("state", &String::from_utf8_lossy(&bytes[..length])).print(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
