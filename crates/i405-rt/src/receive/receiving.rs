//! The receiving half of a tunnel, without the waiting: commands, one datagram at a time, timers.
//!
//! 1. read a datagram and its kernel receive time
//! 2. trial, opening, replay, reordering, unpacking: `i405_proto::inbound`
//! 3. inner packets to the device, everything else to the reporter's ring
//!
//! Nothing here allocates, locks or logs: in `spinny` it runs on the timed thread.

use std::io;
use std::sync::Arc;

use i405_proto::challenge::Challenges;
use i405_proto::endpoint::Endpoint;
use i405_proto::inbound::{Believed, HandshakeMessage, Inbound, InboundSink, OpenedDatagram, OtherVersion};
use i405_proto::inner::{AllowedIps, is_of_the_link, may_enter};
use i405_proto::report::Report;
use i405_proto::sources::MOST_SOURCES;
use rtrb::{Consumer, Producer};

use crate::platform::clock::Clock;
use crate::platform::device::Tun;
use crate::platform::socket::OuterSocket;
use crate::receive::backlog::Backlog;
use crate::receive::departure_reader::DepartureReader;
use crate::rings::command::{ReceiveCommand, Trash};
use crate::rings::event::{InlineBytes, Notice, ReceiverEvent};
use crate::rings::heard::HeardCount;
use crate::rings::packet_ring;
use crate::rings::record::{Arrival, ArrivalRecord};
use crate::rings::report_in::ReportIn;
use crate::rings::stats::{Counters, ReceiveCounters};

/// Largest UDP payload.
const LARGEST_DATAGRAM: usize = 65_535;
const MILLISECOND_NS: u64 = 1_000_000;
/// How many control blocks of one turn are told to the reporter. A peer sends one or two in a payload, and some more
/// come at once where payloads waited for a lost one. Whoever fills payloads with them loses the rest.
const MOST_CONTROL_BLOCKS: u32 = 16;

/// Where inner packets go.
pub enum Delivery {
    /// To the interface.
    Tun(Arc<Tun>),
    /// To the interface, one in each turn.
    InTurns(Arc<Tun>, Backlog),
    /// To the program, by way of the reporter: each packet behind its length.
    Packets(Producer<u8>),
}

/// What the control side hands to the thread that receives.
pub struct ReceivingParts {
    pub(crate) socket: Arc<OuterSocket>,
    pub(crate) inbound: Inbound,
    pub(crate) commands: Consumer<ReceiveCommand>,
    pub(crate) trash: Producer<Trash>,
    pub(crate) outlet: Outlet,
    /// Where timestamps are asked for.
    pub(crate) departures: Option<DepartureReader>,
}

/// Where everything that was received goes.
pub struct Outlet {
    pub(crate) delivery: Delivery,
    pub(crate) allowed_ips: AllowedIps,
    pub(crate) events: Producer<ReceiverEvent>,
    /// Where they are recorded.
    pub(crate) arrivals: Option<Producer<Arrival>>,
    /// The kernel's receive time of the datagram under way, CLOCK_REALTIME; 0: none.
    pub(crate) stamp_ns: u64,
    pub(crate) counters: Arc<Counters>,
    /// The generation that is sent under, 0 before the first.
    pub(crate) current: u32,
    /// Control blocks of this turn that were told of.
    pub(crate) control_blocks: u32,
    /// What has opened under the newest key.
    pub(crate) heard: HeardCount,
    /// The peer's reports. What finds no room is a later one's to say.
    pub(crate) reports: Producer<ReportIn>,
    /// There is something for the reporter, or with the packet device there may be.
    pub(crate) has_told: bool,
}

/// The receiving half.
pub struct Receiving {
    parts: ReceivingParts,
    buffer: Box<[u8]>,
    untold: Untold,
}

/// What the reporter has to know in the end: kept until its ring has room.
#[derive(Default)]
struct Untold {
    believed: Option<Believed>,
    challenges: Option<Challenges>,
}

impl Receiving {
    /// Ready to receive.
    pub fn new(parts: ReceivingParts) -> Self {
        Receiving { parts, buffer: vec![0; LARGEST_DATAGRAM].into_boxed_slice(), untold: Untold::default() }
    }

    /// The socket, for poll.
    pub fn socket(&self) -> Arc<OuterSocket> {
        Arc::clone(&self.parts.socket)
    }

    /// Carries out what the control side wants.
    pub fn apply_commands(&mut self, clock: &impl Clock) {
        let ReceivingParts { inbound, commands, trash, outlet, .. } = &mut self.parts;
        while let Ok(command) = commands.pop() {
            match command {
                // A key that the control side has checked already; what is refused comes back as retired.
                ReceiveCommand::Install(key) => drop(inbound.install(key, clock.monotonic_ns())),
                ReceiveCommand::SetCurrent(generation) => {
                    inbound.set_current(generation);
                    outlet.current = generation;
                }
                ReceiveCommand::Forget(generation) => inbound.forget(generation),
                ReceiveCommand::Endpoint(endpoint) => inbound.set_endpoint(endpoint),
                ReceiveCommand::Ask(generation, source) => inbound.ask(generation, source, clock.monotonic_ns()),
                ReceiveCommand::ExpectStamps(stamps) => inbound.expect_stamps(stamps),
            }
            while let Some(key) = inbound.take_retired() {
                // Wiped and freed by the reporter; here only if it is far behind.
                drop(trash.push(Trash::Key(key)));
            }
        }
        self.tell();
    }

