//! What a run is about, as the test gives it.

use crate::plant::Plant;

pub const MS: u64 = 1_000_000;
pub const S: u64 = 1000 * MS;

/// The two ends, as indices.
pub const CLIENT: usize = 0;
pub const SERVER: usize = 1;

/// How much there is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Now this much and now that.
    Usual,
    Nothing,
    /// Always more than fits.
    Full,
}

/// How late dispatchers wake up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waking {
    /// Some microseconds, and in bad phases now and then for longer than some intervals.
    Usual,
    Punctual,
    /// Always as in bad phases.
    Late,
}

/// How the way between the ends changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Whatever is sent passes, as far as its length goes.
    Wide,
    /// From phase to phase, under faults.
    Drawn,
    /// Without faults: wide at first, and then narrow to the end.
    Narrow,
    /// Without faults: narrow for a while, and wide again.
    Widens,
}

/// Settings of one run.
#[derive(Clone, Copy)]
pub struct Settings {
    /// Everything follows from it.
    pub seed: u64,
    /// Virtual time that the run takes.
    pub duration_ns: u64,
    /// False: a network that only delays, and two ends that nothing happens to.
    pub faults: bool,
    /// Within this time after the network healed, both ends are connected.
    pub bound_ns: u64,
    /// The same, where not every rung of the ladder passes.
    pub narrow_bound_ns: u64,
    /// How long a client waits for an answer at most.
    pub attempt_ns: u64,
    pub path: Path,
    /// The client asks for the length that its own interface takes.
    pub automatic: bool,
    /// How long an unconfirmed schedule of the server's may last, from the initiation on.
    pub unconfirmed_ns: u64,
    /// Both ends remember stamps and floors over restarts, so that clocks may be wrong meanwhile.
    pub state_files: bool,
    /// The server sends from its own start, so it needs nobody to ask it.
    pub own_start: bool,
    /// At both ends.
    pub load: Load,
    /// At both ends.
    pub waking: Waking,
    /// A mistake that is put in to see that it is found.
    pub plant: Plant,
}
