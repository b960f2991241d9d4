//! A close is said in eight data slots, whatever else is going on.

use i405_proto::outbound::CLOSE_SLOTS;

use crate::seed::Seed;
use crate::settings::{Load, S, Settings};
use crate::world::{CLIENT, SERVER, World};

/// Runs until the end's close slots are out, and returns how many slots that took.
fn say_close(world: &mut World, end: usize) -> usize {
    let begin = world.ends[end].sender.log.len();
    world.ends[end].sender.say_close();
    while !world.ends[end].sender.close_said {
        assert!(world.ends[end].sender.log.len() - begin < 10 * CLOSE_SLOTS as usize, "the close is never said");
        world.step();
    }
    world.ends[end].sender.log.len() - begin
}

#[test]
fn a_close_is_said_in_the_next_eight_slots() {
    let mut under_way = 0;
    for seed in 0..40 {
        let _seed = Seed(seed);
        let mut settings = Settings::new(seed);
        settings.longest = 65_535;
        let mut world = World::acquainted(settings);
        world.run_slots(30 + seed as usize);
        for (end, peer) in [(CLIENT, SERVER), (SERVER, CLIENT)] {
            under_way += u32::from(world.ends[end].sender.ledger.under_way());
            assert_eq!(say_close(&mut world, end), CLOSE_SLOTS as usize);
            world.run_for(S);
            assert_eq!(world.ends[end].sender.closes, CLOSE_SLOTS);
            assert_eq!(world.ends[peer].machine.closes, CLOSE_SLOTS);
        }
        // Packets go on in what room there is, and after it.
        world.drain();
        world.ends.iter().for_each(|end| _ = end.sender.ledger.assert_untouched_arrived());
    }
    assert!(under_way > 40, "too few packets were cut: {under_way}");
}

#[test]
fn a_close_goes_on_under_the_next_key() {
    for seed in 0..40 {
        let _seed = Seed(seed);
        let mut world = World::acquainted(Settings::new(seed));
        world.run_slots(30);
        world.ends[CLIENT].sender.say_close();
        world.run_slots(3);
        world.rekey();
        world.run_slots(CLOSE_SLOTS as usize);
        world.run_for(S);
        assert!(world.ends[CLIENT].sender.close_said);
        assert_eq!((world.ends[CLIENT].sender.closes, world.ends[SERVER].machine.closes), (CLOSE_SLOTS, CLOSE_SLOTS));
    }
}

#[test]
fn handshake_slots_are_not_counted() {
    for seed in 0..8 {
        let _seed = Seed(seed);
        let mut settings = Settings::new(seed);
        settings.faults.latency_ns = S;
        let mut world = World::acquainted(settings);
        let stamp = world.attempt();
        while world.ends[SERVER].sender.offering() != Some(stamp) {
            world.step();
        }
        // The first slot is a handshake's, and unless a copy is missing the ninth.
        let slots = say_close(&mut world, SERVER);
        assert!((8..=10).contains(&slots), "{slots} slots");
        assert_eq!(world.ends[SERVER].sender.closes, CLOSE_SLOTS);
    }
}

#[test]
fn beside_the_newest_stamp_there_is_room_for_it() {
    for seed in 0..40 {
        let _seed = Seed(seed);
        let mut settings = Settings::new(seed);
        settings.load = Load::Saturated;
        settings.up.length = 52;
        let mut world = World::new(settings);
        world.introduce();
        assert_eq!(say_close(&mut world, CLIENT), CLOSE_SLOTS as usize);
        assert_eq!(world.ends[CLIENT].sender.closes, CLOSE_SLOTS);
    }
}

#[test]
fn without_a_session_it_is_said_by_ending() {
    let mut world = World::new(Settings::new(1));
    world.run_slots(3);
    assert_eq!(say_close(&mut world, CLIENT), 1);
    assert_eq!(world.ends[CLIENT].sender.closes, 0);
}
