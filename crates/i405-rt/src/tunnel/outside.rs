//! What a tunnel has of its machine: the outer socket, and with a TUN the interface.

use std::net::SocketAddr;
use std::sync::Arc;

use i405_proto::inbound::Role;

use crate::host::strong_host::StrongHost;
use crate::platform::config::{DeviationSource, OpenConfig, SendBy};
use crate::platform::device::Tun;
use crate::platform::error::Error;
use crate::platform::kernel_spin::KernelSpin;
use crate::platform::launch;
use crate::platform::refused::Refused;
use crate::platform::socket::OuterSocket;
use crate::receive::own_flow::OwnFlow;
use i405_sys::errqueue::Timestamps;

/// Socket and interface, open and set up. The interface is closed first.
pub struct Outside {
    pub(crate) tun: Option<Arc<Tun>>,
    /// The rules for the interface's addresses, where they are wanted.
    pub(crate) strong_host: Option<StrongHost>,
    pub(crate) socket: Arc<OuterSocket>,
    /// Where slots are to be held by it.
    pub(crate) kernel_spin: Option<KernelSpin>,
    pub(crate) local_address: SocketAddr,
    /// What the socket reports of datagrams that leave.
    pub(crate) timestamps: Option<Timestamps>,
    pub(crate) own_flow: Arc<OwnFlow>,
}

impl Outside {
    /// Opens both.
    ///
    /// # Errors
    /// Whatever could not be had; then nothing is left open.
    pub fn open(config: &OpenConfig) -> Result<Self, Error> {
        let socket = Arc::new(OuterSocket::open(config.bind, config.fwmark)?);
        launch::check(&socket, config)?;
        let kernel_spin = kernel_spin(&socket, config).map_err(Error::Bpf)?;
        let timestamps = timestamps(config);
        if let Some(timestamps) = timestamps {
            socket.report_departures(timestamps)?;
        }
        let local_address = socket.local_address().map_err(Error::system("read the local address"))?;
        let mut strong_host = StrongHost::wanted(&config.device);
        let tun = Tun::open(&config.device, |name, index| {
            if let Some(rules) = &mut strong_host {
                rules.begin(name, index);
            }
        })?
        .map(Arc::new);
        socket.ignore_interface(tun.as_ref().and_then(|tun| tun.index()));
        // A server's client comes from anywhere at first, to any of our addresses, and may move.
        match config.role {
            Role::Server => socket.tell_own_address()?,
            Role::Client => config.peer.iter().for_each(|server| socket.hear_only(*server)),
        }
        let own_flow = Arc::new(OwnFlow::new(local_address.port(), config.peer));
        Ok(Outside { tun, strong_host, socket, kernel_spin, local_address, timestamps, own_flow })
    }
}

/// The kernel's spin loop, where it is wanted; a client's is attached on the way to its server.
fn kernel_spin(socket: &OuterSocket, config: &OpenConfig) -> Result<Option<KernelSpin>, Refused> {
    if config.send_by != SendBy::Kernel {
        return Ok(None);
    }
    let spin = KernelSpin::load(socket, config.fwmark)?;
    config.peer.map_or(Ok(()), |peer| spin.attach_towards(peer))?;
    Ok(Some(spin))
}

/// What the socket is to report: what the statistics are from, and with launch times at least what they are judged by.
fn timestamps(config: &OpenConfig) -> Option<Timestamps> {
    match (config.deviation_source, config.send_by) {
        (DeviationSource::Hardware, _) => Some(Timestamps::Hardware),
        (DeviationSource::Software, _) | (DeviationSource::Call, SendBy::Txtime) => Some(Timestamps::Software),
        (DeviationSource::Call, SendBy::Call | SendBy::Kernel) => None,
    }
}
