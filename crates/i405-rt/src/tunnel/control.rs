//! The control side's own state: what commands are made from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use i405_proto::endpoint::Endpoint;
use i405_proto::inbound::{NewSession, ReceivingKey, Role};
use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::outbound::{RepeatedControl, SendingSession};
use i405_proto::schedule::{Schedule, Timing};
use i405_proto::seal::{DATA_OVERHEAD, MIN_DATAGRAM, Sealer};
use rtrb::Producer;

use crate::platform::clock::Clock;
use crate::platform::config::{OpenConfig, PollMode, SendBy};
use crate::platform::error::Error;
use crate::platform::launch::{self, Launch, Launching};
use crate::platform::lock::lock;
use crate::platform::random::random;
use crate::platform::refused::Refused;
use crate::platform::socket::{LONGEST_DATAGRAM, OuterSocket};
use crate::platform::waker::Waker;
use crate::realtime::breath::Breath;
use crate::realtime::timed_thread::Throttle;
use crate::report::shared::Shared;
use crate::report::warnings;
use crate::rings::command::{IngressCommand, ReceiveCommand, SendCommand, Start};
use crate::rings::event::MESSAGE_CAPACITY;
use crate::rings::queue::{Gate, queue};
use crate::send::hedge::{DISPATCHERS, Hedge};

/// Longest body of a control block: it comes through the peer's receiver whole.
const LONGEST_CONTROL: usize = MESSAGE_CAPACITY;
/// From the command that begins a schedule until it begins. The commands that follow say what its first slots carry:
/// without this time the shortest slots would leave with nothing of that.
const BEGINS_IN_NS: u64 = 10_000_000;
/// A schedule to begin with.
#[derive(Clone, Copy, Debug)]
pub struct ScheduleRequest {
    /// UDP payload bytes of every datagram.
    pub datagram_length: usize,
    /// Its intervals.
    pub timing: Timing,
    /// None: 10 ms and one drawn interval from now.
    pub first_deadline_ns: Option<u64>,
    /// Where datagrams go that are no handshake copies.
    pub endpoint: Endpoint,
}

/// Bytes of each payload that are no data block: the BlockOffset.
const PAYLOAD_HEADER: usize = 2;

/// A session's keys, both directions.
pub struct NewKeys {
    /// Above every generation before it.
    pub generation: u32,
    /// How both ends seal.
    pub aead: Aead,
    /// Our sending direction.
    pub send: DirectionKeys,
    /// The peer's.
    pub receive: DirectionKeys,
    /// Length of the peer's datagrams.
    pub receive_length: usize,
    /// Mean interval of the peer's schedule.
    pub receive_interval_ns: u64,
}

/// The command rings and what has been commanded.
pub struct Control {
    pub(crate) receive: Producer<ReceiveCommand>,
    pub(crate) ingress: Option<Producer<IngressCommand>>,
    pub(crate) queue_ns: u64,
    pub(crate) queue_capacity: usize,
    pub(crate) reorder_window: usize,
    pub(crate) sealers: BTreeMap<u32, Sealer>,
    pub(crate) newest: Option<u32>,
    pub(crate) sending: Option<u32>,
    pub(crate) every: Option<u32>,
    pub(crate) shape: Option<(usize, Timing)>,
    /// A client's first schedule, until there is something to carry in it.
    pub(crate) held: Option<Box<Start>>,
    /// Buffers that a schedule needs beside the one that is built in.
    pub(crate) spares: usize,
    pub(crate) poll_mode: PollMode,
    /// Launch times are wanted.
    pub(crate) send_by: SendBy,
    pub(crate) role: Role,
    pub(crate) socket: Arc<OuterSocket>,
    pub(crate) fwmark: Option<u32>,
    /// The kernel's limit on a spinning thread.
    pub(crate) throttle: Option<Throttle>,
}

impl Control {
    /// Nothing commanded yet. `queue_capacity`: what the waiting queue has room for.
    pub(crate) fn new(
        config: &OpenConfig,
        socket: Arc<OuterSocket>,
        receive: Producer<ReceiveCommand>,
        ingress: Option<Producer<IngressCommand>>,
        queue_capacity: usize,
        throttle: Option<Throttle>,
    ) -> Self {
        Control {
            receive,
            ingress,
            queue_ns: config.queue_ns,
            queue_capacity,
            reorder_window: config.reorder_window,
            sealers: BTreeMap::new(),
            newest: None,
            sending: None,
            every: None,
            shape: None,
            held: None,
            spares: if config.dispatchers == DISPATCHERS { Hedge::SPARES } else { 0 },
            poll_mode: config.poll_mode,
            send_by: config.send_by,
            role: config.role,
            socket,
            fwmark: config.fwmark,
            throttle,
        }
    }

