use super::*;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

fn report(newest: u32, opened: u32, held_us: u32) -> Report {
    Report { newest, opened, held_us: Some(held_us) }
}

/// `count` datagrams under this key, one a millisecond.
fn sent(reports: &mut PeerReports, generation: u32, count: u32) {
    for counter in 0..count {
        reports.sent(0, generation, counter, u64::from(counter) * MS);
    }
}

#[test]
fn losses_are_what_was_sent_less_what_opened_over_all_keys() {
    let mut reports = PeerReports::default();
    assert_eq!(reports.totals(), Totals::default());
    sent(&mut reports, 1, 100);
    assert!(reports.report(1, report(89, 80, 0), None));
    assert_eq!(reports.totals(), Totals { expected: 90, lost: 10 });
    sent(&mut reports, 2, 50);
    assert!(reports.report(1, report(99, 95, 0), None), "the key before is reported on after the change");
    assert!(reports.report(2, report(9, 9, 0), None));
    assert_eq!(reports.totals(), Totals { expected: 110, lost: 6 });
    assert!(reports.report(2, report(9, 10, 0), None), "one was only late");
    assert_eq!(reports.totals(), Totals { expected: 110, lost: 5 });
}

#[test]
fn what_cannot_be_is_ignored() {
    let mut reports = PeerReports::default();
    assert!(!reports.report(1, report(0, 1, 0), Some(0)), "nothing was sent");
    sent(&mut reports, 1, 10);
    sent(&mut reports, 2, 10);
    assert!(reports.report(2, report(5, 4, 0), None));
    let before = reports.totals();
    for (generation, newest, opened) in
        [(2, 10, 5), (2, u32::MAX, u32::MAX), (2, 6, 8), (2, 6, 0), (2, 4, 4), (2, 6, 3), (1, 9, 9), (3, 0, 1)]
    {
        assert!(!reports.report(generation, report(newest, opened, 0), Some(SECOND)), "{generation} {newest} {opened}");
    }
    assert_eq!((reports.totals(), reports.round_trip()), (before, None));
}

#[test]
fn a_round_trip_is_the_time_away_less_the_time_held() {
    let mut reports = PeerReports::default();
    sent(&mut reports, 1, 10);
    reports.sent(1, 1, 10, 10 * MS);
    assert!(reports.report(1, report(3, 4, 2_000), Some(45 * MS)));
    let first = RoundTrip { newest_ns: 40 * MS, smoothed_ns: 40 * MS, least_ns: 40 * MS };
    assert_eq!(reports.round_trip(), Some(first));
    assert!(reports.report(1, report(4, 5, 0), None), "it waited in the reorder window");
    assert_eq!(reports.round_trip(), Some(first));
    assert!(reports.report(1, Report { held_us: None, ..report(5, 6, 0) }, Some(SECOND)));
    assert_eq!(reports.round_trip(), Some(first));
    assert!(reports.report(1, report(10, 11, 0), Some(42 * MS)), "sent by the second dispatcher");
    let second = RoundTrip { newest_ns: 32 * MS, smoothed_ns: 39 * MS, least_ns: 32 * MS };
    assert_eq!(reports.round_trip(), Some(second));
}

#[test]
fn a_lie_about_the_time_makes_no_negative_round_trip() {
    let mut reports = PeerReports::default();
    sent(&mut reports, 1, 10);
    assert!(reports.report(1, report(3, 4, u32::MAX - 1), Some(45 * MS)));
    assert_eq!(reports.round_trip().map(|trip| trip.newest_ns), Some(0));
    assert!(reports.report(1, report(4, 4, 0), Some(0)), "before it was sent");
    assert_eq!(reports.round_trip().map(|trip| trip.newest_ns), Some(0));
}

#[test]
fn send_times_are_kept_within_bounds() {
    let mut times = SentTimes::default();
    let most = u32::try_from(MOST_SENT).expect("small");
    for counter in 0..most + 10 {
        times.add((1, counter), u64::from(counter));
    }
    assert_eq!((times.at_ns((1, 9)), times.at_ns((1, 10)), times.sent.len()), (None, Some(10), MOST_SENT));
    times.add((1, 3), 0);
    times.add((2, 0), 1 + SENT_NS + u64::from(most + 9));
    assert_eq!(times.sent.len(), 1);
    assert_eq!(times.at_ns((2, 0)), Some(1 + SENT_NS + u64::from(most + 9)));
}

#[test]
fn recent_is_the_last_ten_seconds() {
    let mut window = Window::default();
    assert_eq!(window.recent(0, Totals::new(5, 4)), Totals { expected: 5, lost: 1 });
    // A hundred a second, a tenth of them lost for a minute, none after it.
    let totals = |second: u64| Totals { expected: 100 * second, lost: 10 * second.min(60) };
    for second in 0..=75 {
        window.note(second * SECOND, totals(second));
        window.note(second * SECOND + 1, Totals::default());
    }
    assert!(window.samples.len() <= 12, "{} samples", window.samples.len());
    assert_eq!(window.recent(75 * SECOND, totals(75)), Totals { expected: 1_000, lost: 0 });
    let mut window = Window::default();
    for second in 0..=65 {
        window.note(second * SECOND, totals(second));
    }
    assert_eq!(window.recent(65 * SECOND, totals(65)), Totals { expected: 1_000, lost: 50 });
    assert_eq!(window.recent(90 * SECOND, totals(65)), Totals::default(), "nothing since");
}

#[test]
fn late_ones_make_up_for_lost_ones_down_to_none() {
    let mut window = Window::default();
    window.note(0, Totals { expected: 100, lost: 20 });
    assert_eq!(window.recent(SECOND, Totals { expected: 110, lost: 12 }), Totals { expected: 10, lost: 0 });
}
