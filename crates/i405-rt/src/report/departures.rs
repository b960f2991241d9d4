//! Transmit timestamps on their way from the socket's error queue to the deviation statistics.
//!
//! 1. the dispatcher pushes a record of each slot when it is out: [`SlotRecord`]
//! 2. the receiver takes reports off the error queue and pushes them: `DepartureReader`
//! 3. the reporter converts their clock, matches the two and records lateness: [`Departures`]
//!
//! Nothing here waits for anything: what finds no room is dropped, and its slot counts as unreported.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rtrb::Consumer;

use crate::platform::clock::Clock;
use crate::platform::foreign_clock::{ForeignClock, Realtime};
use crate::platform::launch_trial::{LaunchTrial, Verdict};
use crate::platform::lock::lock;
use crate::platform::socket::OuterSocket;
use crate::platform::timestamping;
use crate::report::matching::Matcher;
use crate::report::recorder::Recorder;
use crate::report::shared::Shared;
use crate::report::warnings;
use crate::rings::command::SendCommand;
use crate::rings::event::Event;
use crate::rings::record::{Fate, SlotRecord};
use i405_sys::errqueue::{Report, Timestamps};

/// Slots in a row without a timestamp after which the user is told.
const MOST_UNSEEN: u32 = 16;

/// Where timestamps come from, and whose they are.
pub struct DepartureSources {
    pub(crate) socket: Arc<OuterSocket>,
    pub(crate) reports: Consumer<Report>,
    pub(crate) timestamps: Timestamps,
    pub(crate) fwmark: Option<u32>,
}

/// The reporter's end.
pub struct Departures {
    from: DepartureSources,
    clock: ForeignClock,
    matcher: Matcher,
    trial: LaunchTrial,
    /// Where slots go, once it is known.
    towards: Option<IpAddr>,
    unseen: u32,
    told: bool,
}

impl Departures {
    /// Nothing matched yet.
    pub fn new(from: DepartureSources) -> Self {
        let clock = match from.timestamps {
            Timestamps::Software => ForeignClock::Realtime(Realtime::default()),
            // Which card's is known when the first schedule starts.
            Timestamps::Hardware => ForeignClock::Unknown,
        };
        let (matcher, trial) = (Matcher::default(), LaunchTrial::default());
        Departures { from, clock, matcher, trial, towards: None, unseen: 0, told: false }
    }

    /// Takes the timestamps that came. Before [`Self::sent`], so that their slots are told of in the same period.
    pub fn take(&mut self, shared: &Shared, tell: &mut Vec<Event>) {
        if let Some(address) = lock(&shared.departing_to).take() {
            self.begin(address, tell);
        }
        self.take_reports(shared);
    }

    /// The next slot.
    pub fn sent(&mut self, record: SlotRecord) {
        self.matcher.sent(record);
    }

    /// Brings the statistics up to date, and tells what the user should know.
    pub fn collect(
        &mut self,
        clock: &impl Clock,
        shared: &Shared,
        recorder: Option<&mut Recorder>,
        tell: &mut Vec<Event>,
    ) {
        if let Some(verdict) = self.settle(clock, shared, recorder) {
            shared.distrusts_launches.store(true, Ordering::Release);
            // Refused only if the dispatcher is dead, and then it sends nothing by any means.
            let _ = shared.command(SendCommand::Launch(None));
            tell.push(warnings::launches_ignored(verdict));
        }
        if let Some(address) = self.towards.filter(|_| self.unseen >= MOST_UNSEEN && !self.told) {
            self.told = true;
            let reason = timestamping::why_none(&self.from.socket, address, self.from.fwmark);
            tell.push(warnings::no_timestamps(&reason));
        }
    }

    /// A schedule begins: which card's clock it is, and whether anything comes, may be another matter than before.
    fn begin(&mut self, address: IpAddr, tell: &mut Vec<Event>) {
        (self.unseen, self.told) = (0, false);
        self.towards = Some(address);
        if self.from.timestamps == Timestamps::Hardware {
            match timestamping::card_towards(&self.from.socket, address, self.from.fwmark) {
                Ok(card) => self.clock = ForeignClock::Card(Box::new(card)),
                Err(reason) => {
                    self.clock = ForeignClock::Unknown;
                    self.told = true;
                    tell.push(warnings::no_timestamps(&reason));
                }
            }
        }
    }

    fn take_reports(&mut self, shared: &Shared) {
        let waiting = self.from.reports.slots();
        // After the reports came and before they are converted: nothing stamped is newer than the reading.
        let convertible = waiting > 0 && self.clock.update();
        for _ in 0..waiting {
            let Ok(report) = self.from.reports.pop() else { break };
            match report {
                Report::Departed { id, at_ns } if convertible => {
                    if let Some(at_ns) = self.clock.to_monotonic(at_ns) {
                        self.matcher.depart(id, at_ns);
                    }
                }
                Report::LaunchMissed | Report::LaunchInvalid => shared.counters.departure.launches_missed.add(1),
                Report::Departed { .. } | Report::Other => {}
            }
        }
    }

    fn settle(&mut self, clock: &impl Clock, shared: &Shared, mut recorder: Option<&mut Recorder>) -> Option<Verdict> {
        let counters = &shared.counters.departure;
        let trusts = !shared.distrusts_launches.load(Ordering::Acquire);
        let Departures { matcher, trial, unseen, .. } = self;
        let mut verdict = None;
        let mut window = lock(&shared.window);
        matcher.settle(clock.monotonic_ns(), |slot, left_ns| {
            let judged = match left_ns {
                Some(left_ns) => {
                    *unseen = 0;
                    counters.reported.add(1);
                    window.departed(left_ns.saturating_sub(slot.deadline_ns));
                    if let Some(recorder) = &mut recorder {
                        recorder.departed(slot.deadline_ns, left_ns);
                    }
                    if slot.fate == Fate::Launched { trial.left(slot.called_ns, left_ns) } else { None }
                }
                None => {
                    *unseen += 1;
                    counters.unreported.add(1);
                    window.unreported();
                    let launched = matches!(slot.fate, Fate::Launched | Fate::LaunchedLate);
                    if launched { trial.unseen() } else { None }
                }
            };
            verdict = verdict.or(judged.filter(|_| trusts));
        });
        verdict
    }
}
