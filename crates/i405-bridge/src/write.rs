//! The core's types into JavaScript values, with the field names of `lib/native`.

use i405_proto::endpoint::Endpoint;
use i405_proto::inbound::OtherVersion;
use i405_rt::clock::Clock;
use i405_rt::config::DeviationSource;
use i405_rt::{BOUNDS_NS, Counters, DeviationReport, Distribution, Event, LossFigures, PathFigures, Tunnel};
use neon::prelude::*;

use crate::field::{set_bigint, set_bytes, set_number, set_text};
use crate::records;

/// Endpoints as text.
pub fn endpoints<'cx>(cx: &mut impl Context<'cx>, endpoints: &[Endpoint]) -> JsResult<'cx, JsArray> {
    let array = cx.empty_array();
    for (index, endpoint) in endpoints.iter().enumerate() {
        let text = cx.string(endpoint.to_string());
        array.set(cx, index as u32, text)?;
    }
    Ok(array)
}

/// A batch.
pub fn events<'cx>(cx: &mut impl Context<'cx>, batch: Vec<Event>) -> JsResult<'cx, JsArray> {
    let array = cx.empty_array();
    for (index, event) in batch.into_iter().enumerate() {
        let value = self::event(cx, event)?;
        array.set(cx, index as u32, value)?;
    }
    Ok(array)
}

fn event<'cx>(cx: &mut impl Context<'cx>, event: Event) -> JsResult<'cx, JsObject> {
    let to = cx.empty_object();
    let kind = match event {
        Event::Handshake { kind, version, stamp, message, source, datagram_length, received_ns } => {
            set_number(cx, to, "kind", kind.into())?;
            set_number(cx, to, "version", version.into())?;
            set_number(cx, to, "stamp", stamp as f64)?;
            set_bytes(cx, to, "message", &message)?;
            set_text(cx, to, "source", &source.to_string())?;
            set_number(cx, to, "datagramLength", datagram_length as f64)?;
            set_bigint(cx, to, "receivedNs", received_ns)?;
            "handshake"
        }
        Event::OtherVersion(OtherVersion { version, stamp, source, datagram_length, received_ns, .. }) => {
            set_number(cx, to, "version", version.into())?;
            set_number(cx, to, "stamp", stamp as f64)?;
            set_text(cx, to, "source", &source.to_string())?;
            set_number(cx, to, "datagramLength", datagram_length as f64)?;
            set_bigint(cx, to, "receivedNs", received_ns)?;
            "otherVersion"
        }
        Event::StaleInitiation { stamp, floor_ms } => {
            set_number(cx, to, "stamp", stamp as f64)?;
            set_number(cx, to, "floorMs", floor_ms as f64)?;
            "staleInitiation"
        }
        Event::Opened { generation, source, received_ns } => {
            set_number(cx, to, "generation", generation.into())?;
            set_text(cx, to, "source", &source.to_string())?;
            set_bigint(cx, to, "receivedNs", received_ns)?;
            "opened"
        }
        Event::Control { generation, kind, body } => {
            set_number(cx, to, "generation", generation.into())?;
            set_number(cx, to, "kind", kind.into())?;
            set_bytes(cx, to, "body", &body)?;
            "control"
        }
        Event::Believed { confirmed, source } => {
            match confirmed {
                Some(generation) => set_number(cx, to, "confirmed", generation.into())?,
                None => {
                    let nothing = cx.null();
                    to.set(cx, "confirmed", nothing)?;
                }
            }
            set_text(cx, to, "source", &source.to_string())?;
            "believed"
        }
        Event::Silent { for_ns } => {
            set_bigint(cx, to, "forNs", for_ns)?;
            "silent"
        }
        Event::Heard => "heard",
        Event::ScheduleEnded => "scheduleEnded",
        Event::CloseSent => "closeSent",
        Event::Exhausted { generation } => {
            set_number(cx, to, "generation", generation.into())?;
            "exhausted"
        }
        Event::Packets(packets) => {
            let array = cx.empty_array();
            for (index, packet) in packets.iter().enumerate() {
                let packet = JsUint8Array::from_slice(cx, packet)?;
                array.set(cx, index as u32, packet)?;
            }
            to.set(cx, "packets", array)?;
            "packets"
        }
        Event::Drain => "drain",
        Event::Slots(slots) => {
            records::slots(cx, to, &slots)?;
            "slots"
        }
        Event::Departures(departures) => {
            records::departures(cx, to, &departures)?;
            "departures"
        }
        Event::Arrivals(arrivals) => {
            records::arrivals(cx, to, &arrivals)?;
            "arrivals"
        }
        Event::Warning { code, message, remedy } => {
            set_text(cx, to, "code", code)?;
            set_text(cx, to, "message", &message)?;
            set_text(cx, to, "remedy", &remedy)?;
            "warning"
        }
        Event::Dropped { count } => {
            set_number(cx, to, "count", count as f64)?;
            "dropped"
        }
        Event::Failed { code, detail } => {
            set_text(cx, to, "code", code)?;
            set_text(cx, to, "detail", &detail)?;
            "failed"
        }
        Event::Closed => "closed",
    };
    set_text(cx, to, "type", kind)?;
    Ok(to)
}

