//! The reporter: ordinary priority, and the only thread that talks to the program.
//!
//! Each time it looks ([`crate::report::pace`]): wrap handshake copies ahead, collect latenesses, free what the timed threads are done with, and, if
//! the last batch was taken, deliver one batch of events. What does not fit meanwhile is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use i405_proto::endpoint::Endpoint;
use rtrb::Consumer;

use crate::host::device_keeper::DeviceKeeper;
use crate::platform::clock::{Clock, SECOND_NS, System};
use crate::platform::lock::lock;
use crate::platform::panicking::caught;
use crate::platform::random::throwaway;
use crate::platform::wait::sleep_until;
use crate::realtime::burner::{self, Burners};
use crate::report::carousel::HandshakeSources;
use crate::report::departures::Departures;
use crate::report::pace::{Duties, Pace};
use crate::report::path;
use crate::report::recorder::Recorder;
use crate::report::shared::Shared;
use crate::report::spin_watch::SpinWatch;
use crate::report::warnings;
use crate::rings::command::{SendCommand, Trash};
use crate::rings::event::{Event, EventSink, Notice, ReceiverEvent};
use crate::rings::packet_ring;
use crate::rings::record::SlotRecord;
use crate::rings::report_in::ReportIn;

/// Events that wait while the program is busy.
const MOST_EVENTS: usize = 1024;
/// Inner bytes in one batch.
const BATCH_BYTES: usize = 1 << 20;
/// Datagrams over the budget in one such period that are a flood: a client that was kept from its core sends some at once.
const FLOOD: u64 = 1_000;
/// A warning of one kind at most this often.
const WARNING_PERIOD_NS: u64 = 60 * SECOND_NS;

/// What the reporter works with.
pub struct Reporter {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sink: Box<dyn EventSink>,
    pub(crate) events: Consumer<ReceiverEvent>,
    /// The peer's reports.
    pub(crate) reports: Consumer<ReportIn>,
    pub(crate) packets: Option<Consumer<u8>>,
    /// One of each dispatcher.
    pub(crate) records: Vec<Consumer<SlotRecord>>,
    /// Where slots and arrivals are told one by one.
    pub(crate) recorder: Option<Recorder>,
    pub(crate) departures: Option<Departures>,
    pub(crate) trash: [Consumer<Trash>; 2],
    pub(crate) threads: Vec<JoinHandle<()>>,
    /// Somebody asks it to look: not in `spinny`.
    pub(crate) is_asked: bool,
    pub(crate) pending: Vec<Event>,
    /// One beside each timed thread.
    pub(crate) burners: Vec<Burners>,
    /// Where the kernel spins for the slots.
    pub(crate) spin_watch: SpinWatch,
    /// With a TUN.
    pub(crate) keeper: Option<DeviceKeeper>,
}

/// Counters as they were when they were last looked at.
#[derive(Default)]
pub struct Seen {
    schedules_ended: u64,
    closes_said: u64,
    exhausted: u64,
    dropped: u64,
    stalls: Throttled,
    send_errors: Throttled,
    looped: Throttled,
    not_allowed: Throttled,
    device_errors: Throttled,
    over_budget: Throttled,
    flood_looked_ns: u64,
    silent: bool,
    throwaway_given: bool,
}

/// A counter whose rise is a warning, not too often.
#[derive(Default)]
struct Throttled {
    seen: u64,
    warned_ns: Option<u64>,
}

impl Throttled {
    fn rise(&mut self, value: u64, now_ns: u64) -> Option<u64> {
        let due = self.warned_ns.is_none_or(|warned_ns| now_ns - warned_ns >= WARNING_PERIOD_NS);
        if value == self.seen || !due {
            return None;
        }
        self.warned_ns = Some(now_ns);
        Some(value - std::mem::replace(&mut self.seen, value))
    }
}

