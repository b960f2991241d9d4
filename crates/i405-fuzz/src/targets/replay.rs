//! The replay window against a set of everything accepted.

use std::collections::BTreeSet;

use i405_proto::replay::{REPLAY_WINDOW, ReplayWindow};

use crate::program::Program;

/// A program of counters, most of them near the highest or near the window's end.
pub fn run(data: &[u8]) {
    let mut program = Program::new(data);
    let mut window = ReplayWindow::new();
    let mut accepted = BTreeSet::new();
    while program.more() {
        let how = program.byte();
        let highest = window.highest().max(0) as u32;
        let distance = u32::from(how >> 3);
        let counter = match how & 7 {
            0 => highest.wrapping_add(distance),
            1 => highest.wrapping_sub(distance),
            2 => highest.wrapping_sub(REPLAY_WINDOW).wrapping_add(distance).wrapping_sub(16),
            3 => highest.wrapping_add(REPLAY_WINDOW).wrapping_add(distance).wrapping_sub(16),
            4 => highest.wrapping_add(u32::from(program.short())),
            5 => highest.wrapping_sub(u32::from(program.short())),
            6 => distance,
            _ => program.word(),
        };
        let above = i64::from(counter) > window.highest();
        let remembered = !above && highest - counter < REPLAY_WINDOW;
        let seen = remembered && accepted.contains(&counter);
        assert_eq!(window.check(counter), above || remembered && !seen, "{counter} below {highest}");
        assert_eq!(window.seen(counter), seen, "{counter} below {highest}");
        let before = window.highest();
        window.commit(counter);
        assert_eq!(window.highest(), before.max(i64::from(counter)));
        if above || remembered {
            accepted.insert(counter);
        }
        assert!(!window.check(counter), "nothing is accepted twice");
    }
}
