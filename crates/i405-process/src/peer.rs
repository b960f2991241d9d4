//! Who is at the other end of a Unix socket, as the kernel noted it when the connection was made (SO_PEERCRED, unix(7)).
//! The status socket asks, because Node has no way to.

use std::io;
use std::os::fd::RawFd;

use crate::error::Error;
use i405_sys::peer::peer_credentials;

/// No user: what the kernel says of a socket that nobody connected.
const NOBODY: u32 = u32::MAX;

/// A process at the time at which it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Process, 0 if it is in another PID namespace.
    pub pid: i32,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
}

/// The other end of a connected Unix socket, whose descriptor stays its owner's.
///
/// # Errors
/// [`Error::System`] if `fd` is no such socket.
pub fn credentials(fd: RawFd) -> Result<Credentials, Error> {
    let (pid, uid, gid) = peer_credentials(fd)
        .and_then(|peer| if peer.1 == NOBODY { Err(io::ErrorKind::NotConnected.into()) } else { Ok(peer) })
        .map_err(Error::system("tell who is at the other end of a Unix socket"))?;
    Ok(Credentials { pid, uid, gid })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_pair_is_of_this_process() {
        let (one, _other) = UnixStream::pair().expect("a socket pair needs nothing");
        let peer = credentials(one.as_raw_fd()).expect("a connected Unix socket");
        assert_eq!(peer.pid, std::process::id() as i32);
        assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
        assert_eq!(peer.gid, rustix::process::getegid().as_raw());
    }

    #[test]
    fn without_an_other_end_nobody_is_named() {
        let file = File::open("/proc/self/status").expect("Linux has it");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port of the loopback");
        for fd in [file.as_raw_fd(), socket.as_raw_fd(), -1] {
            assert_eq!(credentials(fd).map_err(|error| error.code()), Err("ERR_I405_SYSTEM"));
        }
    }
}
