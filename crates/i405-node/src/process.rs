//! What concerns the whole process: privileges, dumps, the service manager.

use i405_process::peer;
use i405_process::privilege::{self, Identity};
use i405_process::realtime_limit::{self, Right};
use i405_process::service;
use i405_rt::priority::{FIFO_PRIORITY, ORDINARY_NICE};
use neon::prelude::*;

use i405_bridge::{field, read};

fn refuse<'cx, T>(cx: &mut FunctionContext<'cx>, error: &i405_process::Error) -> NeonResult<T> {
    read::throw_coded(cx, error.code(), error)
}

pub(crate) fn forbid_dumps(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    match service::forbid_dumps() {
        Ok(()) => Ok(cx.undefined()),
        Err(error) => refuse(&mut cx, &error),
    }
}

pub(crate) fn notify(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let socket = cx.argument::<JsString>(0)?.value(&mut cx);
    let state = cx.argument::<JsString>(1)?.value(&mut cx);
    match service::notify(&socket, &state) {
        Ok(()) => Ok(cx.undefined()),
        Err(error) => refuse(&mut cx, &error),
    }
}

pub(crate) fn find_user(mut cx: FunctionContext<'_>) -> JsResult<'_, JsObject> {
    let user = cx.argument::<JsString>(0)?.value(&mut cx);
    let group = cx.argument::<JsValue>(1)?;
    let group = group.downcast::<JsString, _>(&mut cx).ok().map(|name| name.value(&mut cx));
    let found = match privilege::find_user(&user, group.as_deref()) {
        Ok(found) => found,
        Err(error) => return refuse(&mut cx, &error),
    };
    let to = cx.empty_object();
    field::set_number(&mut cx, to, "uid", found.uid.into())?;
    field::set_number(&mut cx, to, "gid", found.gid.into())?;
    let groups = cx.empty_array();
    for (index, group) in (0..).zip(found.groups) {
        let group = cx.number(group);
        groups.set(&mut cx, index, group)?;
    }
    to.set(&mut cx, "groups", groups)?;
    Ok(to)
}

pub(crate) fn give_up_privileges(mut cx: FunctionContext<'_>) -> JsResult<'_, JsUndefined> {
    let from = cx.argument::<JsObject>(0)?;
    let keep = read::numbers(&mut cx, from, "keep")?;
    let keep = keep.into_iter().filter(|bit| *bit < 64).fold(0, |set, bit| set | 1 << bit);
    let user = from.get_value(&mut cx, "user")?;
    let user = match user.downcast::<JsObject, _>(&mut cx) {
        Ok(user) => Some(identity(&mut cx, user)?),
        Err(_) => None,
    };
    match privilege::give_up(keep, user.as_ref()) {
        Ok(()) => Ok(cx.undefined()),
        Err(error) => refuse(&mut cx, &error),
    }
}

pub(crate) fn reserve_realtime(mut cx: FunctionContext<'_>) -> JsResult<'_, JsString> {
    let right = match realtime_limit::reserve(FIFO_PRIORITY, ORDINARY_NICE) {
        Right::Limit => "limit",
        Right::Capability => "capability",
        Right::None => "none",
    };
    Ok(cx.string(right))
}

fn identity<'cx>(cx: &mut FunctionContext<'cx>, from: Handle<'cx, JsObject>) -> NeonResult<Identity> {
    let mut groups = Vec::new();
    for group in read::numbers(cx, from, "groups")? {
        groups.push(read::narrow(cx, "groups", group)?);
    }
    let (uid, gid) = (read::number(cx, from, "uid")?, read::number(cx, from, "gid")?);
    Ok(Identity { uid: read::narrow(cx, "uid", uid)?, gid: read::narrow(cx, "gid", gid)?, groups })
}

/// Who is at the other end of a Unix socket's descriptor.
pub(crate) fn peer_credentials(mut cx: FunctionContext<'_>) -> JsResult<'_, JsObject> {
    let fd = cx.argument::<JsNumber>(0)?.value(&mut cx);
    match peer::credentials(fd as i32) {
        Ok(peer) => {
            let to = cx.empty_object();
            field::set_number(&mut cx, to, "pid", peer.pid.into())?;
            field::set_number(&mut cx, to, "uid", peer.uid.into())?;
            field::set_number(&mut cx, to, "gid", peer.gid.into())?;
            Ok(to)
        }
        Err(error) => refuse(&mut cx, &error),
    }
}