/// The counters.
pub fn stats<'cx>(cx: &mut impl Context<'cx>, clock: &impl Clock, tunnel: &Tunnel) -> JsResult<'cx, JsObject> {
    let to = cx.empty_object();
    let counters: &Counters = tunnel.counters();
    let Counters { send, ingress, receive, departure, .. } = counters;
    for (name, counter) in [
        ("innerPacketsReceived", &receive.inner_packets),
        ("innerBytesReceived", &receive.inner_bytes),
        ("queueDrops", &ingress.queue_drops),
        ("innerLooped", &ingress.looped),
        ("innerNotAllowed", &receive.not_allowed),
        ("innerLinkLocal", &receive.link_local),
        ("queuedBytes", &send.queued_bytes),
        ("datagramsReceived", &receive.received),
        ("datagramsOpened", &receive.opened),
        ("openedReplaced", &receive.opened_replaced),
        ("datagramsUnknown", &receive.unknown),
        ("datagramsUnopened", &receive.unopened),
        ("datagramsReplayed", &receive.replayed),
        ("datagramsOverBudget", &receive.over_budget),
        ("handshakeFragments", &receive.fragments),
        ("staleInitiations", &receive.stale),
        ("payloadsLost", &receive.payloads_lost),
        ("blocksDropped", &receive.blocks_dropped),
        ("eventsDropped", &receive.events_dropped),
        ("slotsHedged", &counters.hedge.sent),
        ("lastOpenedNs", &receive.last_opened_ns),
        ("slotsUnreported", &departure.unreported),
        ("launchesMissed", &departure.launches_missed),
    ] {
        set_bigint(cx, to, name, counter.get())?;
    }
    for (name, value) in [
        ("deviceErrors", counters.device_errors()),
        ("slotsSent", counters.dispatched(|each| &each.sent)),
        ("slotsMissed", counters.missed()),
        ("slotsLate", counters.dispatched(|each| &each.late)),
        ("slotsCarrying", counters.dispatched(|each| &each.carrying)),
        ("slotsCover", counters.dispatched(|each| &each.cover)),
        ("slotsHandshake", counters.dispatched(|each| &each.handshake)),
        ("slotsEmergency", counters.dispatched(|each| &each.emergency)),
        ("sendErrors", counters.dispatched(|each| &each.errors)),
        ("innerPacketsSent", counters.dispatched(|each| &each.inner_packets)),
        ("innerBytesSent", counters.dispatched(|each| &each.inner_bytes)),
        ("throttleStalls", counters.dispatched(|each| &each.throttle_stalls)),
    ] {
        set_bigint(cx, to, name, value)?;
    }
    set_bigint(cx, to, "malformedInner", ingress.malformed.get() + receive.malformed_inner.get())?;
    set_number(cx, to, "lastSendErrno", counters.last_errno() as f64)?;
    set_number(cx, to, "burners", counters.burners.get() as f64)?;
    let lateness = cx.empty_array();
    for (index, (source, distribution)) in tunnel.lateness().iter().enumerate() {
        let value = self::distribution(cx, *source, distribution)?;
        lateness.set(cx, index as u32, value)?;
    }
    to.set(cx, "lateness", lateness)?;
    let path = self::path(cx, &tunnel.path(clock))?;
    to.set(cx, "path", path)?;
    Ok(to)
}

fn path<'cx>(cx: &mut impl Context<'cx>, from: &PathFigures) -> JsResult<'cx, JsObject> {
    let to = cx.empty_object();
    for (name, LossFigures { totals, recent }) in [("inbound", from.inbound), ("outbound", from.outbound)] {
        let direction = cx.empty_object();
        set_bigint(cx, direction, "expected", totals.expected)?;
        set_bigint(cx, direction, "lost", totals.lost)?;
        set_number(cx, direction, "recentExpected", recent.expected as f64)?;
        set_number(cx, direction, "recentLost", recent.lost as f64)?;
        to.set(cx, name, direction)?;
    }
    match from.round_trip {
        Some(trip) => {
            let times = cx.empty_object();
            set_number(cx, times, "newestNs", trip.newest_ns as f64)?;
            set_number(cx, times, "smoothedNs", trip.smoothed_ns as f64)?;
            set_number(cx, times, "leastNs", trip.least_ns as f64)?;
            to.set(cx, "roundTrip", times)?;
        }
        None => {
            let none = cx.null();
            to.set(cx, "roundTrip", none)?;
        }
    }
    set_bigint(cx, to, "reportedNs", from.reported_ns)?;
    Ok(to)
}

fn distribution<'cx>(
    cx: &mut impl Context<'cx>,
    source: DeviationSource,
    from: &Distribution,
) -> JsResult<'cx, JsObject> {
    let to = cx.empty_object();
    set_text(cx, to, "source", source_name(source))?;
    for (name, values) in [("boundsNs", &BOUNDS_NS[..]), ("counts", &from.counts[..])] {
        let array = cx.empty_array();
        for (index, value) in values.iter().enumerate() {
            let value = cx.number(*value as f64);
            array.set(cx, index as u32, value)?;
        }
        to.set(cx, name, array)?;
    }
    set_bigint(cx, to, "sumNs", from.sum_ns)?;
    Ok(to)
}

fn source_name(source: DeviationSource) -> &'static str {
    match source {
        DeviationSource::Call => "call",
        DeviationSource::Software => "software",
        DeviationSource::Hardware => "hardware",
    }
}

/// Lateness statistics.
pub fn deviation<'cx>(cx: &mut impl Context<'cx>, report: &DeviationReport) -> JsResult<'cx, JsObject> {
    let to = cx.empty_object();
    set_text(cx, to, "source", source_name(report.source))?;
    let from = &report.figures;
    for (name, value) in [
        ("count", from.count as f64),
        ("meanNs", from.mean_ns),
        ("stddevNs", from.stddev_ns),
        ("p1Ns", from.p1_ns as f64),
        ("p50Ns", from.p50_ns as f64),
        ("p90Ns", from.p90_ns as f64),
        ("p99Ns", from.p99_ns as f64),
        ("p999Ns", from.p999_ns as f64),
        ("maxNs", from.max_ns as f64),
        ("missed", from.missed as f64),
        ("unreported", report.unreported as f64),
    ] {
        set_number(cx, to, name, value)?;
    }
    Ok(to)
}
