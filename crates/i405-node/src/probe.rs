//! What the doctor measures. A thread of its own waits for each measurement, so that the event loop goes on. Node's
//! worker pool would do as well, but a process that ends waits for its pool, half a minute for a long stretch.

use std::thread;

use i405_probe::{EgressRequest, EgressResult, LatenessRequest, LatenessResult, Losses, Summary};
use i405_rt::Error;
use neon::prelude::*;

use i405_bridge::{field, read};

pub(crate) fn permissions(mut cx: FunctionContext<'_>) -> JsResult<'_, JsObject> {
    let permissions = settle(&mut cx, i405_probe::permissions())?;
    let errno = |refusal: Option<std::io::Error>| refusal.and_then(|refusal| refusal.raw_os_error()).unwrap_or(0);
    let to = cx.empty_object();
    field::set_number(&mut cx, to, "fifoErrno", errno(permissions.fifo).into())?;
    field::set_number(&mut cx, to, "memoryErrno", errno(permissions.memory).into())?;
    Ok(to)
}

pub(crate) fn clock(mut cx: FunctionContext<'_>) -> JsResult<'_, JsObject> {
    let correction = settle(&mut cx, i405_probe::clock_correction())?;
    let to = cx.empty_object();
    field::set_number(&mut cx, to, "frequencyPpm", correction.frequency_ppm)?;
    field::set_number(&mut cx, to, "tickUs", correction.tick_us as f64)?;
    field::set_number(&mut cx, to, "status", correction.status.into())?;
    Ok(to)
}

pub(crate) fn kernel_spin(mut cx: FunctionContext<'_>) -> JsResult<'_, JsValue> {
    let Some(refused) = i405_probe::kernel_spin() else { return Ok(cx.null().upcast()) };
    let to = cx.empty_object();
    for (name, text) in [("reason", refused.reason), ("remedy", refused.remedy)] {
        let value = cx.string(text);
        to.set(&mut cx, name, value)?;
    }
    Ok(to.upcast())
}

pub(crate) fn lateness(mut cx: FunctionContext<'_>) -> JsResult<'_, JsPromise> {
    let from = cx.argument::<JsObject>(0)?;
    let request = LatenessRequest {
        cpu: read::optional_number(&mut cx, from, "cpu")?.map(read::as_usize),
        interval_ns: read::number(&mut cx, from, "intervalNs")?,
        slots: read::number(&mut cx, from, "slots")?,
        margin_ns: read::optional_number(&mut cx, from, "marginNs")?,
        burner: read::burner(&mut cx, from)?,
    };
    later(
        &mut cx,
        DOCTOR,
        move || i405_probe::lateness(request),
        |mut cx, result| {
            let LatenessResult { wake_up, call, missed, is_fifo } = settle(&mut cx, result)?;
            let to = cx.empty_object();
            for (name, figures) in [("wakeUp", &wake_up), ("call", &call)] {
                let value = summary(&mut cx, figures)?;
                to.set(&mut cx, name, value)?;
            }
            field::set_number(&mut cx, to, "missed", missed as f64)?;
            set_switch(&mut cx, to, "isFifo", is_fifo)?;
            Ok(to)
        },
    )
}

pub(crate) fn losses(mut cx: FunctionContext<'_>) -> JsResult<'_, JsPromise> {
    let from = cx.argument::<JsObject>(0)?;
    let cpu = read::optional_number(&mut cx, from, "cpu")?.map(read::as_usize);
    let duration_ns = read::number(&mut cx, from, "durationNs")?;
    later(
        &mut cx,
        DOCTOR,
        move || i405_probe::losses(cpu, duration_ns),
        |mut cx, result| {
            let Losses { wanted_ns, lost_ns, gaps, longest_ns, is_fifo } = settle(&mut cx, result)?;
            let to = cx.empty_object();
            for (name, value) in
                [("wantedNs", wanted_ns), ("lostNs", lost_ns), ("gaps", gaps), ("longestNs", longest_ns)]
            {
                field::set_number(&mut cx, to, name, value as f64)?;
            }
            set_switch(&mut cx, to, "isFifo", is_fifo)?;
            Ok(to)
        },
    )
}

pub(crate) fn egress(mut cx: FunctionContext<'_>) -> JsResult<'_, JsPromise> {
    let from = cx.argument::<JsObject>(0)?;
    let to = from.get::<JsString, _, _>(&mut cx, "to")?.value(&mut cx);
    let request = EgressRequest {
        to: read::address(&mut cx, &to)?,
        cpu: read::optional_number(&mut cx, from, "cpu")?.map(read::as_usize),
        interval_ns: read::number(&mut cx, from, "intervalNs")?,
        slots: read::number(&mut cx, from, "slots")?,
        flow: from.get::<JsBoolean, _, _>(&mut cx, "flow")?.value(&mut cx),
    };
    later(
        &mut cx,
        DOCTOR,
        move || i405_probe::egress(request),
        |mut cx, result| {
            let EgressResult { delay, sent, flow_bytes } = settle(&mut cx, result)?;
            let to = cx.empty_object();
            let value = summary(&mut cx, &delay)?;
            to.set(&mut cx, "delay", value)?;
            field::set_number(&mut cx, to, "sent", sent as f64)?;
            field::set_number(&mut cx, to, "flowBytes", flow_bytes as f64)?;
            Ok(to)
        },
    )
}

/// Name of a measurement's thread.
const DOCTOR: &str = "i405-doctor";

/// A promise of what `work` comes to on a thread of its own, `name`, written by `write`.
pub(crate) fn later<'cx, T: Send + 'static, V: Value>(
    cx: &mut FunctionContext<'cx>,
    name: &str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    write: impl for<'a> FnOnce(Cx<'a>, Result<T, Error>) -> JsResult<'a, V> + Send + 'static,
) -> JsResult<'cx, JsPromise> {
    let channel = cx.channel();
    let (deferred, promise) = cx.promise();
    let body = move || {
        let result = work();
        // Refused when the environment is gone: then nobody waits for it.
        let _ = deferred.try_settle_with(&channel, move |cx| write(cx, result));
    };
    match thread::Builder::new().name(name.to_owned()).spawn(body) {
        Ok(_) => Ok(promise),
        Err(source) => read::throw(cx, &Error::System { what: "start a thread", source }),
    }
}

pub(crate) fn settle<'cx, T>(cx: &mut impl Context<'cx>, result: Result<T, Error>) -> NeonResult<T> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => read::throw(cx, &error),
    }
}

fn set_switch<'cx>(cx: &mut impl Context<'cx>, to: Handle<'cx, JsObject>, name: &str, value: bool) -> NeonResult<()> {
    let value = cx.boolean(value);
    to.set(cx, name, value)?;
    Ok(())
}

fn summary<'cx>(cx: &mut impl Context<'cx>, from: &Summary) -> JsResult<'cx, JsObject> {
    let to = cx.empty_object();
    for (name, value) in [
        ("count", from.count as f64),
        ("meanNs", from.mean_ns),
        ("stddevNs", from.stddev_ns),
        ("stddevTrimmedNs", from.stddev_trimmed_ns),
        ("p50Ns", from.p50_ns as f64),
        ("p90Ns", from.p90_ns as f64),
        ("p99Ns", from.p99_ns as f64),
        ("p999Ns", from.p999_ns as f64),
        ("maxNs", from.max_ns as f64),
    ] {
        field::set_number(cx, to, name, value)?;
    }
    Ok(to)
}
