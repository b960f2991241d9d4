//! Over a network that loses nothing, everything arrives, exactly in order, however late slots are.

use crate::seed::Seed;
use crate::settings::{Load, Settings, Waking};
use crate::world::World;

#[test]
fn without_faults_everything_arrives_in_order() {
    for seed in 0..70 {
        let _seed = Seed(seed);
        let mut settings = Settings::new(seed);
        settings.load = if seed.is_multiple_of(3) { Load::Trickle } else { Load::Saturated };
        settings.waking = if seed.is_multiple_of(2) { Waking::Punctual } else { Waking::Late };
        let mut world = World::acquainted(settings);
        world.run_slots(500);
        world.drain();
        for (at, end) in world.ends.iter().enumerate() {
            end.sender.ledger.assert_all_in_order();
            assert!(end.sender.ledger.complete() > 0);
            let counters = end.receiver.inbound.counters();
            assert_eq!((counters.payloads_lost, counters.malformed_inner), (0, 0));
            assert_eq!(counters.blocks_dropped, world.ends[1 - at].sender.restarts);
            assert_eq!((counters.replayed, counters.over_budget, counters.stale), (0, 0, 0));
        }
    }
}

/// The longest packets there are, in the shortest datagrams.
#[test]
fn packets_of_64_kib_arrive() {
    for seed in 0..3 {
        let _seed = Seed(seed);
        let mut settings = Settings::new(seed);
        settings.load = Load::Idle;
        (settings.up.length, settings.down.length) = (52, 72);
        let mut world = World::acquainted(settings);
        for end in &mut world.ends {
            [65_535, 20, 65_535].into_iter().for_each(|length| end.sender.traffic.put(length));
        }
        world.drain();
        for end in &world.ends {
            end.sender.ledger.assert_all_in_order();
            assert_eq!(end.sender.ledger.delivered, [0, 1, 2]);
        }
    }
}
