//! Opening a tunnel: everything that can fail, in an order in which nothing is left behind.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::Thread;

use i405_proto::handshake_wire::{Unwrapper, Wrapper};
use i405_proto::inbound::{Inbound, InboundConfig};
use i405_proto::outbound::Outbound;
use i405_proto::seal::MIN_DATAGRAM;
use rtrb::{Producer, RingBuffer};

use crate::host::device_keeper::DeviceKeeper;
use crate::platform::config::{OpenConfig, PollMode};
use crate::platform::error::Error;
use crate::platform::random::{random, throwaway};
use crate::platform::socket::LONGEST_DATAGRAM;
use crate::platform::waker::Waker;
use crate::realtime::burner::{self, Burners};
use crate::receive::backlog::Backlog;
use crate::receive::departure_reader::DepartureReader;
use crate::receive::ingress::Ingress;
use crate::receive::receiving::{Delivery, Outlet, Receiving, ReceivingParts};
use crate::report::departures::{DepartureSources, Departures};
use crate::report::recorder::Recorder;
use crate::report::reporter::Reporter;
use crate::report::shared::{Shared, SilenceWatch};
use crate::report::spin_watch::SpinWatch;
use crate::report::warnings;
use crate::report::window::LatenessWindow;
use crate::rings::command::SendCommand;
use crate::rings::event::{Event, EventSink};
use crate::rings::heard::HeardCount;
use crate::rings::queue::{Gate, QueueProducer};
use crate::rings::record::Arrival;
use crate::rings::stats::Counters;
use crate::send::assembling::{Assembler, Parts};
use crate::send::emergency::Emergency;
use crate::send::hedge::{DISPATCHERS, Hedge};
use crate::send::hedged::HedgedSlots;
use crate::send::sending::Sending;
use crate::send::tally::Tally;
use crate::tunnel::control::Control;
use crate::tunnel::outside::Outside;
use crate::tunnel::ring_ends::{IngressEnds, ReceivingEnds, ReporterEnds, RingEnds, SendingEnds};
use crate::tunnel::threads::{self, Dispatch, Started, Timed, Work};

/// Records of slots that wait for the reporter, and of arrivals: 160 ms of the shortest slots, 640 KiB.
const RECORD_CAPACITY: usize = 16_384;
/// Inner packets that wait for the program with the packet device, bytes.
const PACKETS_CAPACITY: usize = 4 << 20;

/// What [`crate::Tunnel`] is made of.
pub struct Opened {
    pub(crate) shared: Arc<Shared>,
    pub(crate) control: Control,
    pub(crate) dispatchers: Vec<Thread>,
    pub(crate) local_address: SocketAddr,
    pub(crate) device_name: Option<String>,
}

/// Opens socket and device, makes the rings, starts the threads.
///
/// # Errors
/// Whatever could not be had.
pub fn open(config: &OpenConfig, sink: Box<dyn EventSink>) -> Result<Opened, Error> {
    let mut outside = Outside::open(config)?;
    let RingEnds { gate, control, sending, receiving, ingress, mut reporter } = RingEnds::new();
    let counters = Arc::new(Counters::default());
    let queue_capacity = ingress.queue.capacity();
    let inbound = inbound(config)?;
    let (ingress, packets_in) = reading(&outside, &counters, ingress);
    let shared = Arc::new(shared(config, &mut outside, counters, gate, control.send, packets_in)?);
    let work = Work {
        sending: sending_half(config, &outside, &shared, sending, &mut reporter)?,
        receiving: receiving_half(config, &outside, &shared, inbound, receiving, &mut reporter),
        ingress,
    };
    #[cfg(feature = "simulation")]
    let (unmanned, work) = crate::tunnel::simulation::withhold(work);
    #[cfg(not(feature = "simulation"))]
    let work = Some(work);
    let mut started = match work {
        None => Started::default(),
        Some(work) => threads::start(config, &shared, work)?,
    };
    let reporting = started.reporter.take();
    let dispatchers = std::mem::take(&mut started.dispatchers);
    let ingress = outside.tun.is_some().then_some(control.ingress);
    let socket = Arc::clone(&outside.socket);
    let control = Control::new(config, socket, control.receive, ingress, queue_capacity, started.throttle);
    let local_address = outside.local_address;
    let device_name = outside.tun.as_ref().and_then(|tun| tun.name()).map(str::to_owned);
    let reporter = self::reporter(config, outside, &shared, sink, reporter, started);
    #[cfg(feature = "simulation")]
    let reporter = crate::tunnel::simulation::keep(unmanned, &shared, reporter);
    #[cfg(not(feature = "simulation"))]
    let reporter = Some(reporter);
    if let (Some(reporting), Some(reporter)) = (reporting, reporter) {
        // Its thread waits for nothing else.
        let _ = reporting.send(reporter);
    }
    Ok(Opened { shared, control, dispatchers, local_address, device_name })
}

