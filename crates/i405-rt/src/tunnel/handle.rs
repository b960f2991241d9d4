//! One open tunnel: a socket, a device, its threads, and the commands of `lib/native/tunnel.ts`.
//!
//! Every command allocates what the timed threads will need, hands it over through a ring and returns. None waits for a
//! timed thread, and each is complete in itself.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::thread::Thread;

use i405_proto::endpoint::Endpoint;
use i405_proto::packer::inner_length;

use crate::platform::clock::Clock;
use crate::platform::config::{DeviationSource, OpenConfig, Role};
use crate::platform::error::Error;
use crate::platform::lock::lock;
use crate::report::carousel::{Carousel, Offer};
use crate::report::distribution::Distribution;
use crate::report::path::{FinalPath, Path, PathFigures};
use crate::report::shared::Shared;
use crate::report::window::{DeviationReport, FinalLateness, LatenessWindow};
use crate::rings::command::{ReceiveCommand, SendCommand};
use crate::rings::event::EventSink;
use crate::rings::stats::Counters;
use crate::tunnel::control::ScheduleRequest;
use crate::tunnel::control::{Control, NewKeys};
use crate::tunnel::opening::{self, Opened};

/// A handle. Dropping it closes the tunnel.
pub struct Tunnel {
    /// None once it is closed. Whoever has the handle may keep it for long, JavaScript until the collector comes by.
    /// Descriptors, the address, rings and keys don't wait for that.
    live: Mutex<Option<Live>>,
    counters: Arc<Counters>,
    window: Weak<Mutex<LatenessWindow>>,
    final_lateness: FinalLateness,
    path: Weak<Mutex<Path>>,
    final_path: FinalPath,
    local_address: SocketAddr,
    device_name: Option<String>,
}

/// What a tunnel has while it isn't closed.
struct Live {
    shared: Arc<Shared>,
    control: Control,
    dispatchers: Vec<Thread>,
}

impl Live {
    fn wake_dispatchers(&self) {
        self.dispatchers.iter().for_each(Thread::unpark);
    }
}

