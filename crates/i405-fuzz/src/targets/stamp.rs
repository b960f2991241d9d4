//! Nothing at or below the floor, nothing acted on before and nothing too old is ever fresh; the floor never sinks.

use i405_proto::stamp::{AtMostOncePer, Floor, Judgement};

use crate::program::Program;

/// Floor and greatest age, then a program of initiations and times.
pub fn run(data: &[u8]) {
    let mut program = Program::new(data);
    let first = program.wide();
    let max_age_ms = program.odd().then(|| program.wide());
    let interval_ns = program.wide();
    let mut floor = Floor::new(first, max_age_ms);
    let mut limit = AtMostOncePer::new(interval_ns);
    let mut last_allowed = None;
    let mut acted_on = Vec::new();
    while program.more() {
        let before = floor.get();
        let how = program.byte();
        let stamp = match how >> 4 & 3 {
            0 => before.saturating_add(u64::from(how >> 6)),
            1 => before.saturating_sub(u64::from(how >> 6)),
            2 => acted_on.last().copied().unwrap_or(first),
            _ => program.wide(),
        };
        match how & 3 {
            0 => assert_eq!(floor.raise(stamp), stamp > before),
            1 => {
                floor.act_on(stamp);
                acted_on.push(stamp);
            }
            2 => {
                let now_ns = program.wide();
                let allowed = limit.allow(now_ns);
                let due = last_allowed.is_none_or(|last: u64| now_ns >= last && now_ns - last >= interval_ns);
                assert_eq!(allowed, due || interval_ns == 0);
                if allowed {
                    last_allowed = Some(now_ns);
                }
            }
            _ => {
                let wall_ms = program.wide();
                let judgement = floor.judge(stamp, wall_ms);
                let too_old = max_age_ms.is_some_and(|max| wall_ms > stamp && wall_ms - stamp > max);
                let newest_two = acted_on.iter().rev().take(2).any(|known| *known == stamp);
                let expected = if stamp == before || newest_two {
                    Judgement::Known
                } else if stamp < before || too_old {
                    Judgement::Stale
                } else {
                    Judgement::Fresh
                };
                assert_eq!(judgement, expected, "stamp {stamp}, floor {before}, wall clock {wall_ms}");
                assert!(judgement != Judgement::Fresh || !acted_on.contains(&stamp));
            }
        }
        assert!(floor.get() >= before, "the floor sank");
        assert!(how & 3 > 1 || floor.get() >= stamp, "the floor did not rise");
    }
}
