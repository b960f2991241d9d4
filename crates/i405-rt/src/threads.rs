//! Starting the threads, and what happens when one panics: the tunnel ends with an error, the process does not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use crate::breath::Breather;
use crate::burner::IdleTime;
use crate::config::{OpenConfig, PollMode};
use crate::dispatcher;
use crate::error::Error;
use crate::ingress::Ingress;
use crate::realtime::{self, Shortfalls, Throttle};
use crate::receiver;
use crate::receiving::Receiving;
use crate::sending::Sending;
use crate::shared::Shared;
use crate::spinner::Spinner;
use crate::sys::sched;

/// What the threads run.
pub struct Work {
    /// The sending half.
    pub sending: Sending,
    /// The receiving half.
    pub receiving: Receiving,
    /// With a TUN.
    pub ingress: Option<Ingress>,
}

/// Threads that run, and what setting them up could not do.
pub struct Started {
    /// All but the reporter.
    pub threads: Vec<JoinHandle<()>>,
    /// The dispatcher, to be unparked for commands.
    pub dispatcher: thread::Thread,
    /// To be told as warnings.
    pub shortfalls: Shortfalls,
    /// What the timed thread keeps to, under SCHED_FIFO.
    pub throttle: Option<Throttle>,
    /// What the timed thread tells burners.
    pub idle_time: Arc<IdleTime>,
}

/// Starts a named thread; its panic ends the tunnel.
///
/// # Errors
/// [`Error::System`] if the kernel gives no thread.
pub fn spawn(
    name: &'static str,
    shared: &Arc<Shared>,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    let shared = Arc::clone(shared);
    let body = move || {
        sched::block_signals();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            let reason = panic
                .downcast_ref::<&str>()
                .map(|reason| (*reason).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "unknown reason".to_owned());
            shared.fail(format!("the thread {name} panicked: {reason}"));
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(Error::system("start a thread"))
}

/// Starts what the poll mode needs, and waits until the timed thread is set up.
///
/// # Errors
/// [`Error::Cpu`], [`Error::SchedFifo`], [`Error::System`]; then no thread is left.
pub fn start(config: &OpenConfig, shared: &Arc<Shared>, work: Work) -> Result<Started, Error> {
    let Work { sending, receiving, ingress } = work;
    let (report, reported) = mpsc::channel();
    let (mode, fifo, cpu, finalize_ns) = (config.poll_mode, config.sched_fifo, config.cpu, config.finalize_ns);
    let mut threads = Vec::new();
    let mut others = Some((receiving, ingress));
    let spinning = if mode == PollMode::Spinny { others.take() } else { None };
    let owner = Arc::clone(shared);
    let idle_time = IdleTime::new();
    let breather = Breather::new(Arc::clone(&idle_time));
    let timed = spawn("i405-dispatch", shared, move || {
        let set_up = realtime::set_up(fifo, cpu);
        let proceed = set_up.is_ok();
        let throttle = set_up.as_ref().ok().filter(|done| done.is_fifo).map(|_| Throttle::to_keep());
        // The opener waits for this; if it is gone, so is the tunnel.
        if report.send(set_up.map(|shortfalls| (shortfalls, throttle))).is_err() || !proceed {
            return;
        }
        match spinning {
            Some((receiving, ingress)) => {
                Spinner { sending, receiving, ingress, waker: &owner.receiver, throttle, finalize_ns, breather }.run();
            }
            None => dispatcher::run(sending, mode, finalize_ns, throttle, breather),
        }
    })?;
    let dispatcher = timed.thread().clone();
    let set_up = reported.recv().map_err(|_| Error::Closed)?;
    let (shortfalls, throttle) = match set_up {
        Ok(done) => done,
        Err(error) => {
            let _ = timed.join();
            return Err(error);
        }
    };
    threads.push(timed);
    if let Some((receiving, ingress)) = others {
        let owner = Arc::clone(shared);
        threads.push(spawn("i405-receive", shared, move || receiver::run(receiving, &owner.receiver))?);
        if let Some(ingress) = ingress {
            let owner = Arc::clone(shared);
            threads.push(spawn("i405-ingress", shared, move || receiver::run_ingress(ingress, &owner.ingress))?);
        }
    }
    Ok(Started { threads, dispatcher, shortfalls, throttle, idle_time })
}