impl Reporter {
    /// Runs until the tunnel closes, then ends the other threads and says so, even if it panics meanwhile: nobody else
    /// would end them.
    pub fn run(mut self) {
        let mut seen = Seen::default();
        if let Err(reason) = caught(|| self.report(&mut seen)) {
            self.shared.fail(format!("the thread i405-report panicked: {reason}"));
        }
        self.end(&mut seen);
    }

    fn report(&mut self, seen: &mut Seen) {
        let steady = !self.is_asked || self.departures.is_some() || self.recorder.is_some() || !self.burners.is_empty();
        let mut pace = Pace::new(Duties { steady, packets: self.packets.is_some() });
        while !self.shared.closing.stopped() {
            let offers = lock(&self.shared.carousel).is_some();
            let wait_ns = pace.wait_ns(&self.shared.asked, offers, System.monotonic_ns());
            self.shared.closing.wait(&[], Some(wait_ns));
            let sleeps_until_ns = pace.looks(System.monotonic_ns());
            if !self.period(&System, seen) {
                break;
            }
            sleeps_until_ns.into_iter().for_each(sleep_until);
        }
    }

    /// What is done at each look. False: the program is gone.
    pub(crate) fn period(&mut self, clock: &impl Clock, seen: &mut Seen) -> bool {
        self.collect(clock, seen);
        self.look_after_burners();
        self.spin_watch.look(clock, &self.shared, &mut self.pending);
        self.pending.extend(self.keeper.as_mut().map(|keeper| keeper.look(clock.monotonic_ns())).into_iter().flatten());
        !self.sink.idle() || self.deliver(clock)
    }

    fn end(mut self, seen: &mut Seen) {
        self.burners.clear();
        self.shared.counters.burners.set(0);
        self.shared.end_threads(self.threads.drain(..));
        let last = caught(|| {
            self.collect(&System, seen);
            self.batch(&System, true)
        });
        // What panicked before may panic again. The end is told all the same.
        let mut batch = last.unwrap_or_default();
        let failure = lock(&self.shared.failure).take();
        batch.extend(failure.map(|detail| Event::Failed { code: "ERR_I405_THREAD", detail }));
        batch.push(Event::Closed);
        // It does not wait: the listener takes batches in order. Nothing of the tunnel is left when it is told so.
        self.release().deliver(batch);
    }

    /// Lets go of everything but the way to the program.
    fn release(self) -> Box<dyn EventSink> {
        // Nobody else sets these two. Without them, figures are empty from now on.
        let _ = caught(|| {
            let _ = self.shared.final_lateness.set(lock(&self.shared.window).distributions());
            let figures = lock(&self.shared.path).figures(&self.shared.counters.receive, System.monotonic_ns());
            let _ = self.shared.final_path.set(figures);
        });
        self.sink
    }

    fn collect(&mut self, clock: &impl Clock, seen: &mut Seen) {
        for trash in &mut self.trash {
            for _ in 0..trash.slots() {
                drop(trash.pop());
            }
        }
        if let Some(carousel) = lock(&self.shared.carousel).as_mut() {
            carousel.refill(&self.shared.wrapper);
        }
        if let Some(departures) = &mut self.departures {
            departures.take(&self.shared, &mut self.pending);
        }
        self.take_slots(clock);
        if let Some(departures) = &mut self.departures {
            departures.collect(clock, &self.shared, self.recorder.as_mut(), &mut self.pending);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.take_arrivals();
        }
        while self.pending.len() < MOST_EVENTS
            && let Ok(event) = self.events.pop()
        {
            self.translate(&event);
        }
        self.look_at_counters(clock, seen);
    }

