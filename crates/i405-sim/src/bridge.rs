//! The simulation's own functions for JavaScript: begin, go on, note what the machines command, end.

use std::cell::RefCell;

use i405_bridge::{field, read, write};
use i405_random::Random;
use i405_rt::simulation;
use neon::prelude::*;
use neon::types::JsBigInt;

use crate::orders::Asked;
use crate::plant::Plant;
use crate::settings::{CLIENT, Load, Path, SERVER, Settings, Waking};
use crate::sink::Mailbox;
use crate::world::{Entry, Noted, World};

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

fn with_world<'cx, T>(cx: &mut impl Context<'cx>, act: impl FnOnce(&mut World) -> Result<T, String>) -> NeonResult<T> {
    let result = WORLD.with_borrow_mut(|world| match world {
        Some(world) => act(world),
        None => Err("no simulation runs".to_owned()),
    });
    result.or_else(|what| cx.throw_error(what))
}

fn end_argument(cx: &mut FunctionContext<'_>) -> NeonResult<usize> {
    match cx.argument::<JsString>(0)?.value(cx).as_str() {
        "client" => Ok(CLIENT),
        "server" => Ok(SERVER),
        other => cx.throw_error(format!("expected \"client\" or \"server\", got \"{other}\"")),
    }
}

pub(crate) fn begin(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let from = cx.argument::<JsObject>(0)?;
    let flag = |cx: &mut FunctionContext<'_>, name: &str| -> NeonResult<bool> {
        Ok(from.get::<JsBoolean, _, _>(cx, name)?.value(cx))
    };
    let plant = from.get::<JsString, _, _>(&mut cx, "plant")?.value(&mut cx);
    let Some(plant) = Plant::from_name(&plant) else { return cx.throw_error(format!("no mistake is named {plant}")) };
    let load = from.get::<JsString, _, _>(&mut cx, "load")?.value(&mut cx);
    let load = match load.as_str() {
        "usual" => Load::Usual,
        "nothing" => Load::Nothing,
        "full" => Load::Full,
        other => return cx.throw_error(format!("no load is named {other}")),
    };
    let waking = from.get::<JsString, _, _>(&mut cx, "waking")?.value(&mut cx);
    let waking = match waking.as_str() {
        "usual" => Waking::Usual,
        "punctual" => Waking::Punctual,
        "late" => Waking::Late,
        other => return cx.throw_error(format!("nobody wakes up {other}")),
    };
    let path = from.get::<JsString, _, _>(&mut cx, "path")?.value(&mut cx);
    let path = match path.as_str() {
        "wide" => Path::Wide,
        "drawn" => Path::Drawn,
        "narrow" => Path::Narrow,
        "widens" => Path::Widens,
        other => return cx.throw_error(format!("no path is named {other}")),
    };
    let settings = Settings {
        seed: read::number(&mut cx, from, "seed")?,
        duration_ns: read::number(&mut cx, from, "durationNs")?,
        faults: flag(&mut cx, "faults")?,
        bound_ns: read::number(&mut cx, from, "boundNs")?,
        narrow_bound_ns: read::number(&mut cx, from, "narrowBoundNs")?,
        attempt_ns: read::number(&mut cx, from, "attemptNs")?,
        path,
        automatic: flag(&mut cx, "automatic")?,
        unconfirmed_ns: read::number(&mut cx, from, "unconfirmedNs")?,
        state_files: flag(&mut cx, "stateFiles")?,
        own_start: flag(&mut cx, "ownStart")?,
        load,
        waking,
        plant,
    };
    let mut seed = [0; 32];
    Random::stream(settings.seed, "entropy").fill(&mut seed);
    simulation::begin(seed);
    WORLD.with_borrow_mut(|world| *world = Some(World::new(settings)));
    Ok(cx.undefined())
}

pub(crate) fn enter(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let end = end_argument(&mut cx)?;
    with_world(&mut cx, |world| {
        world.enter(end);
        Ok(())
    })?;
    Ok(cx.undefined())
}

/// The tunnel that was just opened, with these options, is this end's.
pub(crate) fn adopt(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let end = end_argument(&mut cx)?;
    let options = cx.argument::<JsObject>(1)?;
    let config = read::open_config(&mut cx, options)?;
    with_world(&mut cx, |world| {
        let (Some(unmanned), Some(mailbox)) = (simulation::take_opened(), Mailbox::take_newest()) else {
            return Err("no tunnel was opened".to_owned());
        };
        world.note_pairing(end, &config.pairing);
        world.adopt(end, unmanned, mailbox);
        Ok(())
    })?;
    Ok(cx.undefined())
}

