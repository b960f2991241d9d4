//! What the control side and the reporter share. Timed threads see only the counters, the gate and
//! the wakers.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::Wrapper;
use rtrb::Producer;

use crate::platform::error::Error;
use crate::platform::kernel_spin::KernelSpin;
use crate::platform::launch::Launching;
use crate::platform::lock::lock;
use crate::platform::waker::Waker;
use crate::receive::own_flow::OwnFlow;
use crate::report::carousel::{Carousel, HandshakeSources};
use crate::report::pace::Asked;
use crate::report::path::{FinalPath, Path};
use crate::report::window::{FinalLateness, LatenessWindow};
use crate::rings::command::SendCommand;
use crate::rings::event::Event;
use crate::rings::queue::{Gate, QueueProducer};
use crate::rings::stats::Counters;

/// When to say that the peer is silent.
#[derive(Debug, Default)]
pub struct SilenceWatch {
    timeout_ns: AtomicU64,
    since_ns: AtomicU64,
}

impl SilenceWatch {
    /// Watches from now on; 0: doesn't.
    pub fn set(&self, timeout_ns: u64, now_ns: u64) {
        self.since_ns.store(now_ns, Ordering::Release);
        self.timeout_ns.store(timeout_ns, Ordering::Release);
    }

    /// How long it has been silent, if that is longer than the timeout.
    pub fn silent_for(&self, last_opened_ns: u64, now_ns: u64) -> Option<u64> {
        let timeout_ns = self.timeout_ns.load(Ordering::Acquire);
        let heard_ns = last_opened_ns.max(self.since_ns.load(Ordering::Acquire));
        let silent_ns = now_ns.saturating_sub(heard_ns);
        (timeout_ns != 0 && silent_ns > timeout_ns).then_some(silent_ns)
    }
}

/// Shared by the handle until it is closed, and the threads. The reporter lets go of it last, before it says so.
pub struct Shared {
    pub(crate) counters: Arc<Counters>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) wrapper: Wrapper,
    pub(crate) carousel: Mutex<Option<Carousel>>,
    /// Of the newest initiation that was handed over.
    pub(crate) handshake_sources: Mutex<HandshakeSources>,
    pub(crate) window: Arc<Mutex<LatenessWindow>>,
    pub(crate) final_lateness: FinalLateness,
    /// What is known of the path.
    pub(crate) path: Arc<Mutex<Path>>,
    pub(crate) final_path: FinalPath,
    pub(crate) silence: SilenceWatch,
    /// The packet device's end of the waiting queue.
    pub(crate) packets_in: Mutex<Option<QueueProducer>>,
    pub(crate) wants_drain: AtomicBool,
    /// Commands to the dispatcher.
    pub(crate) send: Mutex<Producer<SendCommand>>,
    /// Ends the threads that send, at their next look.
    pub(crate) stop: Arc<AtomicBool>,
    /// The reporter's own; stopping it ends the tunnel.
    pub(crate) closing: Arc<Waker>,
    /// When the reporter is to look.
    pub(crate) asked: Asked,
    /// The receiver's and, in `spinny`, the only one.
    pub(crate) receiver: Waker,
    /// The ingress's.
    pub(crate) ingress: Waker,
    /// What the control side has to tell.
    pub(crate) notices: Mutex<Vec<Event>>,
    /// Where the newest schedule's slots go, for who looks for their timestamps.
    pub(crate) departing_to: Mutex<Option<IpAddr>>,
    /// How our own datagrams are recognised, should a route send them into the tunnel.
    pub(crate) own_flow: Arc<OwnFlow>,
    /// The kernel's spin loop, where slots are to be held by it.
    pub(crate) kernel_spin: Option<KernelSpin>,
    /// With what slots are launched into it, once a schedule has begun.
    pub(crate) launching: Mutex<Option<Launching>>,
    /// Launch times were seen to do nothing: no schedule uses them any more.
    pub(crate) distrusts_launches: AtomicBool,
    /// Why the tunnel is over, if a thread died.
    pub(crate) failure: Mutex<Option<String>>,
}

impl Shared {
    /// Hands a command to the dispatcher.
    ///
    /// # Errors
    /// [`Error::Closed`] if hundreds wait already: the dispatcher is dead.
    pub fn command(&self, command: SendCommand) -> Result<(), Error> {
        lock(&self.send).push(command).map_err(|_| Error::Closed)
    }

    /// Slots go there from now on: for who looks for their timestamps, and for datagrams of our own in the tunnel.
    pub fn lead_to(&self, endpoint: Endpoint) {
        *lock(&self.departing_to) = Some(endpoint.address.ip());
        self.own_flow.leads_to(endpoint.address);
        if let Some(launching) = lock(&self.launching).as_mut() {
            launching.to = endpoint.address;
        }
    }

    /// Tells all threads but the reporter to end.
    pub fn stop_threads(&self) {
        self.stop.store(true, Ordering::Release);
        self.receiver.stop();
        self.ingress.stop();
    }

    /// Ends them, and waits until these have ended.
    pub fn end_threads(&self, threads: impl IntoIterator<Item = JoinHandle<()>>) {
        self.stop_threads();
        for thread in threads {
            thread.thread().unpark();
            // A panic was caught and noted in the thread itself.
            let _ = thread.join();
        }
    }

    /// A thread died: say so, and end the others.
    pub fn fail(&self, detail: String) {
        lock(&self.failure).get_or_insert(detail);
        self.closing.stop();
    }
}
