//! One move after another, and runs after runs, within ten seconds (docs/protocol.md, "Sources").

use crate::support::S;
use crate::whereabouts::{Bench, NEW, OLD, OTHER, believed};

#[test]
fn a_client_moves_as_often_as_it_answers_and_that_leaves_others_no_more() {
    let mut bench = Bench::settled();
    // There and back again and elsewhere, a second apart.
    for (from, to) in [(OLD, NEW), (NEW, OLD), (OLD, NEW), (NEW, OTHER), (OTHER, 4), (4, 5), (5, OLD), (OLD, NEW)] {
        bench.fresh(from);
        bench.receiver.now_ns += S;
        bench.many(to, 20);
        assert!(bench.is_challenged(to), "from {from} to {to}");
        assert_eq!(bench.echo(to), Some(believed(None, to)));
    }
    bench.fresh(NEW);
    // What others get is what it would have been.
    let mut granted = std::collections::BTreeMap::new();
    for from in 10..40 {
        bench.many(from, 20);
        for (source, datagrams) in bench.challenged() {
            let most = granted.entry(source).or_insert(0);
            *most = datagrams.max(*most);
        }
        bench.fresh(NEW);
    }
    assert_eq!(granted.values().sum::<u32>(), 32);
}

#[test]
fn an_echo_that_was_under_way_while_the_client_moved_on_does_not_shut_it_out() {
    let mut bench = Bench::settled();
    bench.many(NEW, 9);
    // It heard the challenge there, and is elsewhere by the time of its answer; there it was challenged twice already.
    let challenged = bench.token(NEW);
    bench.many(OTHER, 2);
    assert!(bench.is_challenged(OTHER));
    assert_eq!(bench.echo_of(challenged), Some(believed(None, NEW)));
    assert_eq!(bench.challenged(), []);
    // So it is nowhere that anything comes from; the next run has what is left of its 16.
    bench.many(OTHER, 30);
    let sources = bench.challenged();
    assert_eq!(sources.len(), 1);
    assert!((8..=14).contains(&sources[0].1), "{sources:?}");
    assert_eq!(bench.echo(OTHER), Some(believed(None, OTHER)));
}

#[test]
fn a_source_whose_run_the_endpoint_ended_waits_for_ten_seconds() {
    let mut bench = Bench::settled();
    bench.many(NEW, 12);
    assert!(bench.is_challenged(NEW));
    bench.fresh(OLD);
    bench.many(NEW, 30);
    assert_eq!(bench.challenged(), []);
    bench.receiver.now_ns += 10 * S;
    bench.many(NEW, 12);
    assert!(bench.is_challenged(NEW));
}

#[test]
fn a_source_is_challenged_again_after_ten_seconds_and_all_together_get_so_many() {
    let mut bench = Bench::settled();
    bench.many(NEW, 100);
    let first = bench.token(NEW);
    bench.receiver.now_ns += 9 * S;
    bench.many(NEW, 100);
    assert_eq!(bench.token(NEW), first);
    bench.receiver.now_ns += S;
    bench.many(NEW, 2);
    assert_ne!(bench.token(NEW), first);
    // Sources in turn, each with a run of its own: 32 datagrams in 10 s, whoever they are for.
    let mut bench = Bench::settled();
    let mut granted = std::collections::BTreeMap::new();
    for from in 10..40 {
        bench.many(from, 20);
        for (source, datagrams) in bench.challenged() {
            let most = granted.entry(source).or_insert(0);
            *most = datagrams.max(*most);
        }
        bench.fresh(OLD);
    }
    assert_eq!(granted.values().sum::<u32>(), 32);
}