    /// Tells who is to be challenged and who is believed. What is newer takes the place of what could not be told yet.
    fn tell(&mut self) {
        let ReceivingParts { inbound, outlet, .. } = &mut self.parts;
        let Untold { believed, challenges } = &mut self.untold;
        if let Some(newer) = inbound.take_believed() {
            *believed = Some(newer);
        }
        if let Some(newer) = inbound.take_challenges() {
            *challenges = Some(newer);
        }
        // In this order: the endpoint is there before the others get nothing more.
        if let Some(Believed { confirmed, source }) = *believed
            && outlet.try_report(Notice::Believed { confirmed, source })
        {
            *believed = None;
        }
        if let Some(newest) = *challenges
            && outlet.try_report(Notice::Challenges(newest))
        {
            *challenges = None;
        }
    }

    /// Handles at most one datagram, or one packet that waits for its turn, and takes at most one transmit timestamp.
    /// False: there was none of them.
    pub fn turn(&mut self, clock: &impl Clock) -> bool {
        let ReceivingParts { departures, socket, outlet, .. } = &mut self.parts;
        let departed = departures.as_mut().is_some_and(|departures| departures.turn(socket));
        outlet.take_turn() || self.receive(clock) || departed
    }

    /// Whether the reporter is to look. Asked once.
    pub fn has_told(&mut self) -> bool {
        std::mem::take(&mut self.parts.outlet.has_told)
    }

    /// Whether packets wait for their turn.
    pub fn has_backlog(&self) -> bool {
        matches!(&self.parts.outlet.delivery, Delivery::InTurns(_, backlog) if !backlog.is_empty())
    }

    /// Takes the transmit timestamps that wait, within bounds. False: there were none, so the socket reports an error
    /// for another reason.
    pub fn drain_departures(&mut self) -> bool {
        let ReceivingParts { departures, socket, .. } = &mut self.parts;
        departures.as_mut().is_some_and(|departures| departures.drain(socket))
    }

    fn receive(&mut self, clock: &impl Clock) -> bool {
        let received = match self.parts.socket.receive(&mut self.buffer) {
            Ok(received) => received,
            // Besides EAGAIN the socket may report an ICMP error that a stranger sent: no datagram either way.
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        };
        let now_ns = clock.monotonic_ns();
        let wall_ns = clock.realtime_ns();
        let age_ns = received.kernel_realtime_ns.map_or(0, |kernel| wall_ns.saturating_sub(kernel));
        self.parts.outlet.stamp_ns = received.kernel_realtime_ns.unwrap_or(0);
        self.parts.outlet.control_blocks = 0;
        self.parts.inbound.receive(
            now_ns,
            now_ns.saturating_sub(age_ns),
            wall_ns / MILLISECOND_NS,
            Endpoint { address: received.source, local: received.local },
            &self.buffer[..received.length],
            &mut self.parts.outlet,
        );
        self.tell();
        self.publish_counters();
        true
    }

    /// When [`Self::on_timer`] is due: the lost-packet timer. It waits for packets that wait for their turn.
    pub fn timer_ns(&self) -> Option<u64> {
        self.parts.inbound.next_timer_ns().filter(|_| !self.has_backlog())
    }

    /// Gives up payloads that were waited for long enough.
    pub fn on_timer(&mut self, now_ns: u64) {
        self.parts.outlet.control_blocks = 0;
        self.parts.inbound.on_timer(now_ns, &mut self.parts.outlet);
        self.parts.outlet.may_have_packets();
        self.tell();
        self.publish_counters();
    }

    fn publish_counters(&self) {
        let from = self.parts.inbound.counters();
        let to = &self.parts.outlet.counters.receive;
        to.received.set(from.received);
        to.expected.set(from.expected);
        to.opened.set(from.opened);
        to.unknown.set(from.unknown);
        to.unopened.set(from.unopened);
        to.replayed.set(from.replayed);
        to.over_budget.set(from.over_budget);
        to.fragments.set(from.fragments);
        to.stale.set(from.stale);
        to.payloads_lost.set(from.payloads_lost);
        to.blocks_dropped.set(from.blocks_dropped);
        to.malformed_inner.set(from.malformed_inner);
    }
}

impl Outlet {
    /// With the packet device the reporter looks at each datagram, whether it carries packets or not.
    fn may_have_packets(&mut self) {
        self.has_told |= matches!(self.delivery, Delivery::Packets(_));
    }

    /// False: there is no room now.
    fn try_report(&mut self, notice: Notice) -> bool {
        let bytes = InlineBytes::EMPTY;
        self.has_told = true;
        self.events.push(ReceiverEvent { notice, bytes }).is_ok()
    }