/// World time, which no end knows.
pub(crate) fn now_ns(mut cx: FunctionContext<'_>) -> JsResult<'_, JsNumber> {
    let now_ns = with_world(&mut cx, |world| Ok(world.now_ns()))?;
    Ok(cx.number(now_ns as f64))
}

pub(crate) fn wall_ms(mut cx: FunctionContext<'_>) -> JsResult<'_, JsNumber> {
    let end = end_argument(&mut cx)?;
    let wall_ms = with_world(&mut cx, |world| Ok(world.wall_ms(end)))?;
    Ok(cx.number(wall_ms as f64))
}

pub(crate) fn note_schedule(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let end = end_argument(&mut cx)?;
    let schedule = cx.argument::<JsObject>(1)?;
    let asked = Asked {
        length: read::number(&mut cx, schedule, "datagramLength")? as usize,
        interval_ns: read::number(&mut cx, schedule, "intervalNs")?,
        jitter_ns: read::number(&mut cx, schedule, "jitterNs")?,
    };
    let first: Handle<'_, JsValue> = schedule.get(&mut cx, "firstDeadlineNs")?;
    let first_ns = read::instant(&mut cx, first)?;
    with_world(&mut cx, |world| world.note_schedule(end, asked, first_ns))?;
    Ok(cx.undefined())
}

pub(crate) fn note_redirect(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let end = end_argument(&mut cx)?;
    let length = read::argument_u32(&mut cx, 1, "datagramLength")? as usize;
    with_world(&mut cx, |world| world.note_redirect(end, length))?;
    Ok(cx.undefined())
}

pub(crate) fn note_wire(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let mut configured = [0; 2];
    for (place, length) in configured.iter_mut().enumerate() {
        *length = read::argument_u32(&mut cx, place, ["up", "down"][place])? as usize;
    }
    with_world(&mut cx, |world| {
        world.note_wire(configured);
        Ok(())
    })?;
    Ok(cx.undefined())
}

/// The process of an end is over; another one is started after this time, ns.
pub(crate) fn start_later(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let end = end_argument(&mut cx)?;
    let down_ns = cx.argument::<JsNumber>(1)?.value(&mut cx) as u64;
    with_world(&mut cx, |world| {
        world.start_later(end, down_ns);
        Ok(())
    })?;
    Ok(cx.undefined())
}

pub(crate) fn note_session(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let end = end_argument(&mut cx)?;
    let session = cx.argument::<JsObject>(1)?;
    let keys = read::session(&mut cx, session)?;
    with_world(&mut cx, |world| world.note_session(end, &keys))?;
    Ok(cx.undefined())
}

pub(crate) fn note_stamp(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let stamp = cx.argument::<JsNumber>(0)?.value(&mut cx) as u64;
    with_world(&mut cx, |world| {
        world.note_stamp(stamp);
        Ok(())
    })?;
    Ok(cx.undefined())
}

pub(crate) fn note_connected(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let end = end_argument(&mut cx)?;
    with_world(&mut cx, |world| {
        world.note_connected(end);
        Ok(())
    })?;
    Ok(cx.undefined())
}

pub(crate) fn note_disconnected(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let end = end_argument(&mut cx)?;
    let reason = cx.argument::<JsString>(1)?.value(&mut cx);
    with_world(&mut cx, |world| world.note_disconnected(end, &reason))?;
    Ok(cx.undefined())
}

/// An end's slots, three numbers each: which deadline of its process, when, and the datagram's length.
pub(crate) fn timetable(mut cx: FunctionContext<'_>) -> JsResult<'_, JsFloat64Array> {
    let end = end_argument(&mut cx)?;
    let slots = with_world(&mut cx, |world| {
        let numbers = |noted: &Noted| [noted.number, noted.deadline_ns, noted.length].map(|number| number as f64);
        Ok(world.timetable(end).iter().flat_map(numbers).collect::<Vec<_>>())
    })?;
    JsFloat64Array::from_slice(&mut cx, &slots)
}

/// Goes on until JavaScript has something to do: `{ kind, end, events }`.
pub(crate) fn run(mut cx: FunctionContext<'_>) -> JsResult<'_, JsObject> {
    let mut timers = [None; 2];
    for (place, timer) in timers.iter_mut().enumerate() {
        let value = cx.argument::<JsValue>(place)?;
        *timer = read::instant(&mut cx, value)?;
    }
    let entry = with_world(&mut cx, |world| world.run(timers))?;
    let to = cx.empty_object();
    let (kind, end, events) = match entry {
        Entry::Events(end, events) => ("events", Some(end), Some(events)),
        Entry::Timer(end) => ("timer", Some(end), None),
        Entry::Killed(end) => ("killed", Some(end), None),
        Entry::Started(end) => ("started", Some(end), None),
        Entry::Over => ("over", None, None),
    };
    let kind = cx.string(kind);
    to.set(&mut cx, "kind", kind)?;
    if let Some(end) = end {
        let end = cx.string(["client", "server"][end]);
        to.set(&mut cx, "end", end)?;
    }
    if let Some(events) = events {
        let events = write::events(&mut cx, events)?;
        to.set(&mut cx, "events", events)?;
    }
    Ok(to)
}

/// The thread is as before; what the run did.
pub(crate) fn end(mut cx: FunctionContext<'_>) -> JsResult<'_, JsObject> {
    let world = WORLD.with_borrow_mut(Option::take);
    let to = cx.empty_object();
    if let Some(world) = world {
        let figures = world.figures();
        let (delivered, sights) = (world.delivered(), world.sights());
        for (name, value) in [
            ("slots", figures.slots),
            ("missed", figures.missed),
            ("deeds", figures.deeds),
            ("restarts", figures.restarts),
            ("moves", figures.moves),
            ("forged", figures.forged),
            ("astray", figures.astray),
            ("tooLong", figures.too_long),
            ("downs", figures.downs),
            ("ups", figures.ups),
            ("descents", figures.descents),
            ("climbs", figures.climbs),
            ("connections", figures.connections),
            ("heals", figures.heals),
            ("slowestHealNs", figures.slowest_heal_ns),
            ("packetsUp", delivered[0]),
            ("packetsDown", delivered[1]),
            ("data", sights[0]),
            ("handshake", sights[1]),
            ("cover", sights[2]),
        ] {
            field::set_number(&mut cx, to, name, value as f64)?;
        }
        let digest = JsBigInt::from_u64(&mut cx, figures.digest);
        to.set(&mut cx, "digest", digest)?;
        drop(world);
    }
    simulation::end();
    Ok(to)
}
