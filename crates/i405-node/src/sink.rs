//! Batches of events on their way to JavaScript: at most one in flight.
//!
//! Neon's channel is unbounded, allocates a closure and takes a lock per event; that is why a batch waits until the
//! one before it was taken, and why only the reporter's thread comes here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use i405_rt::{Event, EventSink};
use neon::prelude::*;

use crate::write;

/// The listener's end of a tunnel.
pub(crate) struct ChannelSink {
    channel: Channel,
    listener: Arc<Root<JsFunction>>,
    in_flight: Arc<AtomicBool>,
}

impl ChannelSink {
    pub(crate) fn new(channel: Channel, listener: Root<JsFunction>) -> Self {
        ChannelSink { channel, listener: Arc::new(listener), in_flight: Arc::new(AtomicBool::new(false)) }
    }
}

impl EventSink for ChannelSink {
    fn idle(&self) -> bool {
        !self.in_flight.load(Ordering::Acquire)
    }

    fn deliver(&mut self, batch: Vec<Event>) -> bool {
        let listener = Arc::clone(&self.listener);
        let in_flight = Arc::clone(&self.in_flight);
        let last = matches!(batch.last(), Some(Event::Closed));
        // A clone that outlives this thread's own, so that the event loop can be let go when the last batch is taken.
        let mut channel = self.channel.clone();
        in_flight.store(true, Ordering::Release);
        let sent = self.channel.try_send(move |mut cx| {
            in_flight.store(false, Ordering::Release);
            if last {
                channel.unref(&mut cx);
            }
            let listener = listener.to_inner(&mut cx);
            let events = write::events(&mut cx, batch)?;
            let this = cx.undefined();
            listener.call(&mut cx, this, [events.upcast()])?;
            Ok(())
        });
        // Refused when the environment is gone: a worker ended, the process exits.
        sent.is_ok()
    }
}
