//! What a network interface can timestamp, and whether its card's timestamps are switched on.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// linux/ethtool.h; `libc` lacks the command and the struct.
const ETHTOOL_GET_TS_INFO: u32 = 0x41;
const ETHTOOL_GDRVINFO: u32 = 0x03;
/// linux/net_tstamp.h: the card stamps no datagrams that are sent.
const HWTSTAMP_TX_OFF: i32 = 0;

#[repr(C)]
#[derive(Default)]
struct EthtoolTsInfo {
    cmd: u32,
    so_timestamping: u32,
    phc_index: i32,
    tx_types: u32,
    tx_reserved: [u32; 3],
    rx_filters: u32,
    rx_reserved: [u32; 3],
}

/// ethtool_drvinfo: cmd, driver[32], and 160 bytes that are of no use here.
#[repr(C)]
struct EthtoolDrvInfo {
    cmd: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

/// What an interface's driver can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// The kernel stamps what is sent.
    pub software: bool,
    /// The card does.
    pub hardware: bool,
    /// Number of the card's clock, `/dev/ptpN`.
    pub clock: Option<u32>,
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: plain integers and a union of such, for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero.
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

/// Asks the driver of `name`, through any socket of the same network namespace.
///
/// # Errors
/// `ENODEV` if there is no such interface, `EOPNOTSUPP` if its driver does not say.
pub fn abilities(socket: BorrowedFd<'_>, name: &str) -> io::Result<Abilities> {
    let mut info = EthtoolTsInfo { cmd: ETHTOOL_GET_TS_INFO, ..EthtoolTsInfo::default() };
    let mut request = request(name)?;
    request.ifr_ifru.ifru_data = (&raw mut info).cast();
    // SAFETY: SIOCETHTOOL reads `cmd`, whose struct this is, and writes at most that struct; both outlive the call.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let can = |flags: u32| info.so_timestamping & flags == flags;
    Ok(Abilities {
        software: can(libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE),
        hardware: can(libc::SOF_TIMESTAMPING_TX_HARDWARE | libc::SOF_TIMESTAMPING_RAW_HARDWARE),
        clock: u32::try_from(info.phc_index).ok(),
    })
}

/// Name of the driver of `name`, for messages.
///
/// # Errors
/// As [`abilities`].
pub fn driver(socket: BorrowedFd<'_>, name: &str) -> io::Result<String> {
    let mut info = EthtoolDrvInfo { cmd: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
    let mut request = request(name)?;
    request.ifr_ifru.ifru_data = (&raw mut info).cast();
    // SAFETY: as in `abilities`, with the 196 bytes of ethtool_drvinfo.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let length = info.driver.iter().position(|&byte| byte == 0).unwrap_or(info.driver.len());
    Ok(String::from_utf8_lossy(&info.driver[..length]).into_owned())
}

/// Whether the card's timestamps of sent datagrams are switched on. That setting is for the whole machine, so it is not
/// for us to change.
///
/// # Errors
/// `EOPNOTSUPP` if the driver has no such switch or does not say.
pub fn hardware_is_on(socket: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    let mut config = libc::hwtstamp_config { flags: 0, tx_type: HWTSTAMP_TX_OFF, rx_filter: 0 };
    let mut request = request(name)?;
    request.ifr_ifru.ifru_data = (&raw mut config).cast();
    // SAFETY: SIOCGHWTSTAMP writes one hwtstamp_config, which outlives the call.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGHWTSTAMP as _, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(config.tx_type != HWTSTAMP_TX_OFF)
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn structs_are_as_long_as_the_kernels() {
        assert_eq!((size_of::<EthtoolTsInfo>(), size_of::<EthtoolDrvInfo>()), (44, 196));
    }

    #[test]
    fn loopback_is_stamped_by_the_kernel_and_has_no_clock() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let abilities = abilities(socket.as_fd(), "lo").unwrap();
        assert_eq!(abilities, Abilities { software: true, hardware: false, clock: None });
        assert!(hardware_is_on(socket.as_fd(), "lo").is_err());
        assert_eq!(super::abilities(socket.as_fd(), "i405-none").unwrap_err().raw_os_error(), Some(libc::ENODEV));
        assert!(driver(socket.as_fd(), "a-name-that-is-too-long").is_err());
    }
}
