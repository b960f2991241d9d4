//! The inner side: a TUN interface, made here or handed in.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

use crate::platform::config::{DeviceConfig, InterfaceAddress};
use crate::platform::error::Error;
use crate::platform::interface;
use i405_sys::fd;

/// A TUN descriptor, without packet information, not blocking.
pub struct Tun {
    fd: OwnedFd,
    name: Option<String>,
    /// A read or write was told that there is no interface behind the descriptor any more.
    gone: AtomicBool,
}

impl Tun {
    /// Opens what the configuration names; None for the packet device. If an interface is made, `before_addresses` gets
    /// its name and number before it has any address and before it is up.
    ///
    /// # Errors
    /// One of the TUN's, or [`Error::DeviceFd`]. Nothing is left behind.
    pub fn open(config: &DeviceConfig, before_addresses: impl FnOnce(&str, u32)) -> Result<Option<Self>, Error> {
        match config {
            DeviceConfig::Packets => Ok(None),
            DeviceConfig::Tun { name, addresses, mtu, .. } => {
                Self::create(name.as_deref(), addresses, *mtu, before_addresses).map(Some)
            }
            DeviceConfig::Fd(raw) => {
                let refused = |source| Error::DeviceFd { fd: *raw, source };
                let fd = fd::duplicate(*raw).map_err(refused)?;
                require_plain_tun(&fd).map_err(refused)?;
                rustix::io::ioctl_fionbio(&fd, true).map_err(|errno| refused(errno.into()))?;
                Ok(Some(Tun { fd, name: None, gone: AtomicBool::new(false) }))
            }
        }
    }

    fn create(
        name: Option<&str>,
        addresses: &[InterfaceAddress],
        mtu: u16,
        before_addresses: impl FnOnce(&str, u32),
    ) -> Result<Self, Error> {
        let (device, name) = interface::create(name, addresses, mtu, before_addresses)?;
        Ok(Tun { fd: fd::own(device), name: Some(name), gone: AtomicBool::new(false) })
    }

    /// The interface's name, if it was made here.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The interface's number, if it is in this process's network namespace.
    pub fn index(&self) -> Option<u32> {
        fd::tun_index(&self.fd, self.name.is_some())
    }

    /// Reads one inner packet; `EAGAIN` if there is none.
    ///
    /// # Errors
    /// What the kernel says.
    #[inline]
    pub fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        rustix::io::read(&self.fd, into).map_err(|errno| self.refused(errno))
    }

    /// Writes one inner packet.
    ///
    /// # Errors
    /// What the kernel says.
    #[inline]
    pub fn write(&self, packet: &[u8]) -> io::Result<usize> {
        rustix::io::write(&self.fd, packet).map_err(|errno| self.refused(errno))
    }

    /// A deleted interface leaves its descriptor behind, which answers everything with EBADFD.
    fn refused(&self, errno: Errno) -> io::Error {
        if errno == Errno::BADFD {
            self.gone.store(true, Ordering::Relaxed);
        }
        errno.into()
    }

    /// Whether the interface was deleted. Not on a timed thread: it asks the kernel.
    pub fn is_gone(&self) -> bool {
        if !self.gone.load(Ordering::Relaxed) {
            return false;
        }
        // What a thread was told before the interface was made again doesn't count.
        let gone = fd::tun_flags(&self.fd).is_err();
        self.gone.store(gone, Ordering::Relaxed);
        gone
    }

    /// Makes a deleted interface again, with the name that it had, behind the same descriptor, so that no thread needs
    /// to be told.
    ///
    /// # Errors
    /// As for [`Self::open`]; [`Error::DeviceFd`] for a descriptor that was handed in.
    pub fn remake(&self, config: &DeviceConfig, before_addresses: impl FnOnce(&str, u32)) -> Result<(), Error> {
        let DeviceConfig::Tun { addresses, mtu, .. } = config else {
            return Err(Error::DeviceFd { fd: self.fd.as_raw_fd(), source: Errno::NODEV.into() });
        };
        let again = Self::create(self.name(), addresses, *mtu, before_addresses)?;
        fd::replace(self.as_fd(), &again.fd).map_err(Error::system("put the new TUN interface in the old one's place"))
    }

    /// For poll.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A number that happens to be open may be anything, a socket of the program's own for example.
fn require_plain_tun(fd: &OwnedFd) -> io::Result<()> {
    let kinds = libc::IFF_TUN | libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    let flags = fd::tun_flags(fd).map_err(|_| io::Error::other("it is no TUN descriptor with an interface"))?;
    if flags & kinds == libc::IFF_TUN | libc::IFF_NO_PI {
        return Ok(());
    }
    Err(io::Error::other("it has to be opened with IFF_TUN and IFF_NO_PI, without IFF_VNET_HDR"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_that_is_no_tun_is_refused() {
        let (socket, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
        for fd in [socket.as_raw_fd(), -1, 1_000_000] {
            let refused = Tun::open(&DeviceConfig::Fd(fd), |_, _| {}).err().unwrap();
            assert_eq!(refused.code(), "ERR_I405_DEVICE_FD");
        }
    }
}
