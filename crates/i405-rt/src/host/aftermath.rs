//! What is left of the inside when the tunnel ends, by a kill as well: programs that go on sending from an inner address which
//! this machine doesn't have any more.
//!
//! Over IPv4 the kernel refuses them, once address and routes are gone, which doesn't happen at one instant. Over IPv6 it
//! doesn't: a TCP connection says its data again, and a UDP socket goes on, by whatever route is left, in the clear. The
//! rules of [`crate::host::strong_host`], made a second time, end that. These are there from the beginning, and belong to a socket
//! that only a process of its own holds: a shell that waits for the end of a pipe, which is the tunnel's end, and for
//! [`STAYS`] after that. Nobody has to take anything away. An address that is another interface's by then is free.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};

use crate::host::nftables::Batch;

/// How long the rules stay, seconds: a TCP connection has said everything again seven or eight times by then.
const STAYS: &str = "60";
/// The standard input is the pipe, the standard output the rules' socket. The inner process is nobody's child, so that
/// no program that embeds a tunnel has to wait for it.
const SCRIPT: &str = "trap '' INT HUP QUIT; { read -r _ <&3; exec sleep \"$1\"; } 3<&0 &";

/// The rules, as long as the tunnel lives and a while longer.
pub struct Aftermath {
    /// Its end is what the process waits for.
    _pipe: ChildStdin,
}

impl Aftermath {
    /// With these rules.
    ///
    /// # Errors
    /// What the kernel says, or why there is no shell.
    pub fn prepare(rules: Batch) -> io::Result<Self> {
        let owner = rules.make()?.into_owner()?;
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SCRIPT, "i405-aftermath", STAYS]).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
        // Ctrl-C in a terminal doesn't reach a process group of its own.
        shell.process_group(0).stdin(Stdio::piped()).stdout(owner).stderr(Stdio::null());
        let mut child = shell.spawn()?;
        let pipe = child.stdin.take();
        // The shell itself ends at once. What it leaves behind holds the socket.
        let ended = child.wait()?;
        match pipe {
            Some(pipe) if ended.success() => Ok(Aftermath { _pipe: pipe }),
            _ => Err(io::Error::other(format!("/bin/sh: {ended}"))),
        }
    }
}