    fn report(&mut self, notice: Notice, bytes: &[u8]) {
        let event = InlineBytes::new(bytes).map(|bytes| ReceiverEvent { notice, bytes });
        self.has_told = true;
        if event.is_none_or(|event| self.events.push(event).is_err()) {
            self.counters.receive.events_dropped.add(1);
        }
    }

    /// Takes one packet that waits to the interface. False: none waits.
    fn take_turn(&mut self) -> bool {
        let Delivery::InTurns(tun, backlog) = &mut self.delivery else { return false };
        let Some(inner) = backlog.pop() else { return false };
        to_interface(tun, inner, &self.allowed_ips, &self.counters.receive);
        true
    }
}

/// Lets an inner packet in, if its source may come in.
fn to_interface(tun: &Tun, inner: &[u8], allowed_ips: &AllowedIps, counters: &ReceiveCounters) {
    if !allowed_ips.permit(inner) || !may_enter(inner) {
        count_stray(counters, inner);
        return;
    }
    match tun.write(inner) {
        Ok(_) => count_inner(counters, inner),
        Err(error) => {
            counters.device_errors.add(1);
            counters.device_errno.set(error.raw_os_error().unwrap_or(0).unsigned_abs().into());
        }
    }
}

/// What a kernel says by itself is no forgery, and nobody needs to hear of it.
fn count_stray(counters: &ReceiveCounters, inner: &[u8]) {
    let counter = if is_of_the_link(inner) { &counters.link_local } else { &counters.not_allowed };
    counter.add(1);
}

fn count_inner(counters: &ReceiveCounters, inner: &[u8]) {
    counters.inner_packets.add(1);
    counters.inner_bytes.add(inner.len() as u64);
}

impl InboundSink for Outlet {
    fn packet(&mut self, inner: &[u8]) {
        let counters = &self.counters.receive;
        match &mut self.delivery {
            Delivery::Tun(tun) => to_interface(tun, inner, &self.allowed_ips, counters),
            // Looked at when its turn comes: a long list of sources takes its time, too.
            Delivery::InTurns(_, backlog) => counters.device_errors.add(u64::from(!backlog.push(inner))),
            Delivery::Packets(_) if !self.allowed_ips.permit(inner) => count_stray(counters, inner),
            Delivery::Packets(ring) => {
                if packet_ring::push(ring, inner) {
                    count_inner(counters, inner);
                } else {
                    counters.events_dropped.add(1);
                }
            }
        }
    }

    fn control(&mut self, generation: u32, kind: u8, body: &[u8]) {
        if self.control_blocks == MOST_CONTROL_BLOCKS {
            self.counters.receive.events_dropped.add(1);
            return;
        }
        self.control_blocks += 1;
        self.report(Notice::Control { generation, kind }, body);
    }

    fn handshake(&mut self, message: HandshakeMessage<'_>) {
        let notice = Notice::Handshake {
            kind: message.kind,
            version: message.version,
            stamp: message.stamp,
            source: message.source,
            datagram_length: message.datagram_length,
            received_ns: message.received_ns,
        };
        self.report(notice, message.message);
    }

    fn other_version(&mut self, initiation: OtherVersion) {
        self.report(Notice::OtherVersion(initiation), &[]);
    }

    fn stale(&mut self, stamp: u64, floor_ms: u64) {
        self.report(Notice::Stale { stamp, floor_ms }, &[]);
    }

    fn opened(&mut self, generation: u32, source: Endpoint, received_ns: u64) {
        let highest = &self.counters.receive.opened_generation;
        highest.set(highest.get().max(u64::from(generation) + 1));
        self.report(Notice::Opened { generation, source, received_ns }, &[]);
    }

    fn challenged(&mut self, token: u64) {
        let counters = &self.counters.receive;
        counters.newest_challenge.set(token);
        counters.challenges.add(1);
    }

    fn report(&mut self, generation: u32, report: Report, received_ns: Option<u64>) {
        let _ = self.reports.push(ReportIn { generation, report, received_ns });
        self.has_told = true;
    }

    fn handshake_sources(&mut self, stamp: u64, from: &mut dyn Iterator<Item = Endpoint>) {
        let mut sources = [None; MOST_SOURCES];
        sources.iter_mut().zip(from).for_each(|(place, source)| *place = Some(source));
        self.report(Notice::HandshakeSources { stamp, sources }, &[]);
    }

    fn heard(&mut self, datagram: OpenedDatagram) {
        let OpenedDatagram { generation, counter, now_ns, received_ns } = datagram;
        self.may_have_packets();
        // A peer that still sends under a replaced key may know nothing of the one that we send under.
        if generation >= self.current {
            self.counters.receive.last_opened_ns.set(now_ns);
        }
        match self.heard.opened(generation, counter, received_ns) {
            Some(heard) => self.counters.heard.set(heard),
            None => self.counters.receive.opened_replaced.add(1),
        }
        if let Some(arrivals) = &mut self.arrivals {
            let record = ArrivalRecord { received_ns, generation, counter };
            if arrivals.push(Arrival { record, stamp_ns: self.stamp_ns }).is_err() {
                self.counters.receive.arrivals_dropped.add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests;