    pub(crate) fn receive(&mut self, command: ReceiveCommand, waker: &Waker) -> Result<(), Error> {
        self.receive.push(command).map_err(|_| Error::Closed)?;
        waker.wake();
        Ok(())
    }

    /// Datagram length and mean interval of the newest schedule.
    pub(crate) fn schedule_shape(&self) -> Result<(usize, u64), Error> {
        let shape = self.shape.map(|(length, timing)| (length, timing.interval_ns()));
        shape.ok_or_else(|| Error::Argument("a message needs a schedule to be carried in".to_owned()))
    }

    pub(crate) fn start(
        &mut self,
        clock: &impl Clock,
        request: ScheduleRequest,
        shared: &Shared,
    ) -> Result<Box<Start>, Error> {
        let ScheduleRequest { datagram_length, timing, first_deadline_ns, endpoint } = request;
        if !(MIN_DATAGRAM..=LONGEST_DATAGRAM).contains(&datagram_length) {
            return Err(Error::Argument(format!(
                "expected datagrams of {MIN_DATAGRAM} to {LONGEST_DATAGRAM} bytes, got {datagram_length}"
            )));
        }
        let seed = random()?;
        let launch = self.launch_towards(endpoint, timing, shared);
        self.lead_to(endpoint, shared);
        let schedule = match first_deadline_ns {
            Some(first_ns) => Schedule::new(timing, first_ns, seed),
            None => {
                let begins_ns = clock.monotonic_ns() + BEGINS_IN_NS + launch.map_or(0, Launch::lead_ns);
                Schedule::starting_after(timing, begins_ns, seed)
            }
        };
        let each = datagram_length - DATA_OVERHEAD - PAYLOAD_HEADER;
        let slots = (self.queue_ns / timing.interval_ns()).max(1);
        let bound = usize::try_from(slots).unwrap_or(usize::MAX).saturating_mul(each);
        if bound > self.queue_capacity {
            let (producer, consumer) = queue(bound, shared.gate.clone());
            shared.command(SendCommand::Queue(Box::new(consumer)))?;
            self.queue_capacity = producer.capacity();
            match &mut self.ingress {
                Some(ingress) => {
                    ingress.push(IngressCommand::Queue(Box::new(producer))).map_err(|_| Error::Closed)?;
                }
                None => *lock(&shared.packets_in) = Some(producer),
            }
        }
        shared.gate.set_bound(bound);
        let breath = Breath::in_mode(self.poll_mode, self.throttle, timing.interval_ns());
        if matches!(breath, Breath::StepDown { .. }) {
            lock(&shared.notices).push(warnings::steps_down(timing.interval_ns()));
        }
        self.shape = Some((datagram_length, timing));
        shared.asked.schedule(timing.interval_ns());
        let buffer = || {
            let buffer = vec![0; datagram_length].into_boxed_slice();
            // An unlockable page is only a page that may be swapped; the user was told when the stack was locked.
            let _ = i405_sys::memory::lock(&buffer);
            buffer
        };
        let buffers = [buffer(), buffer()];
        let spares = std::iter::repeat_with(buffer).take(self.spares).collect();
        let continues = false;
        Ok(Box::new(Start { schedule, buffers, spares, endpoint, end_at_ns: None, continues, launch }))
    }

    /// There is something to carry in a client's first schedule now.
    pub(crate) fn begin_held(&mut self, shared: &Shared) -> Result<(), Error> {
        self.held.take().map_or(Ok(()), |start| shared.command(SendCommand::Start(start)))
    }

    /// The newest schedule with another length and to another address; its deadlines go on.
    pub(crate) fn redirect(
        &mut self,
        clock: &impl Clock,
        endpoint: Endpoint,
        datagram_length: usize,
        shared: &Shared,
    ) -> Result<Box<Start>, Error> {
        let (_, timing) = self
            .shape
            .ok_or_else(|| Error::Argument("there is no schedule yet that could be redirected".to_owned()))?;
        let mut start =
            self.start(clock, ScheduleRequest { datagram_length, timing, first_deadline_ns: None, endpoint }, shared)?;
        start.continues = true;
        Ok(start)
    }

