//! How long datagrams may be: on the way between the ends, and at their interfaces.
//!
//! Lengths are those of IP packets, as everywhere but in a datagram's own length. What is too long on the way vanishes,
//! and no ICMP tells of it. What is too long for an interface is refused by its host.

use i405_random::Random;

use crate::settings::{CLIENT, Path, SERVER, Settings};

/// Whatever UDP can carry passes.
pub const WIDE: u32 = 65_535;
/// The lowest rung of the ladder passes in every calm phase.
const LEAST: u64 = 1280;
/// The ladder's rungs below the configured length are 1492, 1420, 1400, 1280: some of these are a byte off.
const NARROW: [u32; 7] = [1280, 1281, 1399, 1400, 1419, 1491, 1499];
/// Too short for any rung.
const CLOSED: u32 = 576;

/// The way during one phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The longest packet that passes, up and down.
    pub passes: [u32; 2],
    /// MTU of each end's route; None: there is none.
    pub routes: [Option<u32>; 2],
}

impl Way {
    pub const WIDE: Way = Way { passes: [WIDE; 2], routes: [Some(WIDE); 2] };

    pub fn is_wide(&self) -> bool {
        *self == Self::WIDE
    }

    /// What narrows in a run without faults: one of five things, by the seed, so that a test can choose.
    pub fn narrowed(seed: u64, own_start: bool) -> Self {
        let mtu = Random::stream(seed, "way").between(LEAST, 1499) as u32;
        let mut way = Self::WIDE;
        match seed % 5 {
            0 => way.passes = [mtu; 2],
            1 => way.passes[0] = mtu,
            2 => way.passes[1] = mtu,
            3 => way.routes[CLIENT] = Some(mtu),
            _ => way.routes[SERVER] = Some(mtu),
        }
        way.heard_both_ways(own_start)
    }

    /// A server that sends from its own start goes on where it doesn't hear its client, and the client takes its session
    /// for sound until that expires (docs/reconnecting.md, "Lengths"). So there the other direction is narrow as well.
    fn heard_both_ways(mut self, own_start: bool) -> Self {
        let upwards = self.passes[0].min(self.routes[CLIENT].unwrap_or(0));
        if own_start {
            self.passes[1] = self.passes[1].min(upwards);
        }
        self
    }
}

/// Draws the ways of a run's phases.
pub struct Ways {
    random: Random,
    path: Path,
    /// The client asks for what its own interface takes, whatever that is.
    automatic: bool,
    own_start: bool,
    client_restarts: bool,
}

impl Ways {
    pub fn new(settings: &Settings, client_restarts: bool) -> Self {
        let Settings { seed, path, automatic, own_start, .. } = *settings;
        Ways { random: Random::stream(seed, "way"), path, automatic, own_start, client_restarts }
    }

    /// In which the ends find each other, at some rung.
    pub fn calm(&mut self) -> Way {
        let random = &mut self.random;
        let mut way = Way::WIDE;
        if self.path == Path::Wide || !random.per_mille(400) {
            return way;
        }
        let mtu = random.one_of(&NARROW);
        match random.below(if self.automatic { 4 } else { 3 }) {
            0 => way.passes[0] = mtu,
            1 => way.passes[1] = mtu,
            2 => way.passes = [mtu; 2],
            // A program that asks for more than its own interface takes isn't started at all.
            _ => way.routes[CLIENT] = Some(mtu),
        }
        way.heard_both_ways(self.own_start)
    }

    /// In which anything may be.
    pub fn bad(&mut self) -> Way {
        let random = &mut self.random;
        let mut way = Way::WIDE;
        if self.path == Path::Wide {
            return way;
        }
        for end in [CLIENT, SERVER] {
            if random.per_mille(300) {
                way.passes[end] = if random.per_mille(200) { CLOSED } else { random.one_of(&NARROW) };
            }
            // A server that takes less than it is asked for refuses, and then a client that was never answered ends.
            if random.per_mille(200) && (end == CLIENT || self.client_restarts) {
                way.routes[end] = random.per_mille(600).then(|| random.one_of(&NARROW));
            }
        }
        way
    }
}
