//! Data datagrams: contents, order, replay, plausible counters, control blocks, generations.

use i405_proto::inbound::{InstallError, MAX_DATAGRAM, OpenedDatagram};

use crate::support::{Event, FLOOR, MS, N, Receiver, address, control, data, packet, session};

fn packets(events: &[Event]) -> Vec<&[u8]> {
    events.iter().filter_map(|event| if let Event::Packet(inner) = event { Some(&inner[..]) } else { None }).collect()
}

#[test]
fn the_first_datagram_opens_the_generation() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    let now = receiver.now_ns;
    let heard = |counter| Event::Heard(OpenedDatagram { generation: 1, counter, now_ns: now, received_ns: now - 1000 });
    let first = receiver.receive(address(1), &data(&mut sealer, &packet(100, 7)));
    let opened = Event::Opened(1, address(1), now - 1000);
    assert_eq!(first, [opened, heard(0), Event::Packet(packet(100, 7))]);
    let second = receiver.receive(address(1), &data(&mut sealer, &[]));
    assert_eq!(second, [heard(1)]);
    let counters = receiver.counters();
    assert_eq!((counters.received, counters.opened, counters.unknown), (2, 2, 0));
}

#[test]
fn out_of_order_comes_back_in_order() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    let sent: Vec<_> = (0..4).map(|k| data(&mut sealer, &packet(60, k))).collect();
    let mut events = Vec::new();
    for k in [0, 2, 1, 3] {
        events.extend(receiver.receive(address(1), &sent[k]));
    }
    assert_eq!(packets(&events), [packet(60, 0), packet(60, 1), packet(60, 2), packet(60, 3)]);
    assert_eq!(receiver.counters().payloads_lost, 0);
}

#[test]
fn a_lost_payload_is_given_up_after_four_intervals() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    receiver.receive(address(1), &data(&mut sealer, &[]));
    data(&mut sealer, &packet(60, 1));
    assert_eq!(receiver.inbound.next_timer_ns(), None);
    let third = data(&mut sealer, &packet(60, 2));
    assert_eq!(packets(&receiver.receive(address(1), &third)), [[0u8; 0]; 0]);
    let timer = receiver.inbound.next_timer_ns();
    assert_eq!(timer, Some(receiver.now_ns + 4 * MS));
    receiver.now_ns += 4 * MS - 1;
    assert_eq!(receiver.timer(), []);
    receiver.now_ns += 1;
    assert_eq!(receiver.timer(), [Event::Packet(packet(60, 2))]);
    assert_eq!(receiver.inbound.next_timer_ns(), None);
    assert_eq!(receiver.counters().payloads_lost, 1);
    receiver.inbound.forget(1);
    assert_eq!(receiver.counters().payloads_lost, 1);
}

/// By the window and by the timer: what is missing is told, even where BlockOffset fits by chance.
#[test]
fn a_block_does_not_run_over_a_lost_payload() {
    let body = N - 22;
    for later in [1, 3] {
        let mut receiver = Receiver::server();
        let mut sealer = receiver.install(1);
        let (one, two) = (packet(body as u16 + 100, 1), packet(178, 2));
        receiver.receive(address(1), &data(&mut sealer, &one[..body]));
        // The rest of the first packet, and the second up to its last 100 bytes.
        data(&mut sealer, &[]);
        let mut rest = vec![0; N];
        rest[4..6].copy_from_slice(&100u16.to_be_bytes());
        rest[6..6 + 100].copy_from_slice(&two[78..]);
        sealer.seal(&mut rest).unwrap();
        let mut events = receiver.receive(address(1), &rest);
        for fill in 1..later {
            events.extend(receiver.receive(address(1), &data(&mut sealer, &packet(60, fill))));
        }
        receiver.now_ns += 4 * MS;
        events.extend(receiver.timer());
        let expected: Vec<_> = (1..later).map(|fill| packet(60, fill)).collect();
        assert_eq!(packets(&events), expected, "{later} later ones");
        assert_eq!((receiver.counters().payloads_lost, receiver.counters().blocks_dropped), (1, 1));
    }
}

#[test]
fn promise_opens_once() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    receiver.inbound.set_endpoint(address(1));
    let datagram = data(&mut sealer, &packet(60, 1));
    assert_eq!(receiver.receive(address(1), &datagram).len(), 3);
    for source in [address(1), address(2)] {
        assert_eq!(receiver.receive(source, &datagram), []);
    }
    let counters = receiver.counters();
    assert_eq!((counters.opened, counters.replayed, counters.unknown), (1, 2, 0));
}

#[test]
fn counters_far_ahead_need_silence() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    receiver.inbound.set_endpoint(address(1));
    // Counter 65,535 is 65,536 above the -1 of the beginning; 65,536 and 65,537 are too far.
    let sent: Vec<_> = (0..65_538).map(|_| data(&mut sealer, &[])).collect();
    for far in [65_536, 65_537] {
        assert_eq!(receiver.receive(address(1), &sent[far]), []);
    }
    // One more counter per half mean interval of silence since the installation.
    receiver.now_ns += MS / 2;
    assert_eq!(receiver.receive(address(1), &sent[65_537]), []);
    assert_eq!(receiver.receive(address(1), &sent[65_536]).len(), 2);
    assert_eq!(receiver.receive(address(1), &sent[65_536 - 8191]).len(), 1);
    assert_eq!(receiver.receive(address(1), &sent[65_536 - 8192]), []);
    assert_eq!(receiver.receive(address(1), &sent[65_537]).len(), 1);
    assert_eq!(receiver.counters().unknown, 4);
}

