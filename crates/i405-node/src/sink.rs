//! Batches of events on their way to JavaScript: at most one in flight.
//!
//! Neon's channel is unbounded, allocates a closure and takes a lock per event. So a batch waits until the one before
//! it was taken, and only the reporter's thread comes here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use i405_rt::{Event, EventSink};
use neon::prelude::*;

use i405_bridge::tunnel::Listening;
use i405_bridge::write;

/// A tunnel's one channel, which all share. Each clone of a `Channel` would keep the event loop alive by itself until
/// it is dropped, and a clone that JavaScript holds is dropped only when the collector comes by.
#[derive(Clone)]
pub(crate) struct SharedChannel(Arc<Mutex<Channel>>);

impl SharedChannel {
    fn new(channel: Channel) -> Self {
        SharedChannel(Arc::new(Mutex::new(channel)))
    }

    fn lock(&self) -> MutexGuard<'_, Channel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listening for SharedChannel {
    fn begin(cx: &mut FunctionContext<'_>, listener: Root<JsFunction>) -> (Self, Box<dyn EventSink>) {
        let channel = SharedChannel::new(cx.channel());
        (channel.clone(), Box::new(ChannelSink::new(channel, listener)))
    }

    fn reference(&self, cx: &mut FunctionContext<'_>) {
        self.lock().reference(cx);
    }

    fn unref(&self, cx: &mut FunctionContext<'_>) {
        self.lock().unref(cx);
    }
}

/// The listener's end of a tunnel.
struct ChannelSink {
    channel: SharedChannel,
    listener: Arc<Root<JsFunction>>,
    in_flight: Arc<AtomicBool>,
}

impl ChannelSink {
    fn new(channel: SharedChannel, listener: Root<JsFunction>) -> Self {
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
        let channel = self.channel.clone();
        in_flight.store(true, Ordering::Release);
        let sent = self.channel.lock().try_send(move |mut cx| {
            in_flight.store(false, Ordering::Release);
            if last {
                channel.lock().unref(&mut cx);
            }
            match cx.try_catch(|cx| Ok(hand_over(cx, &listener, batch).is_ok())) {
                // V8 says by an exception without a value that a worker thread was ended from outside. Neon would
                // report that exception, find that no JavaScript may run any more, and abort the process.
                Err(thrown) if thrown.is_a::<JsNull, _>(&mut cx) => Ok(()),
                Err(thrown) => cx.throw(thrown),
                Ok(_) => Ok(()),
            }
        });
        // Refused when the environment is gone: a worker ended, the process exits.
        sent.is_ok()
    }
}

fn hand_over<'cx>(cx: &mut Cx<'cx>, listener: &Root<JsFunction>, batch: Vec<Event>) -> NeonResult<()> {
    let listener = listener.to_inner(cx);
    let events = write::events(cx, batch)?;
    let this = cx.undefined();
    listener.call(cx, this, [events.upcast()])?;
    Ok(())
}
