//! A tunnel's functions: each reads its arguments, calls the core once, and writes the result.

use i405_proto::keys::with_clean_stack;
use i405_rt::clock::Clock;
use i405_rt::{EventSink, Tunnel};
use neon::prelude::*;
use neon::types::JsBigInt;
use neon::types::buffer::TypedArray;

use crate::read;
use crate::write;

/// How a tunnel's events get to its listener, and whether it keeps the event loop alive.
pub trait Listening: 'static {
    /// For a tunnel that is about to open: what is kept beside it, and where its events go.
    fn begin(cx: &mut FunctionContext<'_>, listener: Root<JsFunction>) -> (Self, Box<dyn EventSink>)
    where
        Self: Sized;

    /// The tunnel keeps the event loop alive from here on. Idempotent.
    fn reference(&self, cx: &mut FunctionContext<'_>);

    /// The tunnel lets the event loop end. Idempotent.
    fn unref(&self, cx: &mut FunctionContext<'_>);
}

/// What JavaScript holds of a tunnel. Collected, it closes it.
pub(crate) struct TunnelHandle {
    tunnel: Tunnel,
    listening: Box<dyn Listening>,
}

impl Finalize for TunnelHandle {}

type Boxed<'cx> = Handle<'cx, JsBox<TunnelHandle>>;

fn handle<'cx>(cx: &mut FunctionContext<'cx>) -> NeonResult<Boxed<'cx>> {
    cx.argument::<JsBox<TunnelHandle>>(0)
}

fn done<'cx>(cx: &mut FunctionContext<'cx>, result: Result<(), i405_rt::Error>) -> JsResult<'cx, JsUndefined> {
    match result {
        Ok(()) => Ok(cx.undefined()),
        Err(error) => read::throw(cx, &error),
    }
}

