//! The whole receiving side, driven by a byte program. Keys come and go. Genuine datagrams arrive in any order, twice,
//! changed or from elsewhere. Clocks jump. Strangers and a malicious peer send what they like.
//!
//! The receiver never panics. Every datagram is counted once. Nothing opens twice, and nothing that was changed opens.
//! A packet comes out at most once and as it was sent. The floor never sinks, and no initiation gets past it.
//!
//! `world` has the receiver and its genuine peer, `heard` what comes out and what must hold of it.

mod heard;
mod world;

use crate::program::{Program, salt};
use world::World;

/// Who the receiver is, then a program of what happens to it.
pub fn run(data: &[u8]) {
    let mut program = Program::new(data);
    let mut world = World::new(&mut program, salt(data));
    while program.more() {
        step(&mut world, &mut program);
        world.check();
    }
}

fn step(world: &mut World, program: &mut Program<'_>) {
    let how = program.byte();
    match how & 15 {
        0 => world.install(program),
        1 => world.set_current(program),
        2 => world.forget(program),
        3..=5 => {
            let made = world.make_data(program);
            // Held back for later, else it arrives now.
            if how & 0x80 == 0 {
                world.arrive(made, how >> 4);
            }
        }
        6 => {
            let made = world.make_fragment(program);
            if how & 0x80 == 0 {
                world.arrive(made, how >> 4);
            }
        }
        7 => {
            let which = world.any_made(program);
            world.arrive(which, how >> 4);
        }
        8 => world.arrive_changed(program, how >> 4),
        9 => {
            let bytes = program.take(usize::from(how) * 2).to_vec();
            world.arrive_forged(&bytes, how >> 4);
        }
        10 => world.timer(),
        11 => world.pass_time(program),
        12 => world.command(program),
        13 => world.make_hostile(program, how >> 4),
        14 => world.fragments_of_one(program, how >> 4),
        _ => world.take_retired(),
    }
}