impl Tunnel {
    /// Opens socket and device and starts the threads; no schedule runs yet.
    ///
    /// # Errors
    /// Whatever could not be had; then nothing is left open.
    pub fn open(config: OpenConfig, sink: Box<dyn EventSink>) -> Result<Self, Error> {
        let opened = opening::open(&config, sink)?;
        let Opened { shared, control, dispatchers, .. } = opened;
        Ok(Tunnel {
            counters: Arc::clone(&shared.counters),
            window: Arc::downgrade(&shared.window),
            final_lateness: Arc::clone(&shared.final_lateness),
            path: Arc::downgrade(&shared.path),
            final_path: Arc::clone(&shared.final_path),
            live: Mutex::new(Some(Live { shared, control, dispatchers })),
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

    /// Begins a schedule; one that runs ends as this one begins. A client's first schedule waits for its first offer or
    /// session, because a thread that spins would leave little time to make one.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Argument`].
    pub fn start_schedule(&self, clock: &impl Clock, request: ScheduleRequest) -> Result<(), Error> {
        self.with(|control, shared| {
            let first = control.role == Role::Client && control.shape.is_none() && control.sending.is_none();
            let start = control.start(clock, request, shared)?;
            if first {
                control.held = Some(start);
                return Ok(());
            }
            control.held = None;
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

    /// Has this message go round in the carousel, in place of the one before.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Argument`] before the first schedule.
    pub fn offer(&self, offer: Offer) -> Result<(), Error> {
        self.with(|control, shared| {
            let every = offer.every;
            let (length, interval_ns) = control.schedule_shape()?;
            // Held, so that no change of the sources falls between.
            let mut carousel = lock(&shared.carousel);
            let sources = *lock(&shared.handshake_sources);
            let (newest, copies) = Carousel::new(offer, &sources, length, interval_ns, &shared.wrapper);
            *carousel = Some(newest);
            drop(carousel);
            control.carousel_every(Some(every), &shared.gate);
            shared.command(SendCommand::Carousel(Some(copies)))?;
            control.begin_held(shared)
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
            shared.command(SendCommand::Session(Some(session)))?;
            control.begin_held(shared)
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
    pub fn move_endpoint(&self, endpoint: Endpoint) -> Result<(), Error> {
        self.with(|control, shared| {
            control.lead_to(endpoint, shared);
            control.receive(ReceiveCommand::Endpoint(endpoint), &shared.receiver)?;
            shared.command(SendCommand::Endpoint(endpoint))
        })
    }

    /// Server: this generation is confirmed, by a datagram from `source`. All sources that its response went to, and
    /// all others that its datagrams come from, are challenged in turns, until [`crate::Event::Believed`].
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn ask(&self, generation: u32, source: Endpoint) -> Result<(), Error> {
        self.with(|control, shared| control.receive(ReceiveCommand::Ask(generation, source), &shared.receiver))
    }

    /// Server: where the newest initiation came from, if it has this stamp, likeliest first.
    pub fn handshake_sources(&self, stamp: u64) -> Vec<Endpoint> {
        let live = lock(&self.live);
        let newest = live.as_ref().map(|Live { shared, .. }| *lock(&shared.handshake_sources));
        let of_stamp = newest.filter(|newest| newest.stamp == stamp);
        of_stamp.into_iter().flat_map(|newest| newest.sources).flatten().collect()
    }

    /// Client: another address and length from the next slot on, at the same deadlines. Offers have to be made again.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Argument`] before the first schedule, or for a length out of bounds.
    pub fn redirect(&self, clock: &impl Clock, endpoint: Endpoint, datagram_length: usize) -> Result<(), Error> {
        self.with(|control, shared| {
            let start = SendCommand::Start(control.redirect(clock, endpoint, datagram_length, shared)?);
            control.receive(ReceiveCommand::Endpoint(endpoint), &shared.receiver)?;
            shared.command(start)
        })
    }

    /// Reports silence of this length, measured from now; None: doesn't.
    pub fn watch_silence(&self, clock: &impl Clock, timeout_ns: Option<u64>) {
        if let Some(Live { shared, .. }) = lock(&self.live).as_ref() {
            shared.silence.set(timeout_ns.unwrap_or(0), clock.monotonic_ns());
        }
    }

    /// Says close in the next eight slots.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn send_close(&self) -> Result<(), Error> {
        self.with(|_, shared| shared.command(SendCommand::SayClose))
    }

    /// Says this control block again and again, once in `every_ns` rounded to whole slots, under whatever session is
    /// sent under. It takes the place of the one before.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Argument`] before the first schedule, and for a block that can't be.
    pub fn repeat_control(&self, kind: u8, body: &[u8], every_ns: u64) -> Result<(), Error> {
        self.with(|control, shared| {
            let repeated = control.repeated(kind, body, every_ns)?;
            shared.command(SendCommand::RepeatControl(Some(repeated)))
        })
    }

    /// Ends what [`Self::repeat_control`] began.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn stop_control(&self) -> Result<(), Error> {
        self.with(|_, shared| shared.command(SendCommand::RepeatControl(None)))
    }

    /// Copies an inner packet into the waiting queue. False: it was not taken, and [`crate::Event::Drain`] follows.
    ///
    /// # Errors
    /// [`Error::Argument`] for what is no IP packet or where there is no packet device; [`Error::Closed`].
    pub fn write(&self, packet: &[u8]) -> Result<bool, Error> {
        let live = lock(&self.live);
        let Live { shared, .. } = live.as_ref().ok_or(Error::Closed)?;
        if inner_length(packet) != Some(packet.len()) {
            shared.counters.ingress.malformed.add(1);
            return Err(Error::Argument(format!(
                "expected one whole IPv4 or IPv6 packet whose length agrees with its header, got {} bytes",
                packet.len()
            )));
        }
        let mut queue = lock(&shared.packets_in);
        let Some(queue) = queue.as_mut() else {
            return Err(Error::Argument("packets can be written only to the packet device".to_owned()));
        };
        let taken = queue.push(packet);
        if !taken {
            shared.wants_drain.store(true, Ordering::Release);
        }
        Ok(taken)
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How late slots were since the tunnel was opened, by what tells it.
    pub fn lateness(&self) -> Vec<(DeviationSource, Distribution)> {
        let ended = || self.final_lateness.get().cloned();
        // The end may come between the two.
        let running = || self.window.upgrade().map(|window| lock(&window).distributions());
        ended().or_else(running).or_else(ended).unwrap_or_default()
    }

    /// What is known of the path; after the end, what was.
    pub fn path(&self, clock: &impl Clock) -> PathFigures {
        let ended = || self.final_path.get().copied();
        let running = || {
            let path = self.path.upgrade()?;
            let figures = lock(&path).figures(&self.counters.receive, clock.monotonic_ns());
            Some(figures)
        };
        ended().or_else(running).or_else(ended).unwrap_or_default()
    }

    /// Lateness since the last call; zeros after the end.
    pub fn deviation(&self) -> DeviationReport {
        self.window.upgrade().map(|window| lock(&window).take(&self.counters)).unwrap_or_default()
    }

    /// Ends the threads and releases everything; [`crate::Event::Closed`] follows. Does not wait. Idempotent.
    pub fn close(&self) {
        let Some(Live { shared, control, dispatchers }) = lock(&self.live).take() else { return };
        // Before the reporter is told: what it says to be released at the end must not be held here.
        let closing = Arc::clone(&shared.closing);
        drop((shared, control));
        closing.stop();
        dispatchers.iter().for_each(Thread::unpark);
    }

    fn with(&self, act: impl FnOnce(&mut Control, &Shared) -> Result<(), Error>) -> Result<(), Error> {
        let mut live = lock(&self.live);
        let live = live.as_mut().filter(|live| !live.shared.closing.stopped()).ok_or(Error::Closed)?;
        act(&mut live.control, &live.shared)?;
        live.wake_dispatchers();
        // In `spinny` an idle dispatcher waits where the receiver does.
        live.shared.receiver.wake();
        live.shared.asked.command(&live.shared.closing);
        Ok(())
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
