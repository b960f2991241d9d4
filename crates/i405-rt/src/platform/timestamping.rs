//! Why timestamps come or don't, found at the interface: for the card's clock, and for what the user is told.

use std::net::IpAddr;

use crate::platform::egress::Egress;
use crate::platform::foreign_clock::Card;
use crate::platform::socket::OuterSocket;
use i405_sys::ethtool;

/// The clock behind the card's timestamps on the way to an address.
///
/// # Errors
/// What is missing and what to do about it.
pub fn card_towards(socket: &OuterSocket, address: IpAddr, fwmark: Option<u32>) -> Result<Card, String> {
    let Egress { name, .. } = Egress::towards(address, fwmark).map_err(|error| no_way(address, &error))?;
    let abilities = ethtool::abilities(socket.as_fd(), &name).ok();
    let clock = abilities.filter(|abilities| abilities.hardware).and_then(|abilities| abilities.clock);
    let Some(clock) = clock else {
        return Err(format!(
            "the driver of {} has no transmit timestamps of the card (ethtool -T {name})",
            described(socket, &name)
        ));
    };
    if !ethtool::hardware_is_on(socket.as_fd(), &name).unwrap_or(false) {
        return Err(format!(
            "the card's timestamps are switched off on {name}, for the whole machine: hwstamp_ctl -i {name} -t 1 \
             switches them on"
        ));
    }
    Card::open(clock).map_err(|error| format!("the clock /dev/ptp{clock} of {name} cannot be read: {error}"))
}

/// Why no timestamp of the kernel's comes on the way to an address.
pub fn why_none(socket: &OuterSocket, address: IpAddr, fwmark: Option<u32>) -> String {
    let name = match Egress::towards(address, fwmark) {
        Ok(Egress { name, .. }) => name,
        Err(error) => return no_way(address, &error),
    };
    let interface = described(socket, &name);
    if ethtool::abilities(socket.as_fd(), &name).is_ok_and(|abilities| abilities.software) {
        format!("the driver of {interface} says it has them, but none came")
    } else {
        format!("the driver of {interface} has no transmit timestamps (ethtool -T {name})")
    }
}

/// Whether the interface's driver says that it has transmit timestamps.
pub fn can_be_seen(socket: &OuterSocket, interface: &str) -> bool {
    ethtool::abilities(socket.as_fd(), interface).is_ok_and(|abilities| abilities.software || abilities.hardware)
}

fn no_way(address: IpAddr, error: &std::io::Error) -> String {
    format!("the way to {address} could not be looked up: {error}")
}

fn described(socket: &OuterSocket, name: &str) -> String {
    match ethtool::driver(socket.as_fd(), name) {
        Ok(driver) => format!("{name} ({driver})"),
        Err(_) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_no_card_and_the_reason_names_it() {
        let socket = OuterSocket::open("127.0.0.1:0".parse().unwrap(), None).unwrap();
        let address = "127.0.0.1".parse().unwrap();
        let reason = card_towards(&socket, address, None).unwrap_err();
        assert!(reason.contains("lo") && reason.contains("ethtool -T lo"), "{reason}");
        assert!(why_none(&socket, address, None).contains("none came"));
    }
}
