//! Handshakes in slots: carousels, start, confirmation, the eighth slots beside an older session.

use i405_proto::handshake_wire::{INITIATION_IKPSK2, KIND_INITIATION, KIND_RESPONSE, RESPONSE, fragments};

use crate::seed::Seed;
use crate::settings::{Faults, Load, MS, S, Settings, Waking};
use crate::world::{CLIENT, SERVER, World, address};

#[test]
fn fragments_go_round_and_the_server_starts_half_a_second_later() {
    for seed in 0..24 {
        let _seed = Seed(seed);
        let settings = Settings::new(seed);
        let mut world = World::new(settings);
        world.run_slots(5);
        let stamp = world.attempt();
        while world.ends[SERVER].machine.attempts_heard.is_empty() {
            assert!(!world.ends[SERVER].sender.started());
            world.step();
        }
        let heard_ns = world.now_ns;
        world.run_until_connected();

        let [client, server] = &world.ends;
        assert_eq!(server.machine.attempts_heard, [stamp]);
        let timing = settings.down.timing;
        let interval_ns = server.sender.log[0].deadline_ns - heard_ns - 500 * MS;
        assert!(interval_ns.abs_diff(timing.interval_ns()) <= timing.jitter_ns());
        for (end, kind, length) in [(client, KIND_INITIATION, INITIATION_IKPSK2), (server, KIND_RESPONSE, RESPONSE)] {
            let count = fragments(end.sender.wire.length, length);
            assert!(end.sender.fragments.len() >= count as usize);
            for (turn, head) in end.sender.fragments.iter().enumerate() {
                assert_eq!((head.kind, head.stamp), (kind, stamp));
                assert_eq!(u32::from(head.fragment), turn as u32 % count);
            }
        }
    }
}

#[test]
fn a_third_of_everything_lost_makes_a_handshake_longer_and_no_different() {
    for seed in 0..8 {
        let _seed = Seed(seed);
        let mut settings = Settings::new(seed);
        settings.waking = Waking::Late;
        settings.faults = Faults { lost: 250, corrupted: 80, duplicated: 100, copied: 100, ..settings.faults };
        settings.faults.mild_reordering = true;
        let mut world = World::connected(settings);
        world.run_slots(100);
        world.drain();
        assert_eq!(world.ends[SERVER].machine.attempts_heard.len(), 1);
        world.ends.iter().for_each(|end| _ = end.sender.ledger.assert_untouched_arrived());
    }
}

#[test]
fn handshake_slots_beside_a_session_leave_its_data_flowing() {
    for seed in 0..6 {
        let _seed = Seed(seed);
        let mut settings = Settings::new(seed);
        // Long enough on the way that the carousel has time to go round.
        settings.faults.latency_ns = S;
        let mut world = World::acquainted(settings);
        world.run_for(2 * S);
        let stamp = world.attempt();
        while world.ends[SERVER].sender.offering() != Some(stamp) {
            world.step();
        }
        let begin = (world.ends[SERVER].sender.log.len(), world.ends[SERVER].sender.fragments.len());
        let delivered = world.ends[SERVER].sender.ledger.delivered.len();
        while world.ends[SERVER].sender.offering() == Some(stamp) {
            world.step();
        }
        let server = &world.ends[SERVER].sender;
        let (slots, handshakes) = (server.log.len() - begin.0, server.fragments.len() - begin.1);
        assert!(slots > 40 && handshakes <= slots.div_ceil(8), "{handshakes} of {slots} slots");
        assert!(handshakes >= slots / 16);
        assert!(server.ledger.delivered.len() > delivered, "data stood still");

        world.run_until_connected();
        world.run_for(2 * S);
        world.drain();
        for end in &world.ends {
            end.sender.ledger.assert_all_in_order();
            assert_eq!(end.sender.session().map(|(generation, _)| generation), Some(2));
        }
    }
}

#[test]
fn a_client_that_moves_while_it_is_answered_is_answered_where_it_is() {
    for seed in 0..12 {
        let _seed = Seed(seed);
        let mut settings = Settings::new(seed);
        settings.faults = Faults { copied: 300, mild_reordering: true, ..settings.faults };
        let mut world = World::new(settings);
        world.attempt();
        while world.ends[SERVER].machine.attempts_heard.is_empty() {
            world.step();
        }
        world.ends[CLIENT].address = address(9);
        world.run_until_connected();
        world.run_slots(50);
        world.drain();
        let server = &world.ends[SERVER];
        assert_eq!(server.sender.endpoint.address, address(9));
        assert!(server.machine.sources.iter().any(|source| source.address == address(9)));
        world.ends.iter().for_each(|end| end.sender.ledger.assert_all_in_order());
    }
}

#[test]
fn packets_wait_for_the_session() {
    let mut settings = Settings::new(1);
    settings.load = Load::Idle;
    let mut world = World::new(settings);
    world.ends.iter_mut().for_each(|end| end.sender.traffic.put(100));
    world.run_slots(50);
    assert_eq!(world.ends[CLIENT].sender.ledger.complete(), 0);
    world.attempt();
    world.run_until_connected();
    world.drain();
    world.ends.iter().for_each(|end| assert_eq!(end.sender.ledger.delivered, [0]));
}
