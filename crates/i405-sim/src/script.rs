//! What goes wrong in a run and when, drawn from the seed before it begins.
//!
//! Bad phases and calm ones take turns, and the last one is calm: in each calm phase the ends have to find each other.

use i405_random::Random;

use crate::settings::{CLIENT, MS, Path, S, SERVER, Settings};
use crate::way::{Way, Ways};

/// What one direction of the network does to datagrams. Rates are of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub lost: u64,
    pub duplicated: u64,
    pub corrupted: u64,
    pub truncated: u64,
    /// Held back for up to ten seconds.
    pub held_back: u64,
    /// Further delay of up to this much, so that datagrams overtake each other.
    pub spread_ns: u64,
    /// Nothing passes.
    pub cut: bool,
    /// What was cut off comes all at once when the phase ends.
    pub released: bool,
}

/// A stretch of one kind of weather.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    pub from_ns: u64,
    pub until_ns: u64,
    pub calm: bool,
    /// Up and down.
    pub weather: [Weather; 2],
    pub way: Way,
}

/// Something that happens at an instant.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// Killed, and started again after this time.
    Restart { end: usize, down_ns: u64 },
    /// CLOCK_MONOTONIC stands still, CLOCK_BOOTTIME doesn't.
    Suspend { end: usize, for_ns: u64 },
    /// The process gets no time; all clocks go on.
    Stall { end: usize, for_ns: u64 },
    /// JavaScript gets no time: a blocked event loop.
    SlowProgram { end: usize, for_ns: u64 },
    /// The wall clock is wrong by so much from here on.
    StepWall { end: usize, offset_ms: i64 },
    /// The client's datagrams come from another address from here on.
    Roam,
    /// Recorded datagrams come again, as they were.
    Replay { up: bool, count: u64, spoofed: bool },
    /// The server's datagrams to the server, the client's to the client.
    Reflect { count: u64 },
    /// Random bytes of the right length from many sources, and of any length.
    Garbage { count: u64 },
}

/// The whole of it.
pub struct Script {
    pub phases: Vec<Phase>,
    /// In order of time.
    pub deeds: Vec<(u64, Deed)>,
    /// How wrong each wall clock is at first.
    pub wall_offset_ms: [i64; 2],
}

/// A calm phase is so much longer than what reconnecting may take, and the margin that follows it.
const CALM_REST_NS: u64 = 12 * S;
const YEAR_MS: i64 = 31_557_600_000;

impl Script {
    /// Drawn from the seed.
    pub fn new(settings: &Settings) -> Self {
        let mut random = Random::stream(settings.seed, "script");
        if !settings.faults {
            return Script { phases: quiet(settings), deeds: Vec::new(), wall_offset_ms: [0; 2] };
        }
        let skew_ms = |random: &mut Random| random.between(0, 2000) as i64 - 1000;
        let wall_offset_ms = [skew_ms(&mut random), skew_ms(&mut random)];
        let [calm_ns, narrow_ns] = [settings.bound_ns, settings.narrow_bound_ns].map(|bound| bound + CALM_REST_NS);
        let (mut phases, mut deeds) = (Vec::new(), Vec::new());
        // A client whose stamps ran ahead can't begin anew without a state file; the docs say so.
        let client_ahead = settings.state_files || random.per_mille(500);
        let client_restarts = settings.state_files || !client_ahead;
        let mut ways = Ways::new(settings, client_restarts);
        let mut at_ns = 0;
        let mut calm = random.per_mille(500);
        while at_ns < settings.duration_ns {
            let left_ns = settings.duration_ns - at_ns;
            let mut way = if calm { ways.calm() } else { ways.bad() };
            if left_ns < narrow_ns && calm {
                // There is no room to go down the ladder.
                way = Way::WIDE;
            }
            let least_ns = if way.is_wide() { calm_ns } else { narrow_ns };
            let mut length_ns = if calm { least_ns + random.below(20 * S) } else { random.between(4, 50) * S };
            if left_ns < length_ns + calm_ns + 4 * S {
                // No room for this and a calm one behind it.
                way = if calm { way } else { Way::WIDE };
                (calm, length_ns) = (true, left_ns);
            }
            let weather = if calm { [Weather::default(); 2] } else { weathers(&mut random) };
            let phase = Phase { from_ns: at_ns, until_ns: at_ns + length_ns, calm, weather, way };
            if !calm {
                misdeeds(&mut random, &phase, client_restarts, client_ahead, &mut deeds);
            }
            phases.push(phase);
            at_ns += length_ns;
            calm = !calm;
        }
        deeds.sort_by_key(|(at_ns, _)| *at_ns);
        Script { phases, deeds, wall_offset_ms }
    }
}

