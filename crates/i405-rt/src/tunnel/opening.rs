//! Opening a tunnel: everything that can fail, in an order in which nothing is left behind.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::Thread;

use i405_proto::handshake_wire::{Unwrapper, Wrapper};
use i405_proto::inbound::{Inbound, InboundConfig, Role};
use i405_proto::outbound::Outbound;
use i405_proto::seal::MIN_DATAGRAM;
use rtrb::RingBuffer;

use crate::host::device_keeper::DeviceKeeper;
use crate::host::strong_host::StrongHost;
use crate::platform::config::{DeviationSource, OpenConfig, PollMode, SendBy};
use crate::platform::device::Tun;
use crate::platform::error::Error;
use crate::platform::launch;
use crate::platform::random::{random, throwaway};
use crate::platform::socket::{LONGEST_DATAGRAM, OuterSocket};
use crate::platform::waker::Waker;
use crate::realtime::burner::{self, Burners};
use crate::receive::backlog::Backlog;
use crate::receive::departure_reader::DepartureReader;
use crate::receive::ingress::Ingress;
use crate::receive::own_flow::OwnFlow;
use crate::receive::receiving::{Delivery, Outlet, Receiving, ReceivingParts};
use crate::report::departures::{DepartureSources, Departures};
use crate::report::recorder::Recorder;
use crate::report::reporter::Reporter;
use crate::report::shared::{Shared, SilenceWatch};
use crate::report::window::LatenessWindow;
use crate::rings::command::{COMMAND_CAPACITY, TRASH_CAPACITY};
use crate::rings::event::EventSink;
use crate::rings::heard::HeardCount;
use crate::rings::queue::{Gate, queue};
use crate::rings::report_in::REPORT_CAPACITY;
use crate::rings::stats::Counters;
use crate::rings::warnings;
use crate::send::assembling::{Assembler, Parts};
use crate::send::emergency::Emergency;
use crate::send::hedge::{DISPATCHERS, Hedge};
use crate::send::hedged::HedgedSlots;
use crate::send::sending::Sending;
use crate::send::transmit::Tally;
use crate::tunnel::control::Control;
use crate::tunnel::threads::{self, Dispatch, Started, Timed, Work};
use i405_sys::errqueue::Timestamps;

/// Records of slots that wait for the reporter, and of arrivals: 160 ms of the shortest slots, 640 KiB.
const RECORD_CAPACITY: usize = 16_384;
/// Receiver events that wait for the reporter, which looks every 10 ms: handshakes are rare, but a process that was stopped
/// finds all that the socket kept for it at once, and a rekey that nobody answered repeats itself five times a second. As
/// much as 100 s of that; memory is taken as it is used, 1.4 KiB each.
const EVENT_CAPACITY: usize = 512;
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

/// What the socket is to report: what the statistics are from, and with launch times at least what they are judged by.
fn timestamps(config: &OpenConfig) -> Option<Timestamps> {
    match (config.deviation_source, config.send_by) {
        (DeviationSource::Hardware, _) => Some(Timestamps::Hardware),
        (DeviationSource::Software, _) | (DeviationSource::Call, SendBy::Txtime) => Some(Timestamps::Software),
        (DeviationSource::Call, SendBy::Call) => None,
    }
}

