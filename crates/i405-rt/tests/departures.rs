//! Transmit timestamps over loopback, whose driver gives the kernel's: each slot has one, and the card's have a reason.

use std::net::UdpSocket;

use i405_rt::config::{DeviationSource, OpenConfig, PollMode, Role};
use i405_rt::{Event, Tunnel, clock};

mod support;
use support::{Collected, config, has_two_cores, sent, start_cover, until};

/// A client that nobody answers, on a schedule of 1 ms until it has sent `slots` or more.
fn run(poll_mode: PollMode, dispatchers: usize, deviation_source: DeviationSource, slots: u64) -> (Tunnel, Collected) {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let endpoint = peer.local_addr().unwrap();
    let config = OpenConfig {
        cpus: if dispatchers == 2 { vec![0, 1] } else { Vec::new() },
        deviation_source,
        record: true,
        ..config(Role::Client, poll_mode, dispatchers, Some(endpoint))
    };
    let events = Collected::default();
    let tunnel = Tunnel::open(config, Box::new(events.clone())).unwrap();
    start_cover(&tunnel, endpoint);
    until("slots", || sent(&tunnel) >= slots);
    tunnel.end_at(Some(clock::monotonic_ns())).unwrap();
    events.wait_for_end();
    (tunnel, events)
}

/// Deadlines of the departures that were told one by one.
fn recorded(events: &Collected) -> Vec<u64> {
    let all = events.all().into_iter().filter_map(|event| match event {
        Event::Departures(departures) => Some(departures.records),
        _ => None,
    });
    let mut deadlines: Vec<u64> = all.flatten().map(|slot| slot.deadline_ns).collect();
    deadlines.sort_unstable();
    deadlines
}

fn every_slot_has_a_timestamp_that_is_not_before_its_call(mode: PollMode, dispatchers: usize) {
    let (tunnel, events) = run(mode, dispatchers, DeviationSource::Software, 300);
    let departure = &tunnel.counters().departure;
    until("timestamps", || departure.reported.get() + departure.unreported.get() >= sent(&tunnel));
    // A timestamp before its call would match no slot, which then counted as unreported.
    assert_eq!((departure.reported.get(), departure.unreported.get()), (sent(&tunnel), 0));
    let report = tunnel.deviation();
    assert_eq!((report.source, report.unreported), (DeviationSource::Software, 0));
    assert_eq!((report.figures.count, report.figures.missed), (sent(&tunnel), tunnel.counters().missed()));
    assert!(report.figures.p50_ns > 0);
    assert_eq!((tunnel.deviation().source, tunnel.deviation().figures.count), (DeviationSource::Software, 0));
    tunnel.close();
    events.wait_for_closed();
    let mut slots: Vec<u64> = Vec::new();
    for event in events.all() {
        if let Event::Slots(each) = event {
            slots.extend(each.records.iter().map(|slot| slot.deadline_ns));
        }
    }
    slots.sort_unstable();
    assert_eq!(recorded(&events), slots, "each slot once");
}

#[test]
fn sleepy() {
    every_slot_has_a_timestamp_that_is_not_before_its_call(PollMode::Sleepy, 1);
}

#[test]
fn dozy() {
    every_slot_has_a_timestamp_that_is_not_before_its_call(PollMode::Dozy, 1);
}

#[test]
fn spinny() {
    every_slot_has_a_timestamp_that_is_not_before_its_call(PollMode::Spinny, 1);
}

#[test]
fn hedged() {
    if has_two_cores() {
        every_slot_has_a_timestamp_that_is_not_before_its_call(PollMode::Dozy, 2);
    }
}

#[test]
fn where_the_card_has_none_the_figures_are_the_calls_and_a_warning_says_why() {
    let (tunnel, events) = run(PollMode::Sleepy, 1, DeviationSource::Hardware, 50);
    let report = tunnel.deviation();
    assert_eq!((report.source, report.figures.count), (DeviationSource::Call, sent(&tunnel)));
    let detail = events.find(|event| match event {
        Event::Warning { code: "I405_NO_TIMESTAMPS", message, .. } => Some(message.clone()),
        _ => None,
    });
    assert!(detail.unwrap().contains("ethtool -T lo"));
}

#[test]
fn without_asking_there_are_none() {
    let (tunnel, events) = run(PollMode::Sleepy, 1, DeviationSource::Call, 50);
    let departure = &tunnel.counters().departure;
    assert_eq!((departure.reported.get(), departure.unreported.get()), (0, 0));
    assert_eq!(tunnel.deviation().source, DeviationSource::Call);
    tunnel.close();
    events.wait_for_closed();
    assert_eq!(recorded(&events), []);
}
