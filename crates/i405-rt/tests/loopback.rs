//! Two tunnels over loopback with packet devices: every thread, no TypeScript.

use std::time::{Duration, Instant};

use i405_rt::clock::System;
use i405_rt::config::{BurnerPlace, OpenConfig, PollMode, Role};
use i405_rt::{Event, Tunnel};

mod support;
use support::{Collected, PATIENCE, config, has_two_cores, initiation, keys, request, sent};

fn packets(events: &[Event]) -> Vec<Vec<u8>> {
    let batches = events.iter().filter_map(|event| match event {
        Event::Packets(packets) => Some(packets.clone()),
        _ => None,
    });
    batches.flatten().collect()
}

fn ipv4(length: usize, mark: u8) -> Vec<u8> {
    let mut packet = vec![mark; length];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    packet
}

fn a_tunnel_carries_a_handshake_and_packets(mode: PollMode, dispatchers: usize) {
    let (at_server, at_client) = (Collected::default(), Collected::default());
    let open = |role, peer, events: &Collected| {
        let config = OpenConfig { burner: BurnerPlace::Cpu, ..config(role, mode, dispatchers, peer) };
        Tunnel::open(config, Box::new(events.clone())).unwrap()
    };
    let server = open(Role::Server, None, &at_server);
    let there = server.local_address();
    let client = open(Role::Client, Some(there), &at_client);

    client.start_schedule(&System, request(there)).unwrap();
    let message: Vec<u8> = (0..1296u32).map(|i| i as u8).collect();
    let stamp = 1_700_000_000_000;
    client.offer(initiation(stamp, message.clone(), there)).unwrap();
    let source = at_server.wait("initiation", |events| {
        events.iter().find_map(|event| match event {
            Event::Handshake { kind: 1, message: got, source, stamp: got_stamp, .. } => {
                assert_eq!((got, *got_stamp), (&message, stamp));
                Some(*source)
            }
            _ => None,
        })
    });

    for (tunnel, role) in [(&server, Role::Server), (&client, Role::Client)] {
        tunnel.install(keys(7, role)).unwrap();
        assert!(tunnel.install(keys(7, role)).is_err(), "a generation is installed once");
    }
    server.start_schedule(&System, request(source)).unwrap();
    client.stop_offer().unwrap();
    client.send_under(7, Some(stamp)).unwrap();
    server.send_under(7, None).unwrap();
    server.ask(7, source).unwrap();
    at_server.wait("an answer to the challenge", |events| {
        let believed =
            |event: &&Event| matches!(event, Event::Believed { confirmed: Some(7), source: there } if *there == source);
        events.iter().find(believed).map(|_| ())
    });
    for events in [&at_server, &at_client] {
        events.wait("opened", |events| {
            events.iter().find(|event| matches!(event, Event::Opened { generation: 7, .. })).map(|_| ())
        });
    }

    let written: Vec<Vec<u8>> = [20, 60, 451, 1400, 9000].iter().zip(1..).map(|(l, mark)| ipv4(*l, mark)).collect();
    for packet in &written {
        let until = Instant::now() + PATIENCE;
        while !client.write(packet).unwrap() {
            assert!(Instant::now() < until);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let received = at_server.wait("packets", |events| {
        let received = packets(events);
        (received.len() >= written.len()).then_some(received)
    });
    assert_eq!(received, written, "whole, unchanged, in order");
    assert!(client.write(&[0x45; 3]).is_err());

    for tunnel in [&client, &server] {
        let until = Instant::now() + PATIENCE;
        while tunnel.path(&System).round_trip.is_none() {
            assert!(Instant::now() < until, "no report: {:?}", tunnel.path(&System));
            std::thread::sleep(Duration::from_millis(2));
        }
        let figures = tunnel.path(&System);
        for figures in [figures.inbound, figures.outbound] {
            assert!(figures.totals.expected > 0 && figures.recent.expected <= figures.totals.expected);
            // Two dispatchers give a slot up where its schedule ends.
            assert!(figures.totals.lost < figures.totals.expected, "{figures:?}");
        }
        assert!(figures.reported_ns > 0);
    }

    client.send_close().unwrap();
    at_server.wait("close", |events| {
        events.iter().find(|event| matches!(event, Event::Control { kind: 4, .. })).map(|_| ())
    });
    client.end_at(Some(0)).unwrap();
    at_client.wait_for_end();
    for (tunnel, events) in [(&client, &at_client), (&server, &at_server)] {
        tunnel.close();
        tunnel.close();
        events.wait_for_closed();
        assert!(tunnel.stop_offer().is_err());
    }
    let counters = client.counters();
    let kinds = counters.dispatched(|send| &send.carrying)
        + counters.dispatched(|send| &send.cover)
        + counters.dispatched(|send| &send.handshake);
    assert_eq!(sent(&client), kinds, "every slot is of one kind");
    assert!(counters.dispatched(|send| &send.handshake) >= 4, "the initiation has four fragments here");
    for tunnel in [&client, &server] {
        assert_eq!(tunnel.counters().receive.replayed.get(), 0, "nothing left twice");
    }
}

fn hedged(mode: PollMode) {
    if has_two_cores() {
        a_tunnel_carries_a_handshake_and_packets(mode, 2);
    }
}

#[test]
fn sleepy_hedged() {
    hedged(PollMode::Sleepy);
}

#[test]
fn dozy_hedged() {
    hedged(PollMode::Dozy);
}

#[test]
fn spinny_hedged() {
    hedged(PollMode::Spinny);
}

#[test]
fn the_second_of_two_dispatchers_has_to_have_a_core() {
    let mut asked = config(Role::Server, PollMode::Sleepy, 2, None);
    asked.cpus = vec![0, 100_000];
    let error = Tunnel::open(asked, Box::new(Collected::default())).err().unwrap();
    assert_eq!(error.code(), "ERR_I405_CPU");
    assert!(error.to_string().contains("100000"));
}

#[test]
fn sleepy() {
    a_tunnel_carries_a_handshake_and_packets(PollMode::Sleepy, 1);
}

#[test]
fn dozy() {
    a_tunnel_carries_a_handshake_and_packets(PollMode::Dozy, 1);
}

#[test]
fn spinny() {
    a_tunnel_carries_a_handshake_and_packets(PollMode::Spinny, 1);
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let first = Tunnel::open(config(Role::Server, PollMode::Sleepy, 1, None), Box::new(Collected::default())).unwrap();
    let mut second = config(Role::Server, PollMode::Sleepy, 1, None);
    second.bind = first.local_address();
    let error = Tunnel::open(second, Box::new(Collected::default())).err().unwrap();
    assert_eq!(error.code(), "ERR_I405_ADDRESS_IN_USE");
    assert!(error.to_string().contains(&first.local_address().to_string()));
}
