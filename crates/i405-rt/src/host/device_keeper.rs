//! Looks after the TUN interface. If somebody deletes it, it is made again with its name, addresses and MTU.
//!
//! This is the reporter's work, so it may take its time. Meanwhile packets for the interface are dropped and counted,
//! and slots go on: they carry what waits for them, and are cover after that.

use std::sync::Arc;

use crate::host::strong_host::StrongHost;
use crate::host::warnings;
use crate::platform::clock::SECOND_NS;
use crate::platform::config::DeviceConfig;
use crate::platform::device::Tun;
use crate::platform::socket::OuterSocket;
use crate::rings::event::Event;

/// Ours: a name that somebody else has now, or a privilege that is missing, may be a matter of a moment.
const AGAIN_NS: u64 = SECOND_NS;

/// The interface and how to make it again.
pub struct DeviceKeeper {
    tun: Arc<Tun>,
    config: DeviceConfig,
    socket: Arc<OuterSocket>,
    strong_host: Option<StrongHost>,
    tried_ns: Option<u64>,
    /// That it can't be made again has been said.
    told: bool,
}

impl DeviceKeeper {
    /// Looks after this one.
    pub fn new(tun: Arc<Tun>, config: DeviceConfig, socket: Arc<OuterSocket>, strong_host: Option<StrongHost>) -> Self {
        DeviceKeeper { tun, config, socket, strong_host, tried_ns: None, told: false }
    }

    /// Makes it again if it is gone, and looks after its addresses. What there is to tell.
    pub fn look(&mut self, now_ns: u64) -> Vec<Event> {
        let mut events: Vec<_> = self.remake(now_ns).into_iter().collect();
        events.extend(self.strong_host.as_mut().map(|rules| rules.look(now_ns)).into_iter().flatten());
        events
    }

    fn remake(&mut self, now_ns: u64) -> Option<Event> {
        if self.tried_ns.is_some_and(|tried_ns| now_ns - tried_ns < AGAIN_NS) || !self.tun.is_gone() {
            return None;
        }
        self.tried_ns = Some(now_ns);
        let strong_host = &mut self.strong_host;
        let made = self.tun.remake(&self.config, |name, index| {
            if let Some(rules) = strong_host {
                rules.begin(name, index);
            }
        });
        match made {
            Ok(()) => {
                self.told = false;
                self.socket.ignore_interface(self.tun.index());
                Some(warnings::device_remade(self.tun.name().unwrap_or_default()))
            }
            Err(_) if self.told => None,
            Err(error) => {
                self.told = true;
                Some(warnings::device_gone(self.tun.name(), &error))
            }
        }
    }
}
