//! What the receiver heard last under the newest key, for the reporter: several numbers that belong together, without a
//! lock. The writer never waits. A reader that comes in between looks again later.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use i405_proto::report::Heard;

/// Written by the thread that receives, read by the reporter.
#[derive(Debug, Default)]
pub struct HeardCell {
    /// Odd while it is written.
    version: AtomicU64,
    /// Generation and counter.
    newest: AtomicU64,
    opened: AtomicU64,
    received_ns: AtomicU64,
}

impl HeardCell {
    /// Only the one writer may.
    #[inline]
    pub fn set(&self, heard: Heard) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        let newest = u64::from(heard.generation) << 32 | u64::from(heard.newest);
        self.newest.store(newest, Ordering::Relaxed);
        self.opened.store(heard.opened.into(), Ordering::Relaxed);
        self.received_ns.store(heard.received_ns, Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// None before the first datagram, and in the middle of a write.
    pub fn get(&self) -> Option<Heard> {
        let version = self.version.load(Ordering::Acquire);
        let newest = self.newest.load(Ordering::Relaxed);
        let opened = self.opened.load(Ordering::Relaxed);
        let received_ns = self.received_ns.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let whole = version & 1 == 0 && self.version.load(Ordering::Relaxed) == version;
        let (generation, newest) = ((newest >> 32) as u32, newest as u32);
        (whole && opened > 0).then_some(Heard { generation, newest, opened: opened as u32, received_ns })
    }
}

/// The receiver's own count.
#[derive(Debug, Default)]
pub struct HeardCount(Option<Heard>);

impl HeardCount {
    /// A datagram opened. None: it was under a key that another one has replaced.
    #[inline]
    pub fn opened(&mut self, generation: u32, counter: u32, received_ns: u64) -> Option<Heard> {
        let heard = match self.0 {
            Some(heard) if generation < heard.generation => return None,
            Some(Heard { opened, newest, received_ns: before_ns, .. }) if self.is_of(generation) => {
                let is_newest = counter > newest;
                let received_ns = if is_newest { received_ns } else { before_ns };
                Heard { generation, newest: newest.max(counter), opened: opened.saturating_add(1), received_ns }
            }
            _ => Heard { generation, newest: counter, opened: 1, received_ns },
        };
        self.0 = Some(heard);
        Some(heard)
    }

    fn is_of(&self, generation: u32) -> bool {
        self.0.is_some_and(|heard| heard.generation == generation)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn the_newest_and_its_arrival_and_how_many_in_all() {
        let mut count = HeardCount::default();
        let heard = |newest, opened, received_ns| Some(Heard { generation: 3, newest, opened, received_ns });
        assert_eq!(count.opened(3, 5, 100), heard(5, 1, 100));
        assert_eq!(count.opened(3, 7, 110), heard(7, 2, 110));
        assert_eq!(count.opened(3, 6, 120), heard(7, 3, 110), "a late one is not the newest");
        assert_eq!(count.opened(2, 900, 130), None, "of a replaced key");
        assert_eq!(count.opened(4, 0, 140), Some(Heard { generation: 4, newest: 0, opened: 1, received_ns: 140 }));
    }

    #[test]
    fn numbers_that_are_read_belong_together() {
        let cell = Arc::new(HeardCell::default());
        assert_eq!(cell.get(), None);
        let writer = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                for each in 1..=200_000u32 {
                    let received_ns = u64::from(each);
                    cell.set(Heard { generation: each, newest: each, opened: each, received_ns });
                }
            })
        };
        let mut seen = 0;
        while seen < 200_000 {
            let Some(heard) = cell.get() else { continue };
            assert_eq!((heard.newest, heard.opened), (heard.generation, heard.generation));
            assert_eq!(heard.received_ns, u64::from(heard.generation));
            assert!(heard.generation >= seen);
            seen = heard.generation;
        }
        writer.join().expect("it panics nowhere");
    }
}
