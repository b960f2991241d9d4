//! One open tunnel: a socket, a device, its threads, and the commands of `lib/addon.ts`.
//!
//! Every command allocates what the timed threads will need, hands it over through a ring and returns; none waits for
//! a timed thread, and each is complete in itself.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::Thread;

use i405_proto::packer::inner_length;
use i405_proto::schedule::Timing;

use crate::carousel::{Carousel, Offer};
use crate::clock::monotonic_ns;
use crate::command::{ReceiveCommand, SendCommand};
use crate::config::OpenConfig;
use crate::control::{Control, NewKeys};
use crate::error::Error;
use crate::event::EventSink;
use crate::opening;
use crate::shared::{Shared, lock};
use crate::stats::Counters;
use crate::window::DeviationReport;

/// A handle. Dropping it closes the tunnel.
pub struct Tunnel {
    shared: Arc<Shared>,
    control: Mutex<Control>,
    dispatchers: Vec<Thread>,
    closed: AtomicBool,
    local_address: SocketAddr,
    device_name: Option<String>,
}

/// A schedule to begin with.
#[derive(Clone, Copy, Debug)]
pub struct ScheduleRequest {
    /// UDP payload bytes of every datagram.
    pub datagram_length: usize,
    /// Its intervals.
    pub timing: Timing,
    /// None: one drawn interval from now.
    pub first_deadline_ns: Option<u64>,
    /// Where datagrams go that are no handshake copies.
    pub endpoint: SocketAddr,
}

impl Tunnel {
    /// Opens socket and device and starts the threads; no schedule runs yet.
    ///
    /// # Errors
    /// Whatever could not be had; then nothing is left open.
    pub fn open(config: OpenConfig, sink: Box<dyn EventSink>) -> Result<Self, Error> {
        let opened = opening::open(&config, sink)?;
        Ok(Tunnel {
            shared: opened.shared,
            control: Mutex::new(opened.control),
            dispatchers: opened.dispatchers,
            closed: AtomicBool::new(false),
            local_address: opened.local_address,
            device_name: opened.device_name,
        })
    }

    /// What the socket is bound to.
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// The TUN interface's name, if one was made.
    pub fn device_name(&self) -> Option<&str> {
        self.device_name.as_deref()
    }

    /// Begins a schedule; one that runs ends as this one begins.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Argument`].
    pub fn start_schedule(&self, request: ScheduleRequest) -> Result<(), Error> {
        self.with(|control, shared| {
            let start = control.start(request, shared)?;
            shared.command(SendCommand::Start(start))
        })
    }