    fn take_slots(&mut self, clock: &impl Clock) {
        // Before the slots: what a report is about was sent, and told, before it came.
        let reports = path::waiting(&mut self.reports);
        let mut window = lock(&self.shared.window);
        let mut path = lock(&self.shared.path);
        for (dispatcher, records) in self.records.iter_mut().enumerate() {
            for _ in 0..records.slots() {
                let Ok(record) = records.pop() else { break };
                window.called(record.late_ns());
                path.slot(dispatcher, &record);
                if let Some(departures) = &mut self.departures {
                    departures.sent(record);
                }
                if let Some(recorder) = &mut self.recorder {
                    recorder.slot(record);
                }
            }
        }
        let now_ns = clock.monotonic_ns();
        path.take(&reports, now_ns);
        let counters = &self.shared.counters;
        let heard = path.look(&counters.receive, counters.heard.get(), now_ns);
        drop((window, path));
        if let Some(heard) = heard {
            // Without a dispatcher there is nobody to tell; the next one tells more.
            let _ = self.shared.command(SendCommand::Report(heard));
        }
    }

    fn translate(&mut self, event: &ReceiverEvent) {
        let bytes = || event.bytes.as_slice().to_vec();
        let event = match event.notice {
            Notice::Handshake { kind, version, stamp, source, datagram_length, received_ns } => {
                Event::Handshake { kind, version, stamp, message: bytes(), source, datagram_length, received_ns }
            }
            Notice::OtherVersion(initiation) => Event::OtherVersion(initiation),
            Notice::Stale { stamp, floor_ms } => Event::StaleInitiation { stamp, floor_ms },
            Notice::Opened { generation, source, received_ns } => Event::Opened { generation, source, received_ns },
            Notice::Control { generation, kind } => Event::Control { generation, kind, body: bytes() },
            Notice::Believed { confirmed, source } => {
                self.move_to(confirmed, source);
                // Where it was in between matters to nobody, and a peer can move as often as it likes.
                self.pending.retain(|event| !matches!(event, Event::Believed { confirmed: None, .. }));
                Event::Believed { confirmed, source }
            }
            Notice::Challenges(challenges) => {
                // Refused only where the dispatcher is dead.
                let _ = self.shared.command(SendCommand::Challenge(Box::new(challenges)));
                return;
            }
            Notice::HandshakeSources { stamp, sources } => {
                let newest = HandshakeSources { stamp, sources };
                let mut carousel = lock(&self.shared.carousel);
                *lock(&self.shared.handshake_sources) = newest;
                if let Some(carousel) = carousel.as_mut() {
                    carousel.set_sources(&newest);
                }
                return;
            }
        };
        self.pending.push(event);
    }

    /// Sends slots to where the client is believed to be, without waiting for the program. The end of a schedule that
    /// nobody confirmed is no end any more; the program plans the next one when it hears of it.
    fn move_to(&self, confirmed: Option<u32>, source: Endpoint) {
        self.shared.lead_to(source);
        let _ = self.shared.command(SendCommand::Endpoint(source));
        if confirmed.is_some() {
            let _ = self.shared.command(SendCommand::EndAt(None));
        }
    }

