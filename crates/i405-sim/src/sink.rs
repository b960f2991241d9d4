//! Where a simulated tunnel's events go: into a box that the world empties, instead of through a channel to another thread.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

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

/// In the place of the product's channel, which a simulation has no use for.
#[derive(Clone)]
pub(crate) struct SharedChannel;

impl SharedChannel {
    pub(crate) fn new(_: Channel) -> Self {
        SharedChannel
    }
    pub(crate) fn reference<'cx>(&self, _: &mut impl Context<'cx>) {}
    pub(crate) fn unref<'cx>(&self, _: &mut impl Context<'cx>) {}
}

/// As the product's, one batch in flight: the next one waits until the box is empty.
pub(crate) struct ChannelSink(Mailbox);

impl ChannelSink {
    pub(crate) fn new(_: SharedChannel, _: Root<JsFunction>) -> Self {
        let mailbox = Mailbox::default();
        NEWEST.with_borrow_mut(|newest| *newest = Some(mailbox.clone()));
        ChannelSink(mailbox)
    }
}

impl EventSink for ChannelSink {
    fn idle(&self) -> bool {
        self.0.is_empty()
    }
    fn deliver(&mut self, mut batch: Vec<Event>) -> bool {
        self.0.with(|events| events.append(&mut batch));
        true
    }
}
