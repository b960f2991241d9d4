//! Starting the threads, and what happens when one panics: the tunnel ends with an error, the process does not.

use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use rustix::process::Pid;

use crate::platform::config::{OpenConfig, PollMode};
use crate::platform::error::Error;
use crate::platform::panicking::caught;
use crate::realtime::breath::Breather;
use crate::realtime::burner::IdleTime;
use crate::realtime::timed_thread::{self, Shortfalls, Throttle};
use crate::receive::ingress::Ingress;
use crate::receive::receiver;
use crate::receive::receiving::Receiving;
use crate::report::reporter::Reporter;
use crate::report::shared::Shared;
use crate::send::hedged::HedgedSlots;
use crate::send::sending::Sending;
use crate::send::slots::Slots;
use crate::tunnel::dispatcher;
use crate::tunnel::spinner::Spinner;
use i405_sys::sched;

/// Who dispatches.
pub enum Dispatch {
    /// One thread.
    Alone(Box<Sending>),
    /// Two, of which one sends each slot.
    Hedged(Box<[HedgedSlots; 2]>),
}

/// What the threads run.
pub struct Work {
    /// The sending half.
    pub sending: Dispatch,
    /// The receiving half.
    pub receiving: Receiving,
    /// With a TUN.
    pub ingress: Option<Ingress>,
}

/// Threads that run, and what setting them up could not do.
#[derive(Default)]
pub struct Started {
    /// Where the reporter is handed to its thread, which does nothing before.
    pub reporter: Option<mpsc::Sender<Reporter>>,
    /// All but the reporter's.
    pub threads: Vec<JoinHandle<()>>,
    /// The dispatchers, to be unparked for commands.
    pub dispatchers: Vec<thread::Thread>,
    /// To be told as warnings.
    pub shortfalls: Shortfalls,
    /// What the timed thread keeps to, under SCHED_FIFO.
    pub throttle: Option<Throttle>,
    /// The dispatchers' threads, for burners.
    pub timed: Vec<Timed>,
}

/// What the first timed thread runs.
type FirstWork = Box<dyn FnOnce(Option<Throttle>, Breather) + Send>;