/// What makes packets of datagrams, and knows who sends them.
fn inbound(config: &OpenConfig) -> Result<Inbound, Error> {
    Ok(Inbound::new(InboundConfig {
        role: config.role,
        peer: config.peer,
        unwrapper: Unwrapper::new(&config.pairing.receive_wrap, &config.pairing.receive_mask),
        initiation_length: config.initiation_length,
        floor_ms: config.floor_ms,
        max_stamp_age_ms: config.max_stamp_age_ms,
        max_datagram: LONGEST_DATAGRAM,
        seed: random()?,
    }))
}

/// Who puts packets into the waiting queue: a thread that reads the interface, or the program.
fn reading(outside: &Outside, counters: &Arc<Counters>, ends: IngressEnds) -> (Option<Ingress>, Option<QueueProducer>) {
    let IngressEnds { commands, queue } = ends;
    match &outside.tun {
        Some(tun) => {
            let (tun, counters, own) = (Arc::clone(tun), Arc::clone(counters), Arc::clone(&outside.own_flow));
            (Some(Ingress::new(tun, queue, commands, counters, own)), None)
        }
        None => (None, Some(queue)),
    }
}

fn shared(
    config: &OpenConfig,
    outside: &mut Outside,
    counters: Arc<Counters>,
    gate: Arc<Gate>,
    send: Producer<SendCommand>,
    packets_in: Option<QueueProducer>,
) -> Result<Shared, Error> {
    Ok(Shared {
        counters,
        gate,
        wrapper: Wrapper::new(&config.pairing.send_wrap, &config.pairing.send_mask),
        carousel: Mutex::new(None),
        window: Arc::new(Mutex::new(LatenessWindow::new(config.deviation_source))),
        final_lateness: Default::default(),
        handshake_sources: Mutex::default(),
        path: Arc::default(),
        final_path: Default::default(),
        silence: SilenceWatch::default(),
        packets_in: Mutex::new(packets_in),
        wants_drain: AtomicBool::new(false),
        send: Mutex::new(send),
        stop: Arc::default(),
        closing: Arc::new(Waker::new()?),
        asked: Default::default(),
        receiver: Waker::new()?,
        ingress: Waker::new()?,
        notices: Mutex::new(Vec::new()),
        departing_to: Mutex::new(None),
        own_flow: Arc::clone(&outside.own_flow),
        kernel_spin: outside.kernel_spin.take(),
        launching: Mutex::default(),
        distrusts_launches: AtomicBool::new(false),
        failure: Mutex::new(None),
    })
}

/// What dispatchers run.
fn sending_half(
    config: &OpenConfig,
    outside: &Outside,
    shared: &Shared,
    ends: SendingEnds,
    reporter: &mut ReporterEnds,
) -> Result<Dispatch, Error> {
    let SendingEnds { commands, queue, trash } = ends;
    let (counters, stop) = (Arc::clone(&shared.counters), Arc::clone(&shared.stop));
    let outbound = Outbound::new(throwaway()?, MIN_DATAGRAM);
    let assembler = Assembler::new(Parts { counters, outbound, queue, commands, trash, stop });
    let mut tally = || {
        let (records, taken) = RingBuffer::new(RECORD_CAPACITY);
        reporter.records.push(taken);
        Tally { records }
    };
    let socket = Arc::clone(&outside.socket);
    if config.dispatchers != DISPATCHERS {
        return Ok(Dispatch::Alone(Box::new(Sending::new(socket, assembler, tally()))));
    }
    let hedge = Hedge::new(socket, assembler);
    let mut one = |which| -> Result<HedgedSlots, Error> {
        let emergency = Emergency::new(throwaway()?, LONGEST_DATAGRAM);
        Ok(HedgedSlots::new(Arc::clone(&hedge), which, tally(), emergency))
    };
    Ok(Dispatch::Hedged(Box::new([one(0)?, one(1)?])))
}

