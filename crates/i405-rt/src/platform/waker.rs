//! Waking a thread that waits for descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use crate::platform::clock::timespec;
use crate::platform::error::Error;

/// An eventfd and whether the thread that waits on it is to end.
#[derive(Debug)]
pub struct Waker {
    fd: OwnedFd,
    stopped: AtomicBool,
}

impl Waker {
    /// Not woken, not stopped.
    ///
    /// # Errors
    /// [`Error::System`] when out of descriptors.
    pub fn new() -> Result<Self, Error> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| Error::system("create an eventfd")(errno.into()))?;
        Ok(Waker { fd, stopped: AtomicBool::new(false) })
    }

    /// Ends the thread's wait.
    pub fn wake(&self) {
        // EAGAIN: the counter is at its maximum, so the thread is woken anyhow.
        let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the thread is to end.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Waits until one of the descriptors is readable, or the waker is woken, or the time is up. False: a descriptor
    /// has an error, and further waiting for it would return at once. An error is, for one, that the interface behind
    /// the descriptor was deleted, or that a socket's error queue holds something.
    pub fn wait(&self, descriptors: &[BorrowedFd<'_>], timeout_ns: Option<u64>) -> bool {
        const MOST: usize = 2;
        let own = self.fd.as_fd();
        let mut polled: [PollFd<'_>; MOST + 1] = std::array::from_fn(|_| PollFd::from_borrowed_fd(own, PollFlags::IN));
        for (entry, descriptor) in polled[1..].iter_mut().zip(descriptors) {
            *entry = PollFd::from_borrowed_fd(*descriptor, PollFlags::IN);
        }
        let timeout = timeout_ns.map(timespec);
        let used = &mut polled[..=descriptors.len().min(MOST)];
        if poll(used, timeout.as_ref()).is_err() {
            return true;
        }
        if used[0].revents().contains(PollFlags::IN) {
            let mut count = [0; 8];
            let _ = rustix::io::read(&self.fd, &mut count);
        }
        !used[1..].iter().any(|entry| {
            entry.revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
                && !entry.revents().contains(PollFlags::IN)
        })
    }
}
