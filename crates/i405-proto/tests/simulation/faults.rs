//! Over networks with faults: nothing comes twice, altered, or out of its order; and a datagram that is lost costs only
//! the packets that it touched.

use crate::seed::Seed;
use crate::settings::{Faults, Load, Settings, Waking};
use crate::world::{CLIENT, SERVER, World};

const MILD: Faults = Faults {
    latency_ns: 7_000_000,
    mild_reordering: true,
    lost: 0,
    corrupted: 0,
    duplicated: 100,
    copied: 50,
    littered: 50,
    held_back: 0,
};

fn settings(seed: u64, faults: Faults) -> Settings {
    let mut settings = Settings::new(seed);
    settings.faults = Faults { latency_ns: settings.faults.latency_ns, ..faults };
    settings.load = if seed.is_multiple_of(4) { Load::Trickle } else { Load::Saturated };
    settings.waking = if seed.is_multiple_of(3) { Waking::Punctual } else { Waking::Late };
    settings
}

fn run(settings: Settings) -> World {
    let mut world = World::acquainted(settings);
    world.run_slots(500);
    world.drain();
    // Strangers' copies and litter moved nothing.
    let [client, server] = &world.ends;
    assert_eq!(server.sender.endpoint.address, client.address);
    world
}

#[test]
fn reordering_within_the_window_copies_and_litter_cost_nothing() {
    let mut reordered = 0;
    for seed in 0..60 {
        let _seed = Seed(seed);
        let world = run(settings(seed, MILD));
        for (at, end) in world.ends.iter().enumerate() {
            end.sender.ledger.assert_all_in_order();
            let counters = end.receiver.inbound.counters();
            let sender = &world.ends[1 - at].sender;
            assert!(counters.payloads_lost <= sender.elsewhere, "whoever copies is asked where the peer is, too");
            assert!(counters.blocks_dropped <= sender.restarts);
            assert!(counters.replayed > 0 && counters.unknown > 0);
        }
        reordered += world.overtaken;
    }
    assert!(reordered > 1000, "the faults were too few to show anything: {reordered}");
}

#[test]
fn a_lost_datagram_costs_only_what_it_touched() {
    let mut touched = 0;
    for seed in 0..60 {
        let _seed = Seed(seed);
        let world = run(settings(seed, Faults { lost: 60, corrupted: 40, ..MILD }));
        for end in &world.ends {
            touched += end.sender.ledger.assert_untouched_arrived();
        }
    }
    assert!(touched > 1000, "the faults were too few to show anything: {touched}");
}

#[test]
fn long_delays_bring_nothing_twice_altered_or_out_of_order() {
    for seed in 0..40 {
        let _seed = Seed(seed);
        let world = run(settings(seed, Faults { lost: 20, corrupted: 20, held_back: 50, ..MILD }));
        let arrived: usize = world.ends.iter().map(|end| end.sender.ledger.delivered.len()).sum();
        assert!(arrived > 0);
        assert!(world.ends[CLIENT].receiver.inbound.counters().payloads_lost > 0);
        assert!(world.ends[SERVER].receiver.inbound.counters().payloads_lost > 0);
    }
}
