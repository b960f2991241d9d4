//! What the receiver's outlet tells, and what it keeps to itself.

use rtrb::RingBuffer;

use super::*;

fn outlet(delivery: Delivery, events: Producer<ReceiverEvent>) -> Outlet {
    Outlet {
        delivery,
        allowed_ips: AllowedIps::ALL,
        events,
        counters: Arc::new(Counters::default()),
        current: 2,
        arrivals: None,
        stamp_ns: 0,
        control_blocks: 0,
        heard: HeardCount::default(),
        has_told: false,
        reports: RingBuffer::new(1).0,
    }
}

#[test]
fn a_datagram_under_a_replaced_key_does_not_tell_that_the_peer_is_there() {
    let (events, _notices) = RingBuffer::new(1);
    let mut outlet = outlet(Delivery::Packets(RingBuffer::new(1).0), events);
    let mut last = |now_ns, generation| {
        outlet.heard(OpenedDatagram { generation, counter: 0, now_ns, received_ns: now_ns });
        outlet.counters.receive.last_opened_ns.get()
    };
    assert_eq!(last(10, 1), 0);
    assert_eq!(last(20, 2), 20);
    assert_eq!(last(30, 1), 20);
    // Of another attempt or a rekey, which the peer has confirmed by it.
    assert_eq!(last(40, 3), 40);
}

#[test]
fn a_payload_full_of_control_blocks_is_told_of_in_part() {
    let (events, mut notices) = RingBuffer::new(100);
    let mut outlet = outlet(Delivery::Packets(RingBuffer::new(1).0), events);
    for _ in 0..480 {
        outlet.control(1, 3, &[]);
    }
    assert_eq!(notices.slots(), MOST_CONTROL_BLOCKS as usize);
    assert_eq!(outlet.counters.receive.events_dropped.get(), 480 - u64::from(MOST_CONTROL_BLOCKS));
    assert!(notices.pop().is_ok_and(|event| matches!(event.notice, Notice::Control { generation: 1, kind: 3 })));
}

#[test]
fn the_reporter_looks_where_there_is_something_for_it_and_with_the_packet_device_at_each_datagram() {
    let (events, _notices) = RingBuffer::new(4);
    let datagram = OpenedDatagram { generation: 2, counter: 0, now_ns: 5, received_ns: 5 };
    let mut outlet = outlet(Delivery::Packets(RingBuffer::new(64).0), events);
    let mut asks = |act: &dyn Fn(&mut Outlet)| {
        act(&mut outlet);
        std::mem::take(&mut outlet.has_told)
    };
    assert!(asks(&|outlet| outlet.heard(datagram)), "whether it carries packets or not");
    assert!(!asks(&|outlet| outlet.packet(&[0x45; 20])), "they come with a datagram");
    assert!(asks(&|outlet| outlet.control(2, 3, &[])));
    let report = Report { newest: 1, opened: 1, held_us: None };
    assert!(asks(&|outlet| InboundSink::report(outlet, 2, report, None)));
}
