//! One end's machine: its clocks, its tunnel while the process lives, and when each part of the tunnel wants to run
//! next.
//!
//! World time is nobody's clock: it never stops and never jumps. A host's clocks follow from it.

use std::collections::VecDeque;
use std::net::SocketAddr;

use i405_random::Random;
use i405_rt::simulation::{Clocks, Unmanned, set_clocks, set_route};

use crate::orders::{InForce, Orders};
use crate::settings::{MS, S, Waking};
use crate::sink::Mailbox;

/// Wall clock when world time is 0.
const WALL_NS: u64 = 1_700_000_000 * S;
/// How often the reporter looks, with a TUN.
pub const REPORT_NS: u64 = 10 * MS;

/// A datagram that waits at the socket of a process that gets no time.
pub struct Queued {
    pub from: SocketAddr,
    pub bytes: Vec<u8>,
    pub received_realtime_ns: u64,
}

/// What the slots of one schedule have been so far.
#[derive(Clone, Copy)]
pub struct LastSlot {
    pub deadline_ns: u64,
    pub called_ns: u64,
    /// Deadlines that had passed when it was called, after its own.
    pub passed: u64,
    /// Inner packets were begun in it.
    pub begins: bool,
    pub length: usize,
}

/// The process on a host, from its start to its end.
pub struct Life {
    pub unmanned: Unmanned,
    pub mailbox: Mailbox,
    /// When the events in the mailbox reach JavaScript, world time.
    pub hand_over_ns: Option<u64>,
    pub next_report_ns: u64,
    /// The next slot: its deadline, and when the dispatcher will really wake up, CLOCK_MONOTONIC.
    pub call: Option<(u64, u64)>,
    /// Its bytes are final.
    pub assembled: bool,
    pub orders: Orders,
    /// For the slot that is built.
    pub in_force: Option<InForce>,
    /// Client: what its newest session began with, UDP bytes.
    pub answered_length: Option<usize>,
    pub last_slot: Option<LastSlot>,
    /// Inner packets that were begun in slots so far.
    pub begun: u64,
    /// Deadlines so far, with those that were missed.
    pub deadlines: u64,
    pub missed: u64,
    /// The tunnel's own account: a session is up.
    pub connected: bool,
    /// A datagram left under a session's key, world time.
    pub data_sent_ns: u64,
    /// Server: CLOCK_MONOTONIC of the newest reason to send without a session.
    pub reason_ns: Option<u64>,
    /// Server: the newest stamp that was handed to JavaScript.
    pub newest_stamp: Option<u64>,
}

impl Life {
    pub fn new(unmanned: Unmanned, mailbox: Mailbox, now_ns: u64) -> Self {
        Life {
            unmanned,
            mailbox,
            hand_over_ns: None,
            next_report_ns: now_ns + REPORT_NS,
            call: None,
            assembled: false,
            orders: Orders::default(),
            in_force: None,
            answered_length: None,
            last_slot: None,
            begun: 0,
            deadlines: 0,
            missed: 0,
            connected: false,
            data_sent_ns: 0,
            reason_ns: None,
            newest_stamp: None,
        }
    }
}

/// A machine.
pub struct Host {
    pub address: SocketAddr,
    pub life: Option<Life>,
    monotonic_base_ns: u64,
    suspended_ns: u64,
    pub wall_offset_ms: i64,
    /// Until then nothing of this host runs, world time.
    pub stalled_until_ns: u64,
    /// Until then JavaScript doesn't.
    pub program_until_ns: u64,
    /// When the process is started again, world time.
    pub revive_ns: Option<u64>,
    /// A process of its has run.
    pub has_run: bool,
    /// MTU of the route to anybody, IP bytes; None: there is none.
    pub route_mtu: Option<u32>,
    pub queued: VecDeque<Queued>,
    lateness: Random,
    /// A dispatcher that makes slots ready right after the one before, as for short intervals.
    pub early: bool,
}

impl Host {
    pub fn new(seed: u64, end: usize, address: SocketAddr, wall_offset_ms: i64) -> Self {
        let mut lateness = Random::stream(seed, ["client's lateness", "server's lateness"][end]);
        Host {
            address,
            life: None,
            // Hosts have been up for as long as they like.
            monotonic_base_ns: lateness.between(1000, 100_000) * S,
            suspended_ns: 0,
            wall_offset_ms,
            stalled_until_ns: 0,
            program_until_ns: 0,
            revive_ns: None,
            has_run: false,
            route_mtu: None,
            queued: VecDeque::new(),
            early: lateness.per_mille(300),
            lateness,
        }
    }

    pub fn clocks(&self, now_ns: u64) -> Clocks {
        let boottime_ns = now_ns + self.monotonic_base_ns;
        let realtime_ns = (WALL_NS + now_ns).saturating_add_signed(self.wall_offset_ms * MS as i64);
        Clocks { monotonic_ns: boottime_ns - self.suspended_ns, boottime_ns, realtime_ns }
    }

    /// What runs next runs here.
    pub fn enter(&self, now_ns: u64) -> Clocks {
        let clocks = self.clocks(now_ns);
        set_clocks(clocks);
        set_route(self.route_mtu);
        clocks
    }

    /// World time at which CLOCK_MONOTONIC shows this, if nothing stops it meanwhile, and the host gets to it.
    pub fn world_ns(&self, monotonic_ns: u64) -> u64 {
        (monotonic_ns + self.suspended_ns).saturating_sub(self.monotonic_base_ns).max(self.stalled_until_ns)
    }

    /// The process is over, and another one is started then.
    pub fn die(&mut self, revive_ns: u64) {
        self.life = None;
        self.queued.clear();
        (self.stalled_until_ns, self.program_until_ns) = (0, 0);
        self.revive_ns = Some(revive_ns);
    }

    /// CLOCK_MONOTONIC stands still for so long.
    pub fn suspend(&mut self, now_ns: u64, for_ns: u64) {
        // What sleeps already only sleeps on: two suspensions are over when the later one is.
        let more_ns = (now_ns + for_ns).saturating_sub(now_ns.max(self.stalled_until_ns));
        self.suspended_ns += more_ns;
        self.stalled_until_ns = self.stalled_until_ns.max(now_ns + for_ns);
    }

    pub fn stall(&mut self, now_ns: u64, for_ns: u64) {
        self.stalled_until_ns = self.stalled_until_ns.max(now_ns + for_ns);
    }

    /// Looks when the dispatcher will wake up for its next slot, if that isn't settled yet.
    pub fn plan(&mut self, calm: bool, waking: Waking) {
        let Some(life) = &mut self.life else { return };
        let deadline = life.unmanned.deadline_ns(0);
        if life.call.map(|(deadline_ns, _)| deadline_ns) == deadline {
            return;
        }
        let random = &mut self.lateness;
        let steady = calm && waking == Waking::Usual;
        let late_ns = match random.below(if steady { 990 } else { 1000 }) {
            _ if waking == Waking::Punctual => 0,
            0..990 => random.below(60_000),
            990..999 => random.below(4 * MS),
            _ => random.below(120 * MS),
        };
        life.call = deadline.map(|deadline_ns| (deadline_ns, deadline_ns + late_ns));
        life.assembled &= deadline.is_some();
    }
}