/// Opens socket and device, makes the rings, starts the threads.
///
/// # Errors
/// Whatever could not be had.
pub fn open(config: &OpenConfig, sink: Box<dyn EventSink>) -> Result<Opened, Error> {
    let socket = Arc::new(OuterSocket::open(config.bind, config.fwmark)?);
    launch::check(&socket, config)?;
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
    let device_name = tun.as_ref().and_then(|tun| tun.name()).map(str::to_owned);

    let counters = Arc::new(Counters::default());
    let gate = Gate::new();
    let (send, send_commands) = RingBuffer::new(COMMAND_CAPACITY);
    let (receive, receive_commands) = RingBuffer::new(COMMAND_CAPACITY);
    let (ingress, ingress_commands) = RingBuffer::new(COMMAND_CAPACITY);
    let (sending_trash, trash_of_sending) = RingBuffer::new(TRASH_CAPACITY);
    let (receiving_trash, trash_of_receiving) = RingBuffer::new(COMMAND_CAPACITY);
    let (event, events) = RingBuffer::new(EVENT_CAPACITY);
    let (report_in, reports_in) = RingBuffer::new(REPORT_CAPACITY);
    let (queue_in, queue_out) = queue(0, Arc::clone(&gate));
    let queue_capacity = queue_in.capacity();
    let stop = Arc::new(AtomicBool::new(false));

    let (delivery, packets) = match &tun {
        Some(tun) if config.poll_mode == PollMode::Spinny => {
            (Delivery::InTurns(Arc::clone(tun), Backlog::new(config.reorder_window)), None)
        }
        Some(tun) => (Delivery::Tun(Arc::clone(tun)), None),
        None => {
            let (producer, consumer) = RingBuffer::new(PACKETS_CAPACITY);
            (Delivery::Packets(producer), Some(consumer))
        }
    };
    let mut packets_in = None;
    let mut ingress_work = None;
    match &tun {
        Some(tun) => {
            ingress_work = Some(Ingress::new(
                Arc::clone(tun),
                queue_in,
                ingress_commands,
                Arc::clone(&counters),
                Arc::clone(&own_flow),
            ));
        }
        None => packets_in = Some(queue_in),
    }
    let inbound = Inbound::new(InboundConfig {
        role: config.role,
        peer: config.peer,
        unwrapper: Unwrapper::new(&config.pairing.receive_wrap, &config.pairing.receive_mask),
        initiation_length: config.initiation_length,
        floor_ms: config.floor_ms,
        max_stamp_age_ms: config.max_stamp_age_ms,
        max_datagram: LONGEST_DATAGRAM,
        seed: random()?,
    });
    let shared = Arc::new(Shared {
        counters: Arc::clone(&counters),
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
        closing: Waker::new()?,
        receiver: Waker::new()?,
        ingress: Waker::new()?,
        notices: Mutex::new(Vec::new()),
        departing_to: Mutex::new(None),
        own_flow,
        distrusts_launches: AtomicBool::new(false),
        failure: Mutex::new(None),
    });
    let assembler = Assembler::new(Parts {
        counters: Arc::clone(&counters),
        outbound: Outbound::new(throwaway()?, MIN_DATAGRAM),
        queue: queue_out,
        commands: send_commands,
        trash: sending_trash,
        stop: Arc::clone(&stop),
    });
    let mut records = Vec::new();
    let mut tally = || {
        let (record, taken) = RingBuffer::new(RECORD_CAPACITY);
        records.push(taken);
        Tally { records: record }
    };
    let sending = if config.dispatchers == DISPATCHERS {
        let hedge = Hedge::new(Arc::clone(&socket), assembler);
        let mut one = |which| -> Result<HedgedSlots, Error> {
            let emergency = Emergency::new(throwaway()?, LONGEST_DATAGRAM);
            Ok(HedgedSlots::new(Arc::clone(&hedge), which, tally(), emergency))
        };
        Dispatch::Hedged(Box::new([one(0)?, one(1)?]))
    } else {
        Dispatch::Alone(Box::new(Sending::new(Arc::clone(&socket), assembler, tally())))
    };
    let (mut departure_reader, mut departures) = (None, None);
    if let Some(timestamps) = timestamps {
        let (report, reports) = RingBuffer::new(RECORD_CAPACITY);
        departure_reader = Some(DepartureReader::new(report, Arc::clone(&counters)));
        let socket = Arc::clone(&socket);
        departures = Some(Departures::new(DepartureSources { socket, reports, timestamps, fwmark: config.fwmark }));
    }
    let (arrivals, recorder) = if config.record {
        let (arrivals, arriving) = RingBuffer::new(RECORD_CAPACITY);
        (Some(arrivals), Some(Recorder::new(arriving)))
    } else {
        (None, None)
    };
    let work = Work {
        sending,
        receiving: Receiving::new(ReceivingParts {
            socket: Arc::clone(&socket),
            inbound,
            commands: receive_commands,
            trash: receiving_trash,
            outlet: Outlet {
                delivery,
                allowed_ips: config.allowed_ips.clone(),
                events: event,
                arrivals,
                stamp_ns: 0,
                counters,
                current: 0,
                control_blocks: 0,
                heard: HeardCount::default(),
                reports: report_in,
            },
            departures: departure_reader,
        }),
        ingress: ingress_work,
    };
    #[cfg(feature = "simulation")]
    let (unmanned, work) = crate::tunnel::simulation::withhold(work);
    #[cfg(not(feature = "simulation"))]
    let work = Some(work);
    let started = match work {
        None => Started::default(),
        Some(work) => threads::start(config, &shared, &stop, work).inspect_err(|_| {
            stop.store(true, Ordering::Release);
            shared.receiver.stop();
            shared.ingress.stop();
        })?,
    };

    let mut pending = Vec::new();
    pending.extend(started.shortfalls.fifo.as_ref().map(warnings::sched_fifo));
    pending.extend(started.shortfalls.memory.as_ref().map(warnings::memory_lock));
    let mut burners = Vec::new();
    for Timed { pinned, tid, idle_time } in started.timed {
        match Burners::start(config.burner, pinned, tid, idle_time) {
            Ok(beside) => burners.extend(beside),
            Err(error) => {
                pending.push(warnings::no_burner(&error));
                burners.clear();
                break;
            }
        }
    }
    shared.counters.burners.set(burner::cores(&burners) as u64);
    let reporter = Reporter {
        shared: Arc::clone(&shared),
        sink,
        events,
        reports: reports_in,
        packets,
        records,
        recorder,
        departures,
        trash: [trash_of_sending, trash_of_receiving],
        threads: started.threads,
        stop: Arc::clone(&stop),
        pending,
        burners,
        keeper: tun.clone().map(|tun| DeviceKeeper::new(tun, config.device.clone(), Arc::clone(&socket), strong_host)),
    };
    #[cfg(feature = "simulation")]
    let reporter = crate::tunnel::simulation::keep(unmanned, &shared, reporter);
    #[cfg(not(feature = "simulation"))]
    let reporter = Some(reporter);
    if let Some(reporter) = reporter {
        threads::spawn("i405-report", &shared, move || reporter.run()).inspect_err(|_| {
            stop.store(true, Ordering::Release);
            shared.receiver.stop();
            shared.ingress.stop();
        })?;
    }
    let control = Control {
        receive,
        ingress: tun.is_some().then_some(ingress),
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
        throttle: started.throttle,
    };
    Ok(Opened { shared, control, dispatchers: started.dispatchers, local_address, device_name })
}