    /// No slot at or after this instant; None takes it back.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn end_at(&self, instant_ns: Option<u64>) -> Result<(), Error> {
        self.with(|_, shared| shared.command(SendCommand::EndAt(instant_ns)))
    }

    /// Carries this message in place of the one before.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Argument`] before the first schedule.
    pub fn offer(&self, offer: Offer) -> Result<(), Error> {
        self.with(|control, shared| {
            let (stamp, every) = (offer.stamp, offer.every);
            let (length, interval_ns) = control.schedule_shape()?;
            let (carousel, feed) = Carousel::new(offer, length, interval_ns, &shared.wrapper);
            *lock(&shared.carousel) = Some(carousel);
            control.carousel_every(Some(every), &shared.gate);
            control.receive(ReceiveCommand::TrackSource(Some(stamp)), &shared.receiver)?;
            shared.command(SendCommand::Carousel(Some(feed)))
        })
    }

    /// Ends the carousel.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn stop_offer(&self) -> Result<(), Error> {
        self.with(|control, shared| {
            *lock(&shared.carousel) = None;
            control.carousel_every(None, &shared.gate);
            control.receive(ReceiveCommand::TrackSource(None), &shared.receiver)?;
            shared.command(SendCommand::Carousel(None))
        })
    }

    /// Client: the stamps of its two newest attempts.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn expect_stamps(&self, stamps: [Option<u64>; 2]) -> Result<(), Error> {
        self.with(|control, shared| control.receive(ReceiveCommand::ExpectStamps(stamps), &shared.receiver))
    }

    /// Installs a generation for receiving; it can be sent under from then on.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Argument`] for a generation that is not above all before it.
    pub fn install(&self, keys: NewKeys) -> Result<(), Error> {
        self.with(|control, shared| control.install(keys, &shared.receiver))
    }

    /// Sends under this generation from the next slot on.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Argument`] for a generation that is not installed or already sent under.
    pub fn send_under(&self, generation: u32, announce_stamp: Option<u64>) -> Result<(), Error> {
        self.with(|control, shared| {
            let session = control.session(generation, announce_stamp)?;
            control.receive(ReceiveCommand::SetCurrent(generation), &shared.receiver)?;
            control.sending_under(Some(generation), &shared.gate);
            shared.command(SendCommand::Session(Some(session)))
        })
    }

    /// Wipes a generation; if it was sent under, a throwaway key takes over.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn forget(&self, generation: u32) -> Result<(), Error> {
        self.with(|control, shared| {
            control.receive(ReceiveCommand::Forget(generation), &shared.receiver)?;
            if control.forget(generation) {
                control.sending_under(None, &shared.gate);
                shared.command(SendCommand::Session(None))?;
            }
            Ok(())
        })
    }

    /// Sends to another address from the next slot on.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn move_endpoint(&self, endpoint: SocketAddr) -> Result<(), Error> {
        self.with(|control, shared| {
            *lock(&shared.departing_to) = Some(endpoint.ip());
            control.receive(ReceiveCommand::Endpoint(endpoint), &shared.receiver)?;
            shared.command(SendCommand::Endpoint(endpoint))
        })
    }

    /// Reports silence of this length, measured from now; None: doesn't.
    pub fn watch_silence(&self, timeout_ns: Option<u64>) {
        self.shared.silence.set(timeout_ns.unwrap_or(0), monotonic_ns());
    }

    /// Says close in the next eight slots.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn send_close(&self) -> Result<(), Error> {
        self.with(|_, shared| shared.command(SendCommand::SayClose))
    }

    /// Copies an inner packet into the waiting queue. False: it was not taken, and [`crate::Event::Drain`] follows.
    ///
    /// # Errors
    /// [`Error::Argument`] for what is no IP packet or where there is no packet device; [`Error::Closed`].
    pub fn write(&self, packet: &[u8]) -> Result<bool, Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        if inner_length(packet) != Some(packet.len()) {
            self.shared.counters.ingress.malformed.add(1);
            return Err(Error::Argument(format!(
                "expected one whole IPv4 or IPv6 packet whose length agrees with its header, got {} bytes",
                packet.len()
            )));
        }
        let mut queue = lock(&self.shared.packets_in);
        let Some(queue) = queue.as_mut() else {
            return Err(Error::Argument("packets can be written only to the packet device".to_owned()));
        };
        let taken = queue.push(packet);
        if !taken {
            self.shared.wants_drain.store(true, Ordering::Release);
        }
        Ok(taken)
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Lateness since the last call.
    pub fn deviation(&self) -> DeviationReport {
        self.shared.take_deviation()
    }

    /// Ends the threads and releases everything; [`crate::Event::Closed`] follows. Does not wait. Idempotent.
    pub fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.shared.closing.stop();
            self.wake_dispatchers();
        }
    }

    fn wake_dispatchers(&self) {
        self.dispatchers.iter().for_each(Thread::unpark);
    }

    fn with(&self, act: impl FnOnce(&mut Control, &Shared) -> Result<(), Error>) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) || self.shared.closing.stopped() {
            return Err(Error::Closed);
        }
        act(&mut lock(&self.control), &self.shared)?;
        self.wake_dispatchers();
        // In `spinny` an idle dispatcher waits where the receiver does.
        self.shared.receiver.wake();
        Ok(())
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use i405_proto::schedule::Shape;

    use super::*;
    use crate::config::{BurnerPlace, DeviationSource, DeviceConfig, PairingKeys, PollMode, Role, SchedFifo, SendBy};
    use crate::event::Event;
    use crate::launch::Launch;
    use crate::sys::txtime::LaunchClock;

    impl EventSink for Sender<Vec<Event>> {
        fn idle(&self) -> bool {
            true
        }
        fn deliver(&mut self, batch: Vec<Event>) -> bool {
            self.send(batch).is_ok()
        }
    }

    fn config() -> OpenConfig {
        let zeros = [0; 32];
        OpenConfig {
            role: Role::Server,
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            peer: None,
            fwmark: None,
            device: DeviceConfig::Packets,
            poll_mode: PollMode::Sleepy,
            sched_fifo: SchedFifo::Off,
            cpus: Vec::new(),
            dispatchers: 1,
            burner: BurnerPlace::Off,
            pairing: PairingKeys { send_wrap: zeros, send_mask: zeros, receive_wrap: zeros, receive_mask: zeros },
            initiation_length: 1296,
            floor_ms: 0,
            max_stamp_age_ms: None,
            queue_ns: 1,
            finalize_ns: None,
            reorder_window: 3,
            deviation_source: DeviationSource::Call,
            send_by: SendBy::Call,
        }
    }

    #[test]
    fn launch_times_that_do_nothing_are_found_out_by_the_first_slots_and_given_up() {
        let (sender, receiver) = channel();
        let config = OpenConfig { deviation_source: DeviationSource::Software, ..config() };
        let tunnel = Tunnel::open(config, Box::new(sender)).unwrap();
        let request = ScheduleRequest {
            datagram_length: 472,
            timing: Timing::new(2_000_000, 500_000, Shape::Cos4).unwrap(),
            first_deadline_ns: None,
            endpoint: SocketAddr::from(([127, 0, 0, 1], 9)),
        };
        // Loopback queues nothing, so the kernel takes the launch times and sends at once.
        let launch = Launch { clock: LaunchClock::Monotonic, least_ns: 100_000, early_ns: 0 };
        tunnel.with(|control, _| control.socket.launch_by(launch.clock).map_err(Error::system("try"))).unwrap();
        tunnel.start_schedule(request).unwrap();
        tunnel.with(|_, shared| shared.command(SendCommand::Launch(Some(launch)))).unwrap();
        let mut warned = 0;
        while warned == 0 {
            let events = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
            let is_ours = |event: &&Event| matches!(event, Event::Warning { code: "I405_TXTIME", .. });
            warned = events.iter().filter(is_ours).count();
        }
        assert_eq!(warned, 1);
        assert!(tunnel.shared.distrusts_launches.load(Ordering::Acquire));
        // From here on the call is at the deadline: never early, as it was by the whole lead.
        let told = tunnel.counters().departure.reported.get();
        while tunnel.counters().departure.reported.get() < told + 40 {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(tunnel.deviation().source, DeviationSource::Software);
        assert_eq!(tunnel.counters().departure.unreported.get(), 0);
    }

    #[test]
    fn launch_times_are_refused_at_opening_where_the_way_has_no_discipline_for_them() {
        for (peer, named) in [(Some(SocketAddr::from(([127, 0, 0, 1], 9))), "interface lo"), (None, "")] {
            let config = OpenConfig { peer, send_by: SendBy::Txtime, ..config() };
            let Some(error) = Tunnel::open(config, Box::new(channel().0)).err() else {
                assert!(peer.is_none(), "an interface of this machine has etf or fq");
                continue;
            };
            assert_eq!(error.code(), "ERR_I405_TXTIME");
            assert!(error.to_string().contains(named) && error.to_string().contains("etf"), "{error}");
        }
    }

    #[test]
    fn a_panic_in_a_thread_ends_the_tunnel_with_an_event_and_nothing_else() {
        let (sender, receiver) = channel();
        let tunnel = Tunnel::open(config(), Box::new(sender)).unwrap();
        tunnel.with(|_, shared| shared.command(SendCommand::Panic)).unwrap();
        let mut events = Vec::new();
        while !matches!(events.last(), Some(Event::Closed)) {
            events.extend(receiver.recv_timeout(Duration::from_secs(20)).unwrap());
        }
        let failed = events.iter().find_map(|event| match event {
            Event::Failed { code, detail } => Some((*code, detail.clone())),
            _ => None,
        });
        let (code, detail) = failed.unwrap();
        assert_eq!(code, "ERR_I405_THREAD");
        assert!(detail.contains("i405-dispatch") && detail.contains("asked to panic"), "{detail}");
        assert!(matches!(tunnel.stop_offer(), Err(Error::Closed)));
    }
}