    /// Slots go there from now on.
    pub(crate) fn lead_to(&self, endpoint: Endpoint, shared: &Shared) {
        shared.lead_to(endpoint);
        if self.role == Role::Client {
            self.socket.hear_only(endpoint.address);
        }
    }

    /// How slots to this address get launch times; where they can't, the user is told why.
    fn launch_towards(&self, endpoint: Endpoint, timing: Timing, shared: &Shared) -> Option<Launch> {
        if shared.distrusts_launches.load(Ordering::Acquire) {
            return None;
        }
        let launch = match self.send_by {
            SendBy::Call => return None,
            SendBy::Txtime => {
                launch::towards(&self.socket, endpoint.address, self.fwmark).map_err(warnings::no_launches)
            }
            SendBy::Kernel => self.launch_into_spin(endpoint, timing, shared).map_err(warnings::no_kernel_spin),
        };
        launch.map_err(|warning| lock(&shared.notices).push(warning)).ok()
    }

    fn launch_into_spin(&self, endpoint: Endpoint, timing: Timing, shared: &Shared) -> Result<Launch, Refused> {
        let launch = Launch::by_kernel(self.poll_mode, timing.interval_ns());
        let clock_refused =
            |error| Refused::new(format!("the kernel refused SO_TXTIME: {error}"), "Leave sendBy at \"call\"");
        self.socket.launch_by(launch.clock).map_err(clock_refused)?;
        let mut launching = lock(&shared.launching);
        // Loaded at the opening, which failed otherwise. What can't be attached now is tried again by who watches it.
        let attached = shared.kernel_spin.iter().try_for_each(|spin| spin.attach_towards(endpoint.address));
        *launching = Some(Launching { launch, to: endpoint.address, on: attached.is_ok() });
        attached.map(|()| launch)
    }

    pub(crate) fn install(&mut self, keys: NewKeys, waker: &Waker) -> Result<(), Error> {
        let NewKeys { generation, aead, send, receive, receive_length, receive_interval_ns } = keys;
        if self.newest.is_some_and(|newest| generation <= newest) {
            return Err(Error::Argument(format!("generation {generation} is not above those installed before")));
        }
        let session = NewSession { generation, aead, keys: receive, receive_length, receive_interval_ns };
        let key =
            ReceivingKey::new(session, self.reorder_window).map_err(|error| Error::Argument(error.to_string()))?;
        self.receive(ReceiveCommand::Install(Box::new(key)), waker)?;
        self.newest = Some(generation);
        self.sealers.insert(generation, Sealer::new(aead, send));
        Ok(())
    }

    pub(crate) fn session(
        &mut self,
        generation: u32,
        announce_stamp: Option<u64>,
    ) -> Result<Box<SendingSession>, Error> {
        let sealer = self.sealers.remove(&generation).ok_or_else(|| {
            Error::Argument(format!("generation {generation} is not installed, or already sent under"))
        })?;
        Ok(Box::new(SendingSession { generation, sealer, announce_stamp }))
    }

    /// A control block at a distance in time, which becomes one in slots of the schedule that runs.
    pub(crate) fn repeated(&self, kind: u8, body: &[u8], every_ns: u64) -> Result<Box<RepeatedControl>, Error> {
        let (_, interval_ns) = self.schedule_shape()?;
        if !(1..=15).contains(&kind) || body.len() > LONGEST_CONTROL {
            return Err(Error::Argument(format!("a control block of kind {kind} and {} bytes", body.len())));
        }
        let every_slots = u32::try_from(every_ns.div_ceil(interval_ns.max(1))).unwrap_or(u32::MAX);
        Ok(Box::new(RepeatedControl { kind, body: body.into(), every_slots }))
    }

    /// True if it was sent under.
    pub(crate) fn forget(&mut self, generation: u32) -> bool {
        self.sealers.remove(&generation);
        self.sending == Some(generation)
    }

    pub(crate) fn sending_under(&mut self, generation: Option<u32>, gate: &Gate) {
        self.sending = generation;
        self.open_gate(gate);
    }

    pub(crate) fn carousel_every(&mut self, every: Option<u32>, gate: &Gate) {
        self.every = every;
        self.open_gate(gate);
    }

    /// Packets may wait only while slots take them: what waited through a handshake would be stale.
    fn open_gate(&self, gate: &Gate) {
        gate.set_open(self.sending.is_some() && self.every != Some(1));
    }
}
