//! Requests at random times and the time until each is answered, whatever carries them.

use std::io;
use std::os::fd::BorrowedFd;

use i405_random::Random;
use rustix::event::{PollFd, PollFlags, poll};

use crate::clock::{NS_PER_S, millis, monotonic_ns, realtime_ns, timespec};
use crate::endpoint::{is_idle, is_refusal};
use crate::json::Line;
use crate::program::stopped;
use crate::summary::Summary;
use crate::{args::Args, args::Failure};

/// An answer as a transport reads it.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// To this request, at this CLOCK_REALTIME.
    To(u32, u64),
    /// Bytes came back changed.
    Corrupt,
    /// Something else.
    Unrelated,
}

/// What carries requests and answers. Numbers fit into 16 bits.
pub trait Transport {
    /// Sends a request.
    fn send(&mut self, number: u32) -> io::Result<()>;
    /// Reads one answer without waiting.
    fn receive(&mut self) -> io::Result<Answer>;
    /// To wait on.
    fn socket(&self) -> BorrowedFd<'_>;
}

/// How many requests, and when.
#[derive(Debug)]
pub struct Plan {
    count: u32,
    mean_gap_ns: u64,
    timeout_ns: u64,
    list: bool,
    random: Random,
}

impl Plan {
    /// Most requests of one run: their numbers have 16 bits in ICMP.
    const MOST: u32 = 65_535;

    /// `--count`, `--mean-ms`, `--timeout-ms`, `--seed`, `--list` for every single time.
    pub fn from_args(args: &mut Args) -> Result<Self, Failure> {
        let count = args.or("count", 100)?;
        if count == 0 || count > Self::MOST {
            return Err(format!("--count {count}: 1 to {} are possible", Self::MOST).into());
        }
        Ok(Self {
            count,
            mean_gap_ns: millis(args.or("mean-ms", 20.0)?),
            timeout_ns: millis(args.or("timeout-ms", 2000.0)?),
            list: args.switch("list")?,
            // Without a seed two runs ask at different times.
            random: Random::new(args.value("seed")?.unwrap_or_else(realtime_ns)),
        })
    }

    /// Half to one and a half times the mean, so that no phase of a schedule is preferred.
    fn gap_ns(&mut self) -> u64 {
        self.mean_gap_ns / 2 + self.random.below(self.mean_gap_ns + 1)
    }
}

/// Runs the plan and prints `done`.
pub fn run(mut transport: impl Transport, mut plan: Plan) -> Result<(), Failure> {
    let mut sent_at: Vec<u64> = Vec::with_capacity(plan.count as usize);
    let mut times_ns: Vec<Option<u64>> = vec![None; plan.count as usize];
    let (mut duplicates, mut corrupt, mut refused) = (0_u64, 0_u64, 0_u64);
    let mut next_ns = monotonic_ns() + plan.gap_ns();
    let mut answered = 0;
    while answered < plan.count && !stopped() {
        let now = monotonic_ns();
        if now >= next_ns {
            if sent_at.len() == plan.count as usize {
                break;
            }
            sent_at.push(realtime_ns());
            match transport.send(sent_at.len() as u32 - 1) {
                Err(error) if is_refusal(&error) || is_idle(&error) => refused += 1,
                other => other?,
            }
            let last = sent_at.len() == plan.count as usize;
            next_ns = now + if last { plan.timeout_ns } else { plan.gap_ns() };
        }
        wait(&transport, next_ns)?;
        loop {
            match transport.receive() {
                Ok(Answer::To(number, time_ns)) => {
                    let (Some(&sent), Some(slot)) = (sent_at.get(number as usize), times_ns.get_mut(number as usize))
                    else {
                        continue;
                    };
                    if slot.replace(time_ns.saturating_sub(sent)).is_some() {
                        duplicates += 1;
                    } else {
                        answered += 1;
                    }
                }
                Ok(Answer::Corrupt) => corrupt += 1,
                Ok(Answer::Unrelated) => {}
                Err(error) if is_idle(&error) => break,
                Err(error) if is_refusal(&error) => refused += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
    let mut known: Vec<u64> = times_ns.iter().flatten().copied().collect();
    let mut line = Line::event("done")
        .plain("sent", sent_at.len())
        .plain("received", known.len())
        .plain("lost", sent_at.len() - known.len())
        .plain("duplicates", duplicates)
        .plain("corrupt", corrupt)
        .plain("refused", refused);
    if plan.list {
        line = line.list("rttsUs", known.iter().map(|&ns| ns as f64 / 1e3));
    }
    line.summary("rttUs", &Summary::of(&mut known)).print();
    Ok(())
}

/// Until something can be read or the instant is there.
fn wait(transport: &impl Transport, until_ns: u64) -> io::Result<()> {
    let socket = transport.socket();
    let mut watched = [PollFd::new(&socket, PollFlags::IN)];
    let left_ns = until_ns.saturating_sub(monotonic_ns()).min(NS_PER_S);
    match poll(&mut watched, Some(&timespec(left_ns))) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
