//! Deadlines come from seed and timing alone: not from traffic, not from lateness, not from what the slots hold.

use i405_proto::schedule::Timing;

use crate::seed::Seed;
use crate::sender::Sent;
use crate::settings::{Load, MS, S, Settings, Waking};
use crate::world::World;

/// What an observer sees of each end: when every datagram left. Their lengths are the tap's to check.
fn wire(seed: u64, load: Load, waking: Waking) -> [Vec<Sent>; 2] {
    let mut settings = Settings::new(seed);
    (settings.load, settings.waking) = (load, waking);
    settings.faults.lost = 30;
    for wire in [&mut settings.up, &mut settings.down] {
        // Short enough that a session is there in time, whatever stalls.
        wire.timing = Timing::new(10 * MS, wire.timing.jitter_ns().min(10 * MS), wire.timing.shape()).unwrap();
    }
    (settings.up.length, settings.down.length) = (372, 172);
    let mut world = World::new(settings);
    world.run_for(S);
    world.attempt();
    world.run_for(8 * S);
    assert!(world.is_connected());
    world.rekey();
    world.run_for(S);
    world.ends[0].sender.say_close();
    world.run_for(S);
    world.ends.map(|end| {
        let carried = end.sender.ledger.complete();
        assert_eq!(carried > 0, load != Load::Idle);
        end.sender.log
    })
}

#[test]
fn promise_traffic_moves_no_slot() {
    for seed in 0..3 {
        let _seed = Seed(seed);
        for waking in [Waking::Punctual, Waking::Late] {
            let idle = wire(seed, Load::Idle, waking);
            assert!(idle == wire(seed, Load::Trickle, waking));
            assert!(idle == wire(seed, Load::Saturated, waking));
        }
    }
}

#[test]
fn promise_lateness_moves_no_deadline() {
    for seed in 0..8 {
        let _seed = Seed(seed);
        let punctual = wire(seed, Load::Trickle, Waking::Punctual);
        let late = wire(seed, Load::Trickle, Waking::Late);
        for (punctual, late) in punctual.iter().zip(&late) {
            // The server's first deadline follows from when the initiation was whole; the rest from the first.
            let since_first = |log: &[Sent], sent: &Sent| sent.deadline_ns - log[0].deadline_ns;
            for (index, sent) in punctual.iter().enumerate() {
                assert_eq!(sent.index, index as u64, "a punctual dispatcher misses nothing");
            }
            let mut compared = 0;
            for sent in late {
                if let Some(twin) = punctual.get(sent.index as usize) {
                    assert_eq!(since_first(late, sent), since_first(punctual, twin));
                    compared += 1;
                }
            }
            assert!(compared > 200 && late.last().unwrap().index + 1 > late.len() as u64, "nothing was missed");
        }
    }
}

#[test]
fn promise_lateness_moves_no_deadline_nor_makes_up_in_a_burst() {
    for seed in 0..8 {
        let _seed = Seed(seed);
        for log in wire(seed, Load::Saturated, Waking::Late) {
            for pair in log.windows(2) {
                assert!(pair[0].called_ns <= pair[1].deadline_ns, "a second datagram for deadlines that had passed");
                assert!(pair[0].index < pair[1].index);
            }
        }
    }
}