/// What whoever receives runs.
fn receiving_half(
    config: &OpenConfig,
    outside: &Outside,
    shared: &Shared,
    inbound: Inbound,
    ends: ReceivingEnds,
    reporter: &mut ReporterEnds,
) -> Receiving {
    let ReceivingEnds { commands, events, reports, trash } = ends;
    let outlet = Outlet {
        delivery: delivery(config, outside, reporter),
        allowed_ips: config.allowed_ips.clone(),
        events,
        arrivals: arrivals(config, reporter),
        stamp_ns: 0,
        counters: Arc::clone(&shared.counters),
        current: 0,
        control_blocks: 0,
        heard: HeardCount::default(),
        reports,
        has_told: false,
    };
    let departures = departures(config, outside, shared, reporter);
    let socket = Arc::clone(&outside.socket);
    Receiving::new(ReceivingParts { socket, inbound, commands, trash, outlet, departures })
}

/// Where packets that came go.
fn delivery(config: &OpenConfig, outside: &Outside, reporter: &mut ReporterEnds) -> Delivery {
    match &outside.tun {
        Some(tun) if config.poll_mode == PollMode::Spinny => {
            Delivery::InTurns(Arc::clone(tun), Backlog::new(config.reorder_window))
        }
        Some(tun) => Delivery::Tun(Arc::clone(tun)),
        None => {
            let (packets, taken) = RingBuffer::new(PACKETS_CAPACITY);
            reporter.packets = Some(taken);
            Delivery::Packets(packets)
        }
    }
}

/// Records of arrivals, where they are asked for.
fn arrivals(config: &OpenConfig, reporter: &mut ReporterEnds) -> Option<Producer<Arrival>> {
    config.record.then(|| {
        let (arrivals, arriving) = RingBuffer::new(RECORD_CAPACITY);
        reporter.recorder = Some(Recorder::new(arriving));
        arrivals
    })
}

/// Transmit timestamps, where they are asked for.
fn departures(
    config: &OpenConfig,
    outside: &Outside,
    shared: &Shared,
    reporter: &mut ReporterEnds,
) -> Option<DepartureReader> {
    outside.timestamps.map(|timestamps| {
        let (report, reports) = RingBuffer::new(RECORD_CAPACITY);
        let (socket, fwmark) = (Arc::clone(&outside.socket), config.fwmark);
        reporter.departures = Some(Departures::new(DepartureSources { socket, reports, timestamps, fwmark }));
        DepartureReader::new(report, Arc::clone(&shared.counters))
    })
}

/// What the reporter runs, with the threads that it ends, and burners beside those that are timed.
fn reporter(
    config: &OpenConfig,
    outside: Outside,
    shared: &Arc<Shared>,
    sink: Box<dyn EventSink>,
    ends: ReporterEnds,
    started: Started,
) -> Reporter {
    let ReporterEnds { events, reports, trash, records, packets, departures, recorder } = ends;
    let Outside { tun, strong_host, socket, .. } = outside;
    let mut pending = Vec::new();
    pending.extend(started.shortfalls.fifo.as_ref().map(warnings::sched_fifo));
    pending.extend(started.shortfalls.memory.as_ref().map(warnings::memory_lock));
    let burners = burners(config, started.timed, &mut pending);
    shared.counters.burners.set(burner::cores(&burners) as u64);
    Reporter {
        shared: Arc::clone(shared),
        sink,
        events,
        reports,
        packets,
        records,
        recorder,
        departures,
        trash,
        threads: started.threads,
        is_asked: config.poll_mode != PollMode::Spinny,
        pending,
        burners,
        spin_watch: SpinWatch::default(),
        keeper: tun.map(|tun| DeviceKeeper::new(tun, config.device.clone(), socket, strong_host)),
    }
}

/// One beside each timed thread, or none.
fn burners(config: &OpenConfig, timed: Vec<Timed>, pending: &mut Vec<Event>) -> Vec<Burners> {
    let mut burners = Vec::new();
    for Timed { pinned, tid, idle_time } in timed {
        match Burners::start(config.burner, pinned, tid, idle_time) {
            Ok(beside) => burners.extend(beside),
            Err(error) => {
                pending.push(warnings::no_burner(&error));
                return Vec::new();
            }
        }
    }
    burners
}
