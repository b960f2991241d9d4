//! A server that restarts knows nothing but its floor; what was recorded before gets no answer from it.

use crate::network::stranger;
use crate::receiver::Event;
use crate::seed::Seed;
use crate::settings::{MS, S, Settings, Waking};
use crate::world::{CLIENT, SERVER, World};

#[test]
fn a_recorded_handshake_starts_nothing_again() {
    for seed in 0..6 {
        let _seed = Seed(seed);
        let settings = Settings::new(seed);
        let mut world = World::new(settings);
        world.recording = Some(Vec::new());
        let stamp = world.attempt();
        world.run_until_connected();
        let recorded = world.recording.take().unwrap();
        // What is under way arrives before any copy.
        world.run_for(S);
        let floor = world.ends[SERVER].receiver.inbound.floor_ms();
        assert_eq!(floor, stamp);

        // To the server that acted on it, to one that has restarted with its floor, and to one with a higher floor.
        for restarted_with in [None, Some(floor), Some(floor + 1)] {
            if let Some(floor) = restarted_with {
                world.restart_server(floor);
            }
            replay(&mut world, &recorded);
            let server = &world.ends[SERVER];
            assert_eq!(server.sender.started(), restarted_with.is_none());
            assert_eq!(server.receiver.inbound.counters().stale > 0, restarted_with > Some(floor));
        }
    }
}

/// Sends a recording to the server, from two addresses. Nothing comes of it but a report that
/// it is stale, and that a copy of what is answered came from there.
fn replay(world: &mut World, recorded: &[Vec<u8>]) {
    let opened = world.ends[SERVER].receiver.inbound.counters().opened;
    for datagram in recorded.iter().take(200) {
        world.now_ns += MS;
        let (now_ns, wall_ms) = (world.now_ns, world.wall_ms());
        for from in [stranger(), world.ends[CLIENT].address] {
            let events = world.ends[SERVER].receiver.receive(now_ns, wall_ms, from, datagram);
            assert!(
                events.iter().all(|event| matches!(event, Event::Stale(_) | Event::Sources(_))),
                "a copy did something"
            );
        }
    }
    assert_eq!(world.ends[SERVER].receiver.inbound.counters().opened, opened);
}

#[test]
fn traffic_flows_again_after_the_next_attempt() {
    for seed in 0..10 {
        let _seed = Seed(seed);
        let mut settings = Settings::new(seed);
        settings.longest = 4000;
        settings.waking = if seed.is_multiple_of(2) { Waking::Punctual } else { Waking::Late };
        let mut world = World::acquainted(settings);
        world.run_slots(100);
        let floor = world.ends[SERVER].receiver.inbound.floor_ms();
        world.restart_server(floor);
        // The client knows nothing of it: its data is a stranger's to this server.
        world.run_for(S);
        assert!(!world.ends[SERVER].sender.started());
        assert_eq!(world.ends[SERVER].receiver.inbound.counters().opened, 0);

        let before = world.ends.each_ref().map(|end| end.sender.ledger.delivered.len());
        let stamp = world.attempt();
        world.run_until_connected();
        assert_eq!(world.ends[SERVER].machine.attempts_heard, [stamp]);
        world.run_slots(100);
        world.drain();
        for (end, before) in world.ends.iter().zip(before) {
            end.sender.ledger.assert_untouched_arrived();
            assert!(end.sender.ledger.delivered.len() > before, "nothing came through the new session");
        }
    }
}
