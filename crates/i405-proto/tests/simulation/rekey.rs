//! New generations in the middle of packets: the block under way starts again under the new key.

use crate::seed::Seed;
use crate::settings::{Faults, Settings, Waking};
use crate::world::World;

const REKEYS: usize = 6;

fn settings(seed: u64) -> Settings {
    let mut settings = Settings::new(seed);
    settings.longest = 9000;
    settings.waking = if seed.is_multiple_of(2) { Waking::Punctual } else { Waking::Late };
    settings
}

/// Rekeys again and again. Returns how many times a packet was under way at the client.
fn rekey_often(world: &mut World, seed: u64) -> usize {
    let mut under_way = 0;
    for round in 0..REKEYS {
        world.run_slots(40 + (seed as usize + 7 * round) % 30);
        under_way += usize::from(world.ends[0].sender.ledger.under_way());
        world.rekey();
        world.run_until_connected();
    }
    world.run_slots(40);
    world.drain();
    under_way
}

#[test]
fn packets_under_way_start_again() {
    let mut under_way = 0;
    for seed in 0..40 {
        let _seed = Seed(seed);
        let mut world = World::acquainted(settings(seed));
        under_way += rekey_often(&mut world, seed);
        for end in &world.ends {
            end.sender.ledger.assert_all_in_order();
            assert_eq!(end.sender.session().map(|(generation, _)| generation), Some(1 + REKEYS as u32));
            // What the old key's receiver had of a packet is never completed, and disturbs nothing.
            assert_eq!(end.receiver.inbound.counters().payloads_lost, 0);
        }
    }
    assert!(under_way > 60, "too few packets were cut: {under_way}");
}

#[test]
fn faults_around_a_rekey_cost_only_what_they_touched() {
    let mut touched = 0;
    for seed in 0..40 {
        let _seed = Seed(seed);
        let mut settings = settings(seed);
        settings.faults.mild_reordering = true;
        settings.faults.duplicated = 100;
        let lossy = Faults { lost: 50, corrupted: 20, ..settings.faults };
        let mut world = World::acquainted(settings);
        if seed.is_multiple_of(2) {
            world.set_faults(lossy);
        }
        rekey_often(&mut world, seed);
        for end in &world.ends {
            let lost = end.sender.ledger.assert_untouched_arrived();
            assert!(seed % 2 == 0 || lost == 0);
            touched += lost;
        }
    }
    assert!(touched > 100, "the faults were too few to show anything: {touched}");
}

#[test]
fn after_expiry_a_fresh_handshake_goes_on_with_the_packet_under_way() {
    for seed in 0..20 {
        let _seed = Seed(seed);
        let mut world = World::acquainted(settings(seed));
        world.run_slots(60 + seed as usize);
        world.expire();
        // Cover slots under the throwaway key; nothing is taken from the queue.
        let complete = world.ends.each_ref().map(|end| end.sender.ledger.complete());
        world.run_slots(50);
        assert_eq!(world.ends.each_ref().map(|end| end.sender.ledger.complete()), complete);
        world.attempt();
        world.run_until_connected();
        world.run_slots(60);
        world.drain();
        for end in &world.ends {
            end.sender.ledger.assert_untouched_arrived();
            assert!(end.sender.ledger.complete() > complete.into_iter().min().unwrap());
        }
    }
}