    fn look_at_counters(&mut self, clock: &impl Clock, seen: &mut Seen) {
        let shared = Arc::clone(&self.shared);
        let (send, receive) = (&shared.counters.send, &shared.counters.receive);
        let now_ns = clock.monotonic_ns();
        if rose(&mut seen.schedules_ended, send.schedules_ended.get()) {
            self.pending.push(Event::ScheduleEnded);
        }
        if rose(&mut seen.closes_said, shared.counters.dispatched(|each| &each.closes_said)) {
            self.pending.push(Event::CloseSent);
        }
        if rose(&mut seen.exhausted, send.exhausted.get()) {
            self.pending.push(Event::Exhausted { generation: (seen.exhausted - 1) as u32 });
        }
        let wants_throwaway = send.wants_throwaway.get() != 0;
        if wants_throwaway && !seen.throwaway_given {
            let given = throwaway().and_then(|sealer| shared.command(SendCommand::Throwaway(Box::new(sealer))));
            seen.throwaway_given = given.is_ok();
        } else if !wants_throwaway {
            seen.throwaway_given = false;
        }
        let dropped = receive.events_dropped.get();
        if dropped > seen.dropped && self.pending.len() < MOST_EVENTS {
            self.pending.push(Event::Dropped { count: dropped - seen.dropped });
            seen.dropped = dropped;
        }
        self.pending.append(&mut lock(&shared.notices));
        match shared.silence.silent_for(receive.last_opened_ns.get(), now_ns) {
            Some(for_ns) if !seen.silent => {
                seen.silent = true;
                self.pending.push(Event::Silent { for_ns });
            }
            None if seen.silent => {
                seen.silent = false;
                self.pending.push(Event::Heard);
            }
            _ => {}
        }
        if shared.wants_drain.load(Ordering::Acquire)
            && lock(&shared.packets_in).as_ref().is_some_and(|queue| queue.has_room())
        {
            shared.wants_drain.store(false, Ordering::Release);
            self.pending.push(Event::Drain);
        }
        if let Some(stalls) = seen.stalls.rise(shared.counters.dispatched(|each| &each.throttle_stalls), now_ns) {
            self.pending.push(warnings::throttled(stalls));
        }
        if let Some(errors) = seen.send_errors.rise(shared.counters.dispatched(|each| &each.errors), now_ns) {
            self.pending.push(warnings::send_failing(errors, shared.counters.last_errno()));
        }
        if let Some(looped) = seen.looped.rise(shared.counters.ingress.looped.get(), now_ns) {
            self.pending.push(warnings::routing_loop(looped));
        }
        if let Some(dropped) = seen.not_allowed.rise(receive.not_allowed.get(), now_ns) {
            self.pending.push(warnings::not_allowed(dropped));
        }
        // A deleted interface has a warning of its own.
        let errno = shared.counters.device_errno();
        if errno != 0
            && errno != libc::EBADFD.unsigned_abs().into()
            && let Some(refused) = seen.device_errors.rise(shared.counters.device_errors(), now_ns)
        {
            self.pending.push(warnings::device_failing(refused, errno));
        }
        let over_budget = receive.over_budget.get();
        if over_budget - seen.over_budget.seen >= FLOOD {
            self.pending.extend(seen.over_budget.rise(over_budget, now_ns).map(warnings::flood));
        } else if now_ns - seen.flood_looked_ns >= WARNING_PERIOD_NS {
            seen.flood_looked_ns = now_ns;
            seen.over_budget.seen = over_budget;
        }
    }

    fn look_after_burners(&mut self) {
        for burners in &mut self.burners {
            if let Err(error) = burners.look() {
                self.pending.push(warnings::no_burner(&error));
            }
        }
        self.shared.counters.burners.set(burner::cores(&self.burners) as u64);
    }

    /// Delivers what there is.
    fn deliver(&mut self, clock: &impl Clock) -> bool {
        let batch = self.batch(clock, false);
        batch.is_empty() || self.sink.deliver(batch)
    }

    /// What there is. In the last one are records as well that aren't due.
    fn batch(&mut self, clock: &impl Clock, last: bool) -> Vec<Event> {
        let mut batch = std::mem::take(&mut self.pending);
        if let Some(packets) = &mut self.packets {
            let mut taken = Vec::new();
            let mut bytes = 0;
            while bytes < BATCH_BYTES
                && let Some(length) = packet_ring::pop_length(packets)
            {
                let mut packet = vec![0; length];
                // Length and bytes were pushed together.
                if packets.pop_entire_slice(&mut packet).is_err() {
                    break;
                }
                bytes += length;
                taken.push(packet);
            }
            if !taken.is_empty() {
                batch.push(Event::Packets(taken));
            }
        }
        if let Some(recorder) = &mut self.recorder {
            let now_ns = clock.monotonic_ns();
            if last || recorder.is_due(now_ns) {
                recorder.hand_over(now_ns, &self.shared.counters, &mut batch);
            }
        }
        batch
    }
}

fn rose(seen: &mut u64, value: u64) -> bool {
    let before = std::mem::replace(seen, value);
    value > before
}