pub(crate) fn version(mut cx: FunctionContext<'_>) -> JsResult<'_, JsString> {
    Ok(cx.string(env!("CARGO_PKG_VERSION")))
}

pub(crate) fn aeads(mut cx: FunctionContext<'_>) -> JsResult<'_, JsNumber> {
    Ok(cx.number(i405_proto::keys::hardware_aeads()))
}

pub(crate) fn monotonic_ns<C: Clock + Default>(mut cx: FunctionContext<'_>) -> JsResult<'_, JsBigInt> {
    Ok(JsBigInt::from_u64(&mut cx, C::default().monotonic_ns()))
}

pub(crate) fn boottime_ns<C: Clock + Default>(mut cx: FunctionContext<'_>) -> JsResult<'_, JsBigInt> {
    Ok(JsBigInt::from_u64(&mut cx, C::default().boottime_ns()))
}

pub(crate) fn route_mtu(mut cx: FunctionContext<'_>) -> JsResult<'_, JsNumber> {
    let address = cx.argument::<JsString>(0)?.value(&mut cx);
    let to = read::ip_address(&mut cx, &address)?;
    let fwmark = read::argument_optional(&mut cx, 1, "fwmark")?;
    match i405_rt::route_mtu(to, fwmark.map(|mark| mark as u32)) {
        Ok(mtu) => Ok(cx.number(mtu)),
        Err(error) => read::throw(&mut cx, &error),
    }
}

pub(crate) fn open<L: Listening>(mut cx: FunctionContext<'_>) -> JsResult<'_, JsBox<TunnelHandle>> {
    with_clean_stack(|| {
        let options = cx.argument::<JsObject>(0)?;
        let config = read::open_config(&mut cx, options)?;
        let listener = cx.argument::<JsFunction>(1)?.root(&mut cx);
        let (listening, sink) = L::begin(&mut cx, listener);
        match Tunnel::open(config, sink) {
            Ok(tunnel) => Ok(cx.boxed(TunnelHandle { tunnel, listening: Box::new(listening) })),
            Err(error) => read::throw(&mut cx, &error),
        }
    })
}

pub(crate) fn local_address(mut cx: FunctionContext<'_>) -> JsResult<'_, JsString> {
    let address = handle(&mut cx)?.tunnel.local_address().to_string();
    Ok(cx.string(address))
}

pub(crate) fn device_name(mut cx: FunctionContext<'_>) -> JsResult<'_, JsValue> {
    let name = handle(&mut cx)?.tunnel.device_name().map(str::to_owned);
    Ok(match name {
        Some(name) => cx.string(name).upcast(),
        None => cx.null().upcast(),
    })
}

pub(crate) fn start_schedule<C: Clock + Default>(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    let schedule = cx.argument::<JsObject>(1)?;
    let request = read::schedule(&mut cx, schedule)?;
    done(&mut cx, handle.tunnel.start_schedule(&C::default(), request))
}

pub(crate) fn end_at(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    let instant = cx.argument::<JsValue>(1)?;
    let instant_ns = read::instant(&mut cx, instant)?;
    done(&mut cx, handle.tunnel.end_at(instant_ns))
}

pub(crate) fn offer(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    let offer = cx.argument::<JsObject>(1)?;
    let offer = read::offer(&mut cx, offer)?;
    done(&mut cx, handle.tunnel.offer(offer))
}

pub(crate) fn stop_offer(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    done(&mut cx, handle.tunnel.stop_offer())
}

pub(crate) fn expect_stamps(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    let given = cx.argument::<JsArray>(1)?.to_vec(&mut cx)?;
    let mut stamps = [None; 2];
    for (place, value) in stamps.iter_mut().zip(given) {
        *place = Some(value.downcast_or_throw::<JsNumber, _>(&mut cx)?.value(&mut cx) as u64);
    }
    done(&mut cx, handle.tunnel.expect_stamps(stamps))
}

pub(crate) fn install(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    with_clean_stack(|| {
        let handle = handle(&mut cx)?;
        let session = cx.argument::<JsObject>(1)?;
        let keys = read::session(&mut cx, session)?;
        done(&mut cx, handle.tunnel.install(keys))
    })
}

pub(crate) fn send_under(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    let generation = read::argument_u32(&mut cx, 1, "generation")?;
    let stamp = read::argument_optional(&mut cx, 2, "announceStamp")?;
    done(&mut cx, handle.tunnel.send_under(generation, stamp))
}

pub(crate) fn forget(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    let generation = read::argument_u32(&mut cx, 1, "generation")?;
    done(&mut cx, handle.tunnel.forget(generation))
}

pub(crate) fn move_endpoint(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    let endpoint = cx.argument::<JsString>(1)?.value(&mut cx);
    let endpoint = read::endpoint(&mut cx, &endpoint)?;
    done(&mut cx, handle.tunnel.move_endpoint(endpoint))
}

pub(crate) fn ask(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    let generation = read::argument_u32(&mut cx, 1, "generation")?;
    let source = cx.argument::<JsString>(2)?.value(&mut cx);
    let source = read::endpoint(&mut cx, &source)?;
    done(&mut cx, handle.tunnel.ask(generation, source))
}

pub(crate) fn handshake_sources(mut cx: FunctionContext<'_>) -> JsResult<'_, JsArray> {
    let handle = handle(&mut cx)?;
    let stamp = cx.argument::<JsNumber>(1)?.value(&mut cx);
    write::endpoints(&mut cx, &handle.tunnel.handshake_sources(stamp as u64))
}

pub(crate) fn redirect<C: Clock + Default>(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    let endpoint = cx.argument::<JsString>(1)?.value(&mut cx);
    let endpoint = read::endpoint(&mut cx, &endpoint)?;
    let datagram_length = read::argument_u32(&mut cx, 2, "datagramLength")?;
    done(&mut cx, handle.tunnel.redirect(&C::default(), endpoint, datagram_length as usize))
}

pub(crate) fn watch_silence<C: Clock + Default>(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    let timeout_ns = read::argument_optional(&mut cx, 1, "timeoutNs")?;
    handle.tunnel.watch_silence(&C::default(), timeout_ns);
    Ok(cx.undefined())
}

pub(crate) fn send_close(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    done(&mut cx, handle.tunnel.send_close())
}

pub(crate) fn repeat_control(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    let control = cx.argument::<JsValue>(1)?;
    let result = match read::control(&mut cx, control)? {
        Some(control) => handle.tunnel.repeat_control(control.kind, &control.body, control.every_ns),
        None => handle.tunnel.stop_control(),
    };
    done(&mut cx, result)
}

pub(crate) fn write_packet(mut cx: FunctionContext<'_>) -> JsResult<'_, JsBoolean> {
    let handle = handle(&mut cx)?;
    let packet = cx.argument::<JsUint8Array>(1)?;
    let taken = handle.tunnel.write(packet.as_slice(&cx));
    match taken {
        Ok(taken) => Ok(cx.boolean(taken)),
        Err(error) => read::throw(&mut cx, &error),
    }
}

pub(crate) fn stats<C: Clock + Default>(mut cx: FunctionContext<'_>) -> JsResult<'_, JsObject> {
    let handle = handle(&mut cx)?;
    write::stats(&mut cx, &C::default(), &handle.tunnel)
}

pub(crate) fn deviation(mut cx: FunctionContext<'_>) -> JsResult<'_, JsObject> {
    let handle = handle(&mut cx)?;
    let deviation = handle.tunnel.deviation();
    write::deviation(&mut cx, &deviation)
}

pub(crate) fn close(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let handle = handle(&mut cx)?;
    handle.tunnel.close();
    Ok(cx.undefined())
}

pub(crate) fn reference(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    handle(&mut cx)?.listening.reference(&mut cx);
    Ok(cx.undefined())
}

pub(crate) fn unref(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    handle(&mut cx)?.listening.unref(&mut cx);
    Ok(cx.undefined())
}