/// Starts a named thread; its panic ends the tunnel.
///
/// # Errors
/// [`Error::System`] if the kernel gives no thread.
pub fn spawn(
    name: &'static str,
    shared: &Arc<Shared>,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    // Nothing of the tunnel hangs on when a thread's last instructions run: the reporter says that all is released.
    let shared = Arc::downgrade(shared);
    let body = move || {
        sched::block_signals();
        if let Err(reason) = caught(work)
            && let Some(shared) = shared.upgrade()
        {
            shared.fail(format!("the thread {name} panicked: {reason}"));
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(Error::system("start a thread"))
}

/// A timed thread that runs: what burners need to know of it.
pub struct Timed {
    /// Its id.
    pub tid: Option<Pid>,
    /// Its core, if it is pinned.
    pub pinned: Option<usize>,
    /// What it tells burners.
    pub idle_time: Arc<IdleTime>,
}

/// What a timed thread says once it is set up.
type SetUp = Result<(Shortfalls, Option<Throttle>), Error>;

/// A timed thread, set up.
struct SetUpThread {
    thread: JoinHandle<()>,
    timed: Timed,
    shortfalls: Shortfalls,
    throttle: Option<Throttle>,
}

/// Starts a timed thread and waits until it is set up.
fn spawn_timed(
    name: &'static str,
    config: &OpenConfig,
    cpu: Option<usize>,
    shared: &Arc<Shared>,
    work: impl FnOnce(Option<Throttle>, Breather) + Send + 'static,
) -> Result<SetUpThread, Error> {
    let (report, reported) = mpsc::channel::<SetUp>();
    let fifo = config.sched_fifo;
    let idle_time = IdleTime::new();
    let breather = Breather::new(Arc::clone(&idle_time));
    let thread = spawn(name, shared, move || {
        let set_up = timed_thread::set_up(fifo, cpu);
        let proceed = set_up.is_ok();
        let throttle = set_up.as_ref().ok().filter(|done| done.is_fifo).map(|_| Throttle::to_keep());
        // The opener waits for this; if it is gone, so is the tunnel.
        if report.send(set_up.map(|shortfalls| (shortfalls, throttle))).is_ok() && proceed {
            work(throttle, breather);
        }
    })?;
    match reported.recv().map_err(|_| Error::Closed)? {
        Ok((shortfalls, throttle)) => {
            let timed = Timed { tid: shortfalls.tid, pinned: cpu, idle_time };
            Ok(SetUpThread { thread, timed, shortfalls, throttle })
        }
        Err(error) => {
            let _ = thread.join();
            Err(error)
        }
    }
}

/// Starts what the poll mode needs, and waits until the timed threads are set up.
///
/// # Errors
/// [`Error::Cpu`], [`Error::Cores`], [`Error::SchedFifo`], [`Error::System`]; then no thread is left.
pub fn start(config: &OpenConfig, shared: &Arc<Shared>, work: Work) -> Result<Started, Error> {
    // The reporter's thread ends all others. So it comes first: without it there are none.
    let (reporter, handed_over) = mpsc::channel::<Reporter>();
    let reporting = spawn("i405-report", shared, move || handed_over.into_iter().for_each(Reporter::run))?;
    match start_others(config, shared, work) {
        Ok(started) => Ok(Started { reporter: Some(reporter), ..started }),
        Err(error) => {
            drop(reporter);
            let _ = reporting.join();
            Err(error)
        }
    }
}

fn start_others(config: &OpenConfig, shared: &Arc<Shared>, work: Work) -> Result<Started, Error> {
    let Work { sending, receiving, ingress } = work;
    let cpus = timed_thread::cores(&config.cpus, config.dispatchers)?;
    let (mode, finalize_ns) = (config.poll_mode, config.finalize_ns);
    let mut others = Some((receiving, ingress));
    let spinning = if mode == PollMode::Spinny { others.take() } else { None };
    let owner = Arc::clone(shared);
    let mut hedge = None;
    let first = match sending {
        Dispatch::Alone(slots) => first_dispatcher(*slots, spinning, owner, mode, finalize_ns),
        Dispatch::Hedged(both) => {
            let [slots, second] = *both;
            hedge = Some(second);
            first_dispatcher(slots, spinning, owner, mode, finalize_ns)
        }
    };
    let SetUpThread { thread, timed, shortfalls, throttle } =
        spawn_timed("i405-dispatch", config, cpus.first().copied(), shared, first)?;
    let (mut threads, mut timed) = (vec![thread], vec![timed]);
    if let Some(slots) = hedge {
        // Beside a spinner the second one need not poll anything: it only keeps deadlines.
        let mode = if mode == PollMode::Spinny { PollMode::Dozy } else { mode };
        let run = move |throttle, breather| dispatcher::run(slots, mode, finalize_ns, throttle, breather);
        match spawn_timed("i405-hedge", config, cpus.get(1).copied(), shared, run) {
            Ok(second) => {
                threads.push(second.thread);
                timed.push(second.timed);
            }
            Err(error) => {
                shared.end_threads(threads);
                return Err(error);
            }
        }
    }
    let dispatchers = threads.iter().map(|thread| thread.thread().clone()).collect();
    if let Some((receiving, ingress)) = others
        && let Err(error) = start_waiting(receiving, ingress, shared, &mut threads)
    {
        shared.end_threads(threads);
        return Err(error);
    }
    Ok(Started { reporter: None, threads, dispatchers, timed, shortfalls, throttle })
}

/// Starts the threads that wait for input.
fn start_waiting(
    receiving: Receiving,
    ingress: Option<Ingress>,
    shared: &Arc<Shared>,
    threads: &mut Vec<JoinHandle<()>>,
) -> Result<(), Error> {
    let owner = Arc::clone(shared);
    threads.push(spawn("i405-receive", shared, move || receiver::run(receiving, &owner.receiver, &owner.closing))?);
    if let Some(ingress) = ingress {
        let owner = Arc::clone(shared);
        threads.push(spawn("i405-ingress", shared, move || receiver::run_ingress(ingress, &owner.ingress))?);
    }
    Ok(())
}

/// What the first timed thread runs: the spinner with everything, or slots alone.
fn first_dispatcher(
    slots: impl Slots + Send + 'static,
    spinning: Option<(Receiving, Option<Ingress>)>,
    owner: Arc<Shared>,
    mode: PollMode,
    finalize_ns: Option<u64>,
) -> FirstWork {
    match spinning {
        Some((receiving, ingress)) => Box::new(move |throttle, breather| {
            Spinner { slots, receiving, ingress, waker: &owner.receiver, throttle, finalize_ns, breather }.run();
        }),
        None => Box::new(move |throttle, breather| dispatcher::run(slots, mode, finalize_ns, throttle, breather)),
    }
}
