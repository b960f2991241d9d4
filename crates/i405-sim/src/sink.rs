//! Where a simulated tunnel's events go: into a box that the world empties, instead of through a channel to another thread.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use i405_bridge::tunnel::Listening;
use i405_rt::{Event, EventSink};
use neon::prelude::*;

/// The events of one tunnel that JavaScript hasn't had yet.
#[derive(Clone, Default)]
pub struct Mailbox(Arc<Mutex<Vec<Event>>>);

thread_local! {
    static NEWEST: RefCell<Option<Mailbox>> = const { RefCell::new(None) };
}

impl Mailbox {
    /// That of the tunnel opened last.
    pub fn take_newest() -> Option<Mailbox> {
        NEWEST.with_borrow_mut(Option::take)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<Event>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.with(|events| events.is_empty())
    }

    /// All that waits.
    pub fn take(&self) -> Vec<Event> {
        self.with(std::mem::take)
    }
}

/// As the product's, one batch in flight: the next one waits until the box is empty. It keeps no event loop alive.
impl Listening for Mailbox {
    fn begin(_: &mut FunctionContext<'_>, _: Root<JsFunction>) -> (Self, Box<dyn EventSink>) {
        let mailbox = Mailbox::default();
        NEWEST.with_borrow_mut(|newest| *newest = Some(mailbox.clone()));
        (mailbox.clone(), Box::new(mailbox))
    }

    fn reference(&self, _: &mut FunctionContext<'_>) {}

    fn unref(&self, _: &mut FunctionContext<'_>) {}
}

impl EventSink for Mailbox {
    fn idle(&self) -> bool {
        self.with(|events| events.is_empty())
    }
    fn deliver(&mut self, mut batch: Vec<Event>) -> bool {
        self.with(|events| events.append(&mut batch));
        true
    }
}
