//! Makes a TUN interface, step by step, and says of a step that fails which one it was and why.

use std::fs::File;
use std::io;
use std::net::IpAddr;

use tun_rs::{DeviceBuilder, SyncDevice};

use crate::platform::config::InterfaceAddress;
use crate::platform::error::Error;

const DEVICE: &str = "/dev/net/tun";
const SYSCTL_OFF: &str = " (sysctl disable_ipv6)";
const KERNEL_OFF: &str = " (kernel without IPv6, or ipv6.disable=1)";

/// Makes the interface, with addresses and MTU, and up; returns it and its name. `before_addresses` sees name and
/// number when it has none of these yet.
pub fn create(
    name: Option<&str>,
    addresses: &[InterfaceAddress],
    mtu: u16,
    before_addresses: impl FnOnce(&str, u32),
) -> Result<(SyncDevice, String), Error> {
    let mut builder = DeviceBuilder::new().enable(false);
    if let Some(name) = name {
        builder = builder.name(name);
    }
    let device = builder.build_sync().map_err(|source| not_made(name, source))?;
    let step = |what| move |source| Error::Tun { name: name.unwrap_or("(any)").to_owned(), what, source };
    device.set_nonblocking(true).map_err(step("set up"))?;
    let name = device.name().map_err(step("ask for the name of"))?;
    before_addresses(&name, device.if_index().map_err(step("ask for the number of"))?);
    device.set_mtu(mtu).map_err(|source| Error::TunMtu { name: name.clone(), mtu, source })?;
    let mut first_v4 = true;
    for InterfaceAddress { address, prefix } in addresses {
        let given = match address {
            IpAddr::V4(v4) if std::mem::take(&mut first_v4) => device.set_network_address(*v4, *prefix, None),
            IpAddr::V4(v4) => device.add_address_v4(*v4, *prefix),
            IpAddr::V6(v6) => device.add_address_v6(*v6, *prefix),
        };
        given.map_err(|source| refused(&name, *address, *prefix, source))?;
    }
    device.enabled(true).map_err(|source| Error::Tun { name: name.clone(), what: "bring up", source })?;
    Ok((device, name))
}

fn not_made(name: Option<&str>, source: io::Error) -> Error {
    // The builder opens the device itself, and says the same of that as of the interface.
    if let Err(source) = File::options().read(true).write(true).open(DEVICE) {
        return match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Error::TunPermission { what: "open /dev/net/tun", source },
            _ => Error::TunDevice { source },
        };
    }
    let named = |name: &str| name.to_owned();
    match (source.raw_os_error(), name) {
        (Some(libc::EPERM | libc::EACCES), _) => Error::TunPermission { what: "create a TUN interface", source },
        (Some(libc::EBUSY), Some(name)) => Error::TunInUse { name: named(name), reason: "is another program's" },
        (Some(libc::EINVAL), Some(name)) if exists(name) => {
            Error::TunInUse { name: named(name), reason: "exists already, and is no TUN interface" }
        }
        (Some(libc::EINVAL), Some(name)) => Error::TunName { name: named(name), source },
        (_, name) => Error::Tun { name: name.unwrap_or("(any)").to_owned(), what: "make", source },
    }
}

fn exists(name: &str) -> bool {
    rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)
        .is_ok_and(|any| rustix::net::netdevice::name_to_index(&any, name).is_ok())
}

/// An interface where IPv6 is off refuses an address with "permission denied", which no permission helps against.
fn refused(name: &str, address: IpAddr, prefix: u8, source: io::Error) -> Error {
    let name = name.to_owned();
    if address.is_ipv6() {
        let off = std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"));
        let by = match off {
            Ok(value) if value.trim() == "1" => Some(SYSCTL_OFF),
            Ok(_) => None,
            Err(_) => Some(KERNEL_OFF),
        };
        if let Some(by) = by {
            return Error::TunIpv6 { name, address, by, source };
        }
    }
    if let Some(libc::EPERM | libc::EACCES) = source.raw_os_error() {
        return Error::TunPermission { what: "give the TUN interface an address", source };
    }
    Error::TunAddress { name, address, prefix, source }
}
