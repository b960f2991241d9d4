//! Two tunnels over loopback that tell of each slot and of each datagram: what one sent is what the other received.

use std::collections::HashSet;

use i405_proto::outbound::{NO_SESSION, SealedUnder};
use i405_rt::config::{OpenConfig, PollMode, Role};
use i405_rt::{ArrivalRecord, Event, SlotRecord, Tunnel, clock};

mod support;
use support::{Collected, PATIENCE, config, has_two_cores, keys, sent, start_cover, until};

/// Each end numbers its sessions by itself.
const CLIENTS: u32 = 7;
const SERVERS: u32 = 9;
const SLOTS: u64 = 200;

struct Told {
    slots: Vec<SlotRecord>,
    arrivals: Vec<ArrivalRecord>,
}

/// Everything that was recorded, of which nothing may be missing.
fn told(events: &Collected) -> Told {
    let mut told = Told { slots: Vec::new(), arrivals: Vec::new() };
    for event in events.all() {
        match event {
            Event::Slots(slots) => {
                assert!(slots.records.is_sorted_by_key(|slot| slot.deadline_ns));
                assert_eq!(slots.dropped, 0);
                told.slots.extend(slots.records);
            }
            Event::Arrivals(arrivals) => {
                assert_eq!(arrivals.dropped, 0);
                told.arrivals.extend(arrivals.records);
            }
            _ => {}
        }
    }
    told
}

/// Both ends on schedules, at first without a session, then with one, then at an end.
fn run(mode: PollMode, dispatchers: usize, record: bool) -> [(Tunnel, Collected); 2] {
    let open = |role, peer| {
        let events = Collected::default();
        let config = OpenConfig { record, ..config(role, mode, dispatchers, peer) };
        (Tunnel::open(config, Box::new(events.clone())).unwrap(), events)
    };
    let (server, at_server) = open(Role::Server, None);
    let (client, at_client) = open(Role::Client, Some(server.local_address()));
    let ends = [(&client, &server, Role::Client, CLIENTS), (&server, &client, Role::Server, SERVERS)];
    for (tunnel, other, role, generation) in ends {
        tunnel.install(keys(generation, role)).unwrap();
        tunnel.move_endpoint(other.local_address().into()).unwrap();
        start_cover(tunnel, other.local_address());
    }
    until("slots without a session", || ends.iter().all(|end| sent(end.0) >= 20));
    for (tunnel, .., generation) in ends {
        tunnel.send_under(generation, None).unwrap();
    }
    until("slots", || ends.iter().all(|end| end.0.counters().receive.opened.get() >= SLOTS));
    for (tunnel, ..) in ends {
        tunnel.end_at(Some(clock::monotonic_ns())).unwrap();
    }
    for events in [&at_client, &at_server] {
        events.wait_for_end();
    }
    // What is on its way arrives: strangers send nothing here.
    until("arrivals", || ends.iter().all(|end| end.0.counters().receive.received.get() == sent(end.1)));
    for (tunnel, events) in [(&client, &at_client), (&server, &at_server)] {
        tunnel.close();
        events.wait_for_closed();
    }
    [(client, at_client), (server, at_server)]
}

fn what_one_end_sends_the_other_receives(mode: PollMode, dispatchers: usize) {
    let [(client, at_client), (server, at_server)] = run(mode, dispatchers, true);
    let (of_client, of_server) = (told(&at_client), told(&at_server));
    for (tunnel, here, there, own, others) in
        [(&client, &of_client, &of_server, CLIENTS, SERVERS), (&server, &of_server, &of_client, SERVERS, CLIENTS)]
    {
        let counters = tunnel.counters();
        assert_eq!(here.slots.len() as u64, sent(tunnel));
        let missed: u64 = here.slots.iter().map(|slot| u64::from(slot.missed)).sum();
        assert_eq!(missed + counters.send.jumped.get(), counters.missed());
        let deadlines: HashSet<u64> = here.slots.iter().map(|slot| slot.deadline_ns).collect();
        assert_eq!(deadlines.len(), here.slots.len(), "no deadline twice");
        if dispatchers == 1 {
            assert!(here.slots.is_sorted_by_key(|slot| slot.deadline_ns));
        }

        assert!(here.slots.iter().any(|slot| slot.under.generation == NO_SESSION));
        let data: Vec<&SlotRecord> = here.slots.iter().filter(|slot| slot.under.generation != NO_SESSION).collect();
        let mut under: Vec<SealedUnder> = data.iter().map(|slot| slot.under).collect();
        under.sort_by_key(|under| under.counter);
        // Where a schedule ends, two dispatchers may have built one slot more than was sent.
        let expected = (0..data.len() as u32).map(|counter| SealedUnder { generation: own, counter });
        assert_eq!(under, expected.collect::<Vec<_>>(), "each counter once, and none left out");
        assert!(data.len() as u64 >= SLOTS);

        let mut arrived: Vec<u32> = there.arrivals.iter().map(|datagram| datagram.counter).collect();
        arrived.sort_unstable();
        assert_eq!(arrived, under.iter().map(|under| under.counter).collect::<Vec<_>>());
        assert!(there.arrivals.iter().all(|datagram| datagram.generation == others));
        // One clock, whatever the delay.
        for datagram in &there.arrivals {
            let slot = data.iter().find(|slot| slot.under.counter == datagram.counter).unwrap();
            assert!(u128::from(datagram.received_ns.abs_diff(slot.called_ns)) < PATIENCE.as_nanos());
        }
    }
}

#[test]
fn sleepy() {
    what_one_end_sends_the_other_receives(PollMode::Sleepy, 1);
}

#[test]
fn spinny() {
    what_one_end_sends_the_other_receives(PollMode::Spinny, 1);
}

#[test]
fn hedged() {
    if has_two_cores() {
        what_one_end_sends_the_other_receives(PollMode::Sleepy, 2);
    }
}

#[test]
fn without_asking_nothing_is_told() {
    for (_, events) in run(PollMode::Sleepy, 1, false) {
        let is_record =
            |event: &Event| matches!(event, Event::Slots(_) | Event::Departures(_) | Event::Arrivals(_)).then_some(());
        assert!(events.find(is_record).is_none());
    }
}