#[test]
fn only_datagrams_of_the_sessions_length() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    for length in [N - 1, N + 1] {
        let mut datagram = vec![0; length];
        sealer.seal(&mut datagram).unwrap();
        assert_eq!(receiver.receive(address(1), &datagram), []);
    }
    assert_eq!(receiver.receive(address(1), &data(&mut sealer, &[])).len(), 2);
}

#[test]
fn a_stamp_block_raises_the_servers_floor() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    assert_eq!(receiver.inbound.floor_ms(), FLOOR);
    let stamp = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06];
    let events = receiver.receive(address(1), &data(&mut sealer, &control(3, &stamp)));
    assert_eq!(events[2], Event::Control(1, 3, stamp.to_vec()));
    assert_eq!(receiver.inbound.floor_ms(), 0x0102_0304_0506);
    for no_news in [stamp, [0; 6]] {
        let events = receiver.receive(address(1), &data(&mut sealer, &control(3, &no_news)));
        assert!(!events.iter().any(|event| matches!(event, Event::Control(..))), "{events:?}");
        assert_eq!(receiver.inbound.floor_ms(), 0x0102_0304_0506);
    }
}

#[test]
fn a_stamp_block_means_nothing_to_a_client() {
    let mut receiver = Receiver::client(address(1));
    let mut sealer = receiver.install(1);
    let events = receiver.receive(address(1), &data(&mut sealer, &control(3, &[9; 6])));
    assert!(!events.iter().any(|event| matches!(event, Event::Control(..))), "{events:?}");
    assert_eq!(receiver.inbound.floor_ms(), FLOOR);
}

#[test]
fn control_blocks_of_unknown_kind_or_length_are_skipped() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    let skipped = [control(3, &[9; 5]), control(3, &[9; 7]), control(4, &[0]), control(0, &[]), control(5, &[1])];
    let blocks = [skipped.concat(), control(4, &[]), control(1, &[8; 4]), packet(20, 1)].concat();
    let events = receiver.receive(address(1), &data(&mut sealer, &blocks));
    let expected = [Event::Control(1, 4, vec![]), Event::Control(1, 1, vec![8; 4]), Event::Packet(packet(20, 1))];
    assert_eq!(events[2..], expected);
    assert_eq!(receiver.inbound.floor_ms(), FLOOR);
}

#[test]
fn malformed_blocks_are_counted() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    let events = receiver.receive(address(1), &data(&mut sealer, &[0x45, 0, 0, 19, 0, 0]));
    assert_eq!(events.len(), 2);
    assert_eq!(receiver.counters().blocks_dropped, 1);
}

#[test]
fn a_generation_is_installed_once_and_upwards() {
    let mut receiver = Receiver::server();
    receiver.install(5);
    for generation in [5, 4, 0] {
        let refused = receiver.try_install(session(generation, 1));
        assert_eq!(refused, Err(InstallError::NotNewer { generation, newest: 5 }));
    }
    receiver.inbound.forget(5);
    assert!(receiver.try_install(session(5, 1)).is_err());
    let mut sealer = receiver.install(6);
    assert_eq!(receiver.receive(address(1), &data(&mut sealer, &[])).len(), 2);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let mut receiver = Receiver::server();
    let mut long = session(1, 1);
    long.receive_length = 1473;
    let refused = receiver.try_install(long);
    assert_eq!(refused, Err(InstallError::Length { length: 1473, longest: 1472 }));
    let mut short = session(1, 1);
    short.receive_length = 51;
    assert_eq!(receiver.try_install(short), Err(InstallError::Length { length: 51, longest: MAX_DATAGRAM }));
    let mut still = session(1, 1);
    still.receive_interval_ns = 0;
    assert_eq!(receiver.try_install(still), Err(InstallError::Interval));
    receiver.install(1);
}

#[test]
fn promise_ended_sessions() {
    let mut receiver = Receiver::server();
    let mut sealer = receiver.install(1);
    assert_eq!(receiver.receive(address(1), &data(&mut sealer, &[])).len(), 2);
    receiver.inbound.forget(1);
    assert_eq!(receiver.receive(address(1), &data(&mut sealer, &[])), []);
    assert_eq!(receiver.counters().unknown, 1);
}

#[test]
fn keys_that_are_done_with_are_handed_out_once() {
    let mut receiver = Receiver::server();
    let retired = |receiver: &mut Receiver| std::iter::from_fn(|| receiver.inbound.take_retired()).count();
    receiver.install(1);
    receiver.install(2);
    assert_eq!(retired(&mut receiver), 0);
    receiver.inbound.forget(1);
    // Refused, so it is of no use either.
    assert!(receiver.try_install(session(2, 1)).is_err());
    assert_eq!(retired(&mut receiver), 2);
    assert_eq!(retired(&mut receiver), 0);
    // More than there is room for: the rest is dropped on the spot.
    for generation in 3..=20 {
        receiver.install(generation);
    }
    assert_eq!(retired(&mut receiver), 5);
    let mut newest = receiver.install(21);
    assert_eq!(receiver.receive(address(1), &data(&mut newest, &[])).len(), 2);
}

#[test]
fn a_block_does_not_run_over_between_keys() {
    let mut receiver = Receiver::server();
    let (mut one, mut two) = (receiver.install(1), receiver.install(2));
    let long = packet(300, 1);
    receiver.receive(address(1), &data(&mut one, &long[..N - 22]));
    // The rest under another key: BlockOffset says how much, but it is no continuation of anything there.
    let mut rest = vec![0; N];
    rest[4..6].copy_from_slice(&(300 - (N as u16 - 22)).to_be_bytes());
    rest[6..6 + 300 - (N - 22)].copy_from_slice(&long[N - 22..]);
    two.seal(&mut rest).unwrap();
    assert_eq!(packets(&receiver.receive(address(1), &rest)), [[0u8; 0]; 0]);
}
