//! Transmit timestamps over loopback, whose driver gives the kernel's: each slot has one, and the card's have a reason.

use std::collections::HashMap;
use std::net::UdpSocket;

use i405_rt::config::{DeviationSource, OpenConfig, PollMode, Role, SendBy};
use i405_rt::{Event, Tunnel, clock};

mod support;
use support::{Collected, config, has_two_cores, sent, start_cover, until};

/// Two clocks are compared, each read by itself: report/matching.rs allows as much.
const CLOCKS_APART_NS: u64 = 2_000;

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

/// The departures that were told one by one: deadlines, and when it was.
fn recorded(events: &Collected) -> Vec<(u64, u64)> {
    let all = events.all().into_iter().filter_map(|event| match event {
        Event::Departures(departures) => Some(departures.records),
        _ => None,
    });
    let mut departures: Vec<_> = all.flatten().map(|slot| (slot.deadline_ns, slot.left_ns)).collect();
    departures.sort_unstable();
    departures
}

/// Each slot is settled once. That all are reported can't be asked for: while the machine is busy the receiver may find no
/// room, and if somebody sets the wall clock, what was stamped meanwhile can't be told.
fn timestamps_belong_to_slots_and_are_not_before_their_calls(mode: PollMode, dispatchers: usize) {
    let (tunnel, events) = run(mode, dispatchers, DeviationSource::Software, 300);
    let departure = &tunnel.counters().departure;
    until("timestamps", || departure.reported.get() + departure.unreported.get() >= sent(&tunnel));
    let (reported, unreported) = (departure.reported.get(), departure.unreported.get());
    assert_eq!(reported + unreported, sent(&tunnel));
    assert!(reported > unreported, "{unreported} of {} have none", sent(&tunnel));
    let report = tunnel.deviation();
    assert_eq!((report.source, report.unreported), (DeviationSource::Software, unreported));
    assert_eq!((report.figures.count, report.figures.missed), (reported, tunnel.counters().missed()));
    assert!(report.figures.p50_ns > 0);
    assert_eq!((tunnel.deviation().source, tunnel.deviation().figures.count), (DeviationSource::Software, 0));
    tunnel.close();
    events.wait_for_closed();
    let mut called = HashMap::new();
    for event in events.all() {
        if let Event::Slots(each) = event {
            called.extend(each.records.iter().map(|slot| (slot.deadline_ns, slot.called_ns)));
        }
    }
    let recorded = recorded(&events);
    assert_eq!(recorded.len() as u64, reported, "each that was reported");
    for (deadline_ns, left_ns) in recorded {
        let called_ns = called.remove(&deadline_ns).expect("of a slot, and once");
        assert!(left_ns + CLOCKS_APART_NS >= called_ns, "{left_ns} is before {called_ns}");
    }
}

#[test]
fn sleepy() {
    timestamps_belong_to_slots_and_are_not_before_their_calls(PollMode::Sleepy, 1);
}

#[test]
fn dozy() {
    timestamps_belong_to_slots_and_are_not_before_their_calls(PollMode::Dozy, 1);
}

#[test]
fn spinny() {
    timestamps_belong_to_slots_and_are_not_before_their_calls(PollMode::Spinny, 1);
}

#[test]
fn hedged() {
    if has_two_cores() {
        timestamps_belong_to_slots_and_are_not_before_their_calls(PollMode::Dozy, 2);
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

#[test]
fn slots_that_the_kernel_holds_leave_at_their_deadlines_and_none_before() {
    if !rustix::process::geteuid().is_root() {
        // It takes CAP_BPF and CAP_NET_ADMIN.
        return;
    }
    for mode in [PollMode::Sleepy, PollMode::Dozy, PollMode::Spinny] {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let endpoint = peer.local_addr().unwrap();
        let config = OpenConfig {
            deviation_source: DeviationSource::Software,
            send_by: SendBy::Kernel,
            record: true,
            ..config(Role::Client, mode, 1, Some(endpoint))
        };
        let events = Collected::default();
        let tunnel = Tunnel::open(config, Box::new(events.clone())).unwrap();
        start_cover(&tunnel, endpoint);
        until("slots", || sent(&tunnel) >= 300);
        tunnel.end_at(Some(clock::monotonic_ns())).unwrap();
        events.wait_for_end();
        let departure = &tunnel.counters().departure;
        until("timestamps", || departure.reported.get() + departure.unreported.get() >= sent(&tunnel));
        assert_eq!(tunnel.counters().send.launched_into_spin.get(), sent(&tunnel));
        tunnel.close();
        events.wait_for_closed();
        let recorded = recorded(&events);
        assert!(recorded.len() as u64 > sent(&tunnel) / 2);
        for (deadline_ns, left_ns) in recorded {
            assert!(left_ns + CLOCKS_APART_NS >= deadline_ns, "{mode:?}: {} ns early", deadline_ns - left_ns);
        }
    }
}
