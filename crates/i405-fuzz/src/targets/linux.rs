//! The targets of i405-rt: what the kernel says, and the rings between threads.

use std::collections::VecDeque;

use i405_rt::fuzzing::{self, Fate, Matcher, PacketRing, Quantile};

use crate::Target;
use crate::packet::{number_of, packet};
use crate::program::Program;

/// Every one of them.
pub fn all() -> Vec<Target> {
    let plain = |name, run| Target { name, run, examples: &[], cost: 1 };
    vec![
        plain("control_messages", control_messages),
        plain("matching", matching),
        plain("netlink", netlink),
        plain("packet_ring", packet_ring),
        Target { name: "proc_files", run: proc_files, examples: PROC_FILES, cost: 1 },
        plain("quantile", quantile),
    ]
}

const PROC_FILES: &[&[u8]] = &[
    b"4:memory:/a\n3:cpu,cpuacct:/ours\n0::/system.slice/i405.service\n",
    b"Name:\ti405\nCapInh:\t0000000000000000\nCapEff:\t000001ffffffffff\n",
    b"         0          0 4294967295\n",
    b"7 (a) S (b) R 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40\n",
    b"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu1 11 12 13 14 15 16 17 18 0 0\nintr 5\n",
    b"123456 789 5\n",
    b"cpu0 18446744073709551615 1 1 18446744073709551615 1 1 1 1\n",
];

/// Control messages as the kernel writes them, the last one cut off or not: nothing is read that isn't there, and a
/// timestamp comes out only of a message that is long enough to hold it.
pub fn control_messages(data: &[u8]) {
    let mut program = Program::new(data);
    let mut messages = Vec::new();
    while program.more() && messages.len() < 8 {
        let how = program.byte();
        let (level, kind) = match how & 7 {
            7 => (program.word() as i32, program.word() as i32),
            known => fuzzing::KNOWN_MESSAGES[usize::from(known) % fuzzing::KNOWN_MESSAGES.len()],
        };
        messages.push((level, kind, program.take(usize::from(how >> 3) * 2).to_vec()));
    }
    let told = fuzzing::control_messages(&messages);
    let long_enough = |kinds: &[usize], least| {
        messages.iter().any(|(level, kind, data)| {
            kinds.iter().any(|known| fuzzing::KNOWN_MESSAGES[*known] == (*level, *kind)) && data.len() >= least
        })
    };
    assert!(!told.departed || long_enough(&[0], 48) && long_enough(&[2, 3], 16));
    assert!(!told.received || long_enough(&[1], 16));
}

/// Whatever a netlink socket yields is taken apart or refused.
pub fn netlink(data: &[u8]) {
    fuzzing::netlink(data);
}

/// Whatever a file under /proc holds is read or left.
pub fn proc_files(data: &[u8]) {
    fuzzing::proc_files(&String::from_utf8_lossy(data));
}

/// Packets through a ring that wraps: all of them, in order, or none of one that doesn't fit.
pub fn packet_ring(data: &[u8]) {
    let mut program = Program::new(data);
    let capacity = 4 + program.below(1000);
    let mut ring = PacketRing::new(capacity);
    let mut model = VecDeque::new();
    let (mut number, mut used) = (0, 0);
    while program.more() {
        let how = program.byte();
        if how & 1 == 0 {
            let bytes = packet(number, usize::from(how >> 1) * 3);
            let fits = used + 4 + bytes.len() <= capacity;
            assert_eq!(ring.push(&bytes), fits);
            if fits {
                used += 4 + bytes.len();
                model.push_back(number);
            }
            number += 1;
        } else {
            let popped = ring.pop();
            used -= popped.as_ref().map_or(0, |bytes| 4 + bytes.len());
            assert_eq!(popped.map(|bytes| number_of(&bytes)), model.pop_front());
        }
    }
}

/// Every slot is told of once, a refused one never by a timestamp, and a timestamp belongs to no slot that came after it.
pub fn matching(data: &[u8]) {
    let mut program = Program::new(data);
    let mut matcher = Matcher::default();
    let mut now_ns = 1u64 << 40;
    // Slots that were handed over and not told of, by deadline.
    let mut open = Vec::new();
    let (mut slots, mut stamps, mut matched) = (0u64, 0u64, 0u64);
    while program.more() {
        let how = program.byte();
        now_ns += u64::from(how >> 4) * 300;
        match how & 7 {
            0..=2 => {
                slots += 1;
                let fate = [Fate::Called, Fate::Launched, Fate::LaunchedLate, Fate::Refused][usize::from(how >> 3 & 3)];
                // Some threads come late to say that they called.
                let called_ns = if how & 0x80 == 0 { now_ns } else { now_ns - u64::from(program.byte()) * 500 };
                matcher.sent(fuzzing::slot_record(called_ns, slots, fate));
                open.push((slots, called_ns, fate));
            }
            3..=5 => {
                stamps += 1;
                let id = if how & 0x80 == 0 { slots as u32 } else { program.word() };
                matcher.depart(id.wrapping_sub(u32::from(how >> 3 & 3)), now_ns);
            }
            6 => now_ns += u64::from(program.byte()) << 26,
            _ => matcher.settle(now_ns, |slot, at_ns| {
                let place = open.iter().position(|(deadline_ns, _, _)| *deadline_ns == slot.deadline_ns);
                let (_, called_ns, fate) = open.remove(place.expect("a slot is told of once"));
                if let Some(at_ns) = at_ns {
                    matched += 1;
                    assert!(fate != Fate::Refused && at_ns + 2_000 >= called_ns);
                }
            }),
        }
    }
    assert!(matched <= stamps);
}

/// Any durations: a quantile is at least what it is a quantile of, as far as the buckets go.
pub fn quantile(data: &[u8]) {
    let mut program = Program::new(data);
    let mut quantile = Quantile::new();
    let mut all = Vec::new();
    while program.more() {
        let duration_ns = program.wide();
        quantile.record(duration_ns);
        all.push(duration_ns);
    }
    all.sort_unstable();
    assert_eq!(quantile.total() as usize, all.len());
    for one_in in [1, 2, 10, 1_000, u32::MAX] {
        let told = quantile.all_but_one_in(one_in);
        let above = all.iter().filter(|duration| **duration > told).count();
        let most = 4_000_000;
        assert!(above as u64 * u64::from(one_in) <= all.len() as u64 || told > most, "{told} of {all:?}");
    }
}
