//! Keeps programs quiet when the tunnel has ended, also after a kill. Some go on sending from an inner address that
//! this machine doesn't have any more.
//!
//! Over IPv4 the kernel refuses such packets once address and routes are gone, but these don't go at the same instant.
//! Over IPv6 it doesn't refuse them: a TCP connection retransmits and a UDP socket goes on, by whatever route is left,
//! in the clear. A second copy of the rules of [`crate::host::strong_host`] ends that. It is there from the beginning,
//! and its socket belongs to a process of its own: a shell that waits for the end of a pipe, which comes with the
//! tunnel's end, and for [`STAYS`] after that. So the rules go by themselves. An address that another interface has by
//! then is free.

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