/// When the way of a run without faults narrows: both ends have each other by then.
const NARROWS_NS: u64 = 20 * S;

/// Phases without faults.
fn quiet(settings: &Settings) -> Vec<Phase> {
    let narrow = Way::narrowed(settings.seed, settings.own_start);
    let widens_ns = NARROWS_NS + settings.narrow_bound_ns + CALM_REST_NS;
    let mut from_ns = 0;
    let mut until = |until_ns: u64, way| {
        let weather = [Weather::default(); 2];
        Phase { from_ns: std::mem::replace(&mut from_ns, until_ns), until_ns, calm: true, weather, way }
    };
    match settings.path {
        Path::Narrow => vec![until(NARROWS_NS, Way::WIDE), until(settings.duration_ns, narrow)],
        Path::Widens => {
            vec![until(NARROWS_NS, Way::WIDE), until(widens_ns, narrow), until(settings.duration_ns, Way::WIDE)]
        }
        _ => vec![until(settings.duration_ns, Way::WIDE)],
    }
}

fn weathers(random: &mut Random) -> [Weather; 2] {
    let cut = random.below(6);
    let released = random.per_mille(300);
    [0, 1].map(|direction| {
        let is_cut = cut == 0 || cut == direction + 1;
        Weather {
            lost: random.one_of(&[0, 0, 10, 50, 300]),
            duplicated: random.one_of(&[0, 10, 200]),
            corrupted: random.one_of(&[0, 5, 100]),
            truncated: random.one_of(&[0, 5, 50]),
            held_back: random.one_of(&[0, 2, 30]),
            spread_ns: random.one_of(&[0, 0, 5 * MS, 40 * MS, 200 * MS]),
            cut: is_cut,
            released: is_cut && released,
        }
    })
}

/// What is done in a bad phase. Everything is over when it ends, but that what was recorded is kept.
fn misdeeds(
    random: &mut Random,
    phase: &Phase,
    client_restarts: bool,
    client_ahead: bool,
    deeds: &mut Vec<(u64, Deed)>,
) {
    let mut at_ns = phase.from_ns;
    loop {
        at_ns += random.between(500, 12_000) * MS;
        if at_ns >= phase.until_ns {
            return;
        }
        let left_ns = phase.until_ns - at_ns;
        let lasting = |random: &mut Random, most_ns: u64| random.between(MS, most_ns.min(left_ns).max(MS));
        let end = random.one_of(&[CLIENT, SERVER]);
        let deed = match random.below(10) {
            0 | 1 => {
                let end = if client_restarts { end } else { SERVER };
                Deed::Restart { end, down_ns: lasting(random, 8 * S) }
            }
            2 => Deed::Suspend { end, for_ns: lasting(random, 30 * S) },
            3 => Deed::Stall { end, for_ns: lasting(random, 3 * S) },
            4 => Deed::SlowProgram { end, for_ns: lasting(random, 4 * S) },
            5 => {
                let years = random.between(1, 20) as i64 * YEAR_MS;
                let ahead = random.per_mille(500) && (end == SERVER || client_ahead);
                Deed::StepWall { end, offset_ms: if ahead { years } else { -years } }
            }
            6 => Deed::Roam,
            7 => Deed::Replay {
                up: random.per_mille(700),
                count: random.between(1, 600),
                spoofed: random.per_mille(500),
            },
            8 => Deed::Reflect { count: random.between(1, 200) },
            _ => Deed::Garbage { count: random.between(1, 300) },
        };
        deeds.push((at_ns, deed));
    }
}
