//! Every interleaving of two dispatchers, as `loom` finds them: exactly one datagram per slot, no contents twice.
//!
//! A dispatcher that the hypervisor or another program stops is, to the other one, a thread that is not scheduled, and
//! that is what the model checker varies. Time is a counter that a third thread moves, so both wake late as well.

#![cfg(feature = "loom")]

use i405_proto::hedge::{Cells, Claims};
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// What a thread sent: the slots that it claimed, and the contents, 0 for its own emergency datagram.
type Sent = Vec<(u64, u64, u64)>;

struct World {
    claims: Claims,
    cells: Cells<u64>,
    /// What contents are built from: the next counter. Only ever tried.
    work: Mutex<u64>,
    /// The last slot whose deadline has passed.
    clock: AtomicU64,
}

/// One turn of a dispatcher: build if nobody has, look at the clock, claim, send.
fn turn(world: &World, sent: &mut Sent) {
    if let Ok(mut next) = world.work.try_lock()
        && !world.cells.any_ready(1)
    {
        world.cells.fill(1, |content| {
            *next += 1;
            *content = *next;
            true
        });
    }
    let due = world.clock.load(Ordering::Acquire);
    if let Some(first) = world.claims.claim(1, due) {
        let contents = world.cells.take(1, |content| *content).unwrap_or(0);
        sent.push((first, due, contents));
    }
}

fn explore(turns: usize, ticks: u64, preemptions: usize) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        let world = Arc::new(World {
            claims: Claims::new(),
            cells: Cells::for_dispatchers(2, || 0),
            work: Mutex::new(0),
            clock: AtomicU64::new(0),
        });
        assert!(world.claims.begin_epoch(world.claims.position()));
        let other = Arc::clone(&world);
        let second = thread::spawn(move || {
            let mut sent = Sent::new();
            for _ in 0..turns {
                turn(&other, &mut sent);
            }
            sent
        });
        let mut sent = Sent::new();
        for tick in 0..turns as u64 {
            turn(&world, &mut sent);
            world.clock.store((tick + 1).min(ticks), Ordering::Release);
        }
        sent.extend(second.join().unwrap());
        let last = world.clock.load(Ordering::Acquire);
        if world.claims.position().next <= last {
            turn(&world, &mut sent);
        }

        // Claims are disjoint and leave nothing out: one datagram per claim, the rest of its slots is missed.
        sent.sort_unstable();
        let mut next = 0;
        for &(first, through, _) in &sent {
            assert_eq!(first, next, "{sent:?}");
            assert!(through >= first);
            next = through + 1;
        }
        assert_eq!(next, last + 1);
        // No contents leave twice.
        let mut contents: Vec<u64> = sent.iter().map(|&(_, _, contents)| contents).filter(|&c| c != 0).collect();
        let all = contents.len();
        contents.sort_unstable();
        contents.dedup();
        assert_eq!(contents.len(), all, "{sent:?}");
    });
}

#[test]
fn two_dispatchers_send_one_datagram_per_slot() {
    explore(2, 2, 4);
}

#[test]
fn two_dispatchers_send_one_datagram_per_slot_over_more_slots() {
    explore(3, 3, 2);
}

#[test]
fn a_schedule_that_ends_is_left_by_both() {
    loom::model(|| {
        let claims = Arc::new(Claims::new());
        assert!(claims.begin_epoch(claims.position()));
        let other = Arc::clone(&claims);
        let second = thread::spawn(move || other.claim(1, 0));
        let seen = claims.position();
        let ended = claims.begin_epoch(seen);
        let claimed = second.join().unwrap();
        // Either the slot was sent and the end was seen to be too late, or it ended first and nobody sends.
        assert_eq!(ended && seen.next == 0, claimed.is_none());
        assert!(claims.claim(2, 0).is_some() == ended);
    });
}

/// A schedule takes another's place while a dispatcher stands between its claim and its send.
#[test]
fn contents_of_one_schedule_never_leave_in_a_slot_of_another() {
    const BUILT: [u64; 3] = [0, 100, 200];
    loom::model(|| {
        let (claims, cells) = (Claims::new(), Arc::new(Cells::for_dispatchers(2, || 0)));
        let build = |cells: &Cells<u64>, epoch: u16| {
            assert!(cells.fill(epoch, |content| {
                *content = BUILT[usize::from(epoch)];
                true
            }));
        };
        assert!(claims.begin_epoch(claims.position()));
        build(&cells, 1);
        assert_eq!(claims.claim(1, 0), Some(0));
        let stopped = Arc::clone(&cells);
        let first = thread::spawn(move || stopped.take(1, |content| *content));
        assert!(claims.begin_epoch(claims.position()));
        cells.discard();
        assert!(!cells.any_ready(1) && !cells.any_ready(2));
        build(&cells, 2);
        assert_eq!(claims.claim(2, 0), Some(0));
        assert_eq!(cells.take(2, |content| *content), Some(BUILT[2]), "built for it, and nobody else's");
        // The first schedule's own, or nothing, in place of which its dispatcher sends cover.
        let sent = first.join().unwrap();
        assert!(sent.is_none_or(|contents| contents == BUILT[1]), "{sent:?} in a slot of the first schedule");
    });
}
