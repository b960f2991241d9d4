//! Which key gets a datagram first, and what trial may cost.

use i405_proto::budget::{MASKS_PER_MS, OPENINGS_PER_MS};

use crate::support::{Event, MS, Receiver, address, data};

/// The generation that a datagram opened under.
fn heard(events: &[Event]) -> Option<u32> {
    events.iter().find_map(|event| if let Event::Heard(datagram) = event { Some(datagram.generation) } else { None })
}

#[test]
fn current_then_pending_then_previous() {
    // Six generations with the same keys, so that each could open every datagram: the first one tried gets it. A key
    // that has seen the counter is passed over, so copies of one datagram show the whole order.
    let mut receiver = Receiver::server();
    receiver.inbound.set_endpoint(address(1));
    let mut sealer = receiver.install_under(1, 9);
    receiver.inbound.set_current(1);
    receiver.install_under(2, 9);
    receiver.inbound.set_current(2);
    for generation in [3, 4, 5, 6] {
        receiver.install_under(generation, 9);
    }
    let datagram = data(&mut sealer, &[]);
    let mut order = Vec::new();
    while let Some(generation) = heard(&receiver.receive(address(1), &datagram)) {
        order.push(generation);
    }
    // Current 2; pending 6, 5 and 4, as the three newest are kept; previous 1.
    assert_eq!(order, [2, 6, 5, 4, 1]);
    assert_eq!(receiver.counters().replayed, 1);
}

#[test]
fn a_confirmed_generation_replaces_the_current_one() {
    let mut receiver = Receiver::server();
    let mut sealers: Vec<_> = [1, 2, 3].map(|generation| receiver.install(generation)).into();
    // 2 and 3 are the newest pending ones.
    receiver.inbound.set_current(2);
    receiver.inbound.set_current(3);
    sealers.push(receiver.install(4));
    let opened: Vec<_> =
        sealers.iter_mut().map(|sealer| heard(&receiver.receive(address(1), &data(sealer, &[])))).collect();
    assert_eq!(opened, [None, Some(2), Some(3), Some(4)]);
    // Neither a generation that is no longer pending nor an unknown one can become current.
    receiver.inbound.set_current(2);
    receiver.inbound.set_current(77);
    receiver.inbound.set_current(4);
    assert_eq!(heard(&receiver.receive(address(1), &data(&mut sealers[1], &[]))), None);
    assert_eq!(heard(&receiver.receive(address(1), &data(&mut sealers[2], &[]))), Some(3));
}

#[test]
fn confirming_the_newer_attempt_drops_the_older() {
    let mut receiver = Receiver::server();
    let (mut older, mut newer) = (receiver.install(1), receiver.install(2));
    receiver.inbound.set_current(2);
    assert_eq!(heard(&receiver.receive(address(1), &data(&mut older, &[]))), None);
    assert_eq!(heard(&receiver.receive(address(1), &data(&mut newer, &[]))), Some(2));
}

#[test]
fn a_forgotten_attempt_makes_room_for_the_next() {
    let mut receiver = Receiver::server();
    receiver.inbound.set_endpoint(address(1));
    let [mut rekey, _, mut second] = [1, 2, 3].map(|generation| receiver.install(generation));
    receiver.inbound.forget(2);
    let mut third = receiver.install(4);
    let mut opens = |sealer| heard(&receiver.receive(address(1), &data(sealer, &[])));
    assert_eq!([&mut rekey, &mut second, &mut third].map(&mut opens), [Some(1), Some(3), Some(4)]);
    let mut fourth = receiver.install(5);
    let mut opens = |sealer| heard(&receiver.receive(address(1), &data(sealer, &[])));
    assert_eq!([&mut rekey, &mut second, &mut third, &mut fourth].map(&mut opens), [None, Some(3), Some(4), Some(5)]);
}

#[test]
fn other_sources_share_the_budget_of_openings() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    receiver.inbound.set_endpoint(address(1));
    let opened = |receiver: &mut Receiver, sealer: &mut _, source| {
        (0..20).filter(|_| heard(&receiver.receive(source, &data(sealer, &[]))).is_some()).count()
    };
    assert_eq!(opened(&mut receiver, &mut sealer, address(2)), OPENINGS_PER_MS as usize);
    assert_eq!(receiver.counters().over_budget, 15);
    // The endpoint draws on nothing.
    assert_eq!(opened(&mut receiver, &mut sealer, address(1)), 20);
    receiver.now_ns += MS;
    assert_eq!(opened(&mut receiver, &mut sealer, address(2)), OPENINGS_PER_MS as usize);
}

#[test]
fn strangers_share_the_budget_of_masks() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    let mut garbage = vec![0x5a; 200];
    for k in 0..u64::from(MASKS_PER_MS) {
        garbage[4..12].copy_from_slice(&k.to_be_bytes());
        assert_eq!(receiver.receive(address(3), &garbage), []);
    }
    // Two masks each: the pairing's and that of the only key.
    assert_eq!(receiver.counters().unknown, u64::from(MASKS_PER_MS / 2));
    assert_eq!(receiver.counters().over_budget, u64::from(MASKS_PER_MS / 2));
    assert_eq!(receiver.receive(address(2), &data(&mut sealer, &[])), []);
    receiver.now_ns += MS;
    assert_eq!(heard(&receiver.receive(address(2), &data(&mut sealer, &[]))), Some(1));
}

#[test]
fn garbage_from_the_endpoint_costs_the_pairing_only_what_the_budget_has() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    receiver.inbound.set_endpoint(address(1));
    for k in 0..2 * MASKS_PER_MS {
        let mut garbage = vec![0x5a; 200];
        garbage[4..8].copy_from_slice(&k.to_be_bytes());
        receiver.receive(address(1), &garbage);
    }
    assert_eq!(receiver.counters().over_budget, u64::from(MASKS_PER_MS));
    assert_eq!(heard(&receiver.receive(address(1), &data(&mut sealer, &[]))), Some(1));
}

#[test]
fn an_ipv4_endpoint_is_the_same_on_a_socket_for_both_families() {
    let mut receiver = Receiver::client(address(1));
    let mut sealer = receiver.install(1);
    let mapped: std::net::SocketAddr = "[::ffff:192.0.2.1]:1405".parse().unwrap();
    assert_eq!(heard(&receiver.receive(mapped, &data(&mut sealer, &[]))), Some(1));
    let other_port: std::net::SocketAddr = "192.0.2.1:1406".parse().unwrap();
    assert_eq!(heard(&receiver.receive(other_port, &data(&mut sealer, &[]))), None);
}

#[test]
fn promise_client_hears_its_server() {
    let mut receiver = Receiver::client(address(1));
    let mut sealer = receiver.install(1);
    assert_eq!(receiver.receive(address(2), &data(&mut sealer, &[])), []);
    assert_eq!(receiver.counters().unknown, 1);
    assert_eq!(heard(&receiver.receive(address(1), &data(&mut sealer, &[]))), Some(1));
    // Nothing that comes in moves it; the client itself may turn to another address of its server's.
    receiver.inbound.set_endpoint(address(2));
    assert_eq!(receiver.receive(address(1), &data(&mut sealer, &[])), []);
    assert_eq!(heard(&receiver.receive(address(2), &data(&mut sealer, &[]))), Some(1));
    assert_eq!(receiver.counters().opened, 2);
}
