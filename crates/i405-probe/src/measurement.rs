//! What measurements of slots have in common: a thread of their own, and bounds.

use std::io;
use std::thread;

use i405_rt::Error;
use i405_rt::clock::SECOND_NS;
use i405_sys::sched;

/// From set-up to the first deadline, 5 ms: longer than any set-up takes.
pub(crate) const LEAD_NS: u64 = 5_000_000;
/// Most slots of one measurement: their lateness is kept, 16 bytes each.
pub(crate) const MOST_SLOTS: u64 = 1_000_000;
/// Shortest interval, 10 us, as the protocol has it; longest 1 s.
pub(crate) const INTERVAL_NS: std::ops::RangeInclusive<u64> = 10_000..=SECOND_NS;

/// Runs `work` as a measurement: on a thread without signals; returns once it is done.
pub(crate) fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let body = move || {
        sched::block_signals();
        work()
    };
    let thread =
        thread::Builder::new().name("i405-probe".to_owned()).spawn(body).map_err(Error::system("start a thread"))?;
    let panicked = |_| Error::System { what: "finish a probe", source: io::Error::other("its thread panicked") };
    thread.join().map_err(panicked)?
}
