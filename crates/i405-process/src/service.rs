//! What a service manager and a process's owner want of it: its state told (sd_notify(3)), and no dump of its memory.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use crate::error::Error;

/// Sends `state`, lines of `NAME=value`, to a service manager's socket: a path, or `@name` for an abstract one.
/// Never waits.
///
/// # Errors
/// [`Error::Argument`] for another kind of address; [`Error::System`] if nobody listens there, or doesn't read.
pub fn notify(socket: &str, state: &str) -> Result<(), Error> {
    let bad = || Error::Argument(format!("NOTIFY_SOCKET: expected a path or @name, got \"{socket}\""));
    let told = Error::system("tell the service manager");
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None if socket.starts_with('/') => SocketAddr::from_pathname(socket),
        None => return Err(bad()),
    };
    let address = address.map_err(|_| bad())?;
    let send = || -> io::Result<usize> {
        let own = UnixDatagram::unbound()?;
        own.set_nonblocking(true)?;
        own.send_to_addr(state.as_bytes(), &address)
    };
    send().map(drop).map_err(told)
}

/// No core dump of this process is written, and no other process of its user may read its memory.
///
/// # Errors
/// [`Error::System`]: a security module or a sandbox refuses.
pub fn forbid_dumps() -> Result<(), Error> {
    let refused = |errno: rustix::io::Errno| Error::system("forbid core dumps")(errno.into());
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(refused)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(listener: &UnixDatagram) -> String {
        let mut bytes = [0; 100];
        let length = listener.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn a_path_and_an_abstract_name_are_told() {
        let name = format!("i405-test-{}", std::process::id());
        let listener = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        notify(&format!("@{name}"), "READY=1").unwrap();
        assert_eq!(received(&listener), "READY=1");

        let path = std::env::temp_dir().join(&name);
        let listener = UnixDatagram::bind(&path).unwrap();
        let told = notify(path.to_str().unwrap(), "STATUS=one\nWATCHDOG=1");
        std::fs::remove_file(&path).unwrap();
        told.unwrap();
        assert_eq!(received(&listener), "STATUS=one\nWATCHDOG=1");
    }

    #[test]
    fn nobody_there_and_other_addresses_are_errors() {
        assert_eq!(notify("vsock:2:1", "READY=1").unwrap_err().code(), "ERR_I405_ARGUMENT");
        assert_eq!(notify("@i405-nobody-listens-here", "READY=1").unwrap_err().code(), "ERR_I405_SYSTEM");
    }
}
