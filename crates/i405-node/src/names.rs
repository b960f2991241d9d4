//! Names: a question to a name server, and the number of an interface.

use std::time::Duration;

use i405_rt::name_query::{self, NameQuery};
use neon::prelude::*;
use neon::types::buffer::TypedArray;

use crate::probe::{later, settle};
use i405_bridge::read;

/// The answer's bytes, later.
pub(crate) fn ask(mut cx: FunctionContext<'_>) -> JsResult<'_, JsPromise> {
    let from = cx.argument::<JsObject>(0)?;
    let server = from.get::<JsString, _, _>(&mut cx, "server")?.value(&mut cx);
    let query = NameQuery {
        server: read::address(&mut cx, &server)?,
        fwmark: read::optional_number(&mut cx, from, "fwmark")?.map(|mark| mark as u32),
        tcp: from.get::<JsBoolean, _, _>(&mut cx, "tcp")?.value(&mut cx),
        message: from.get::<JsUint8Array, _, _>(&mut cx, "message")?.as_slice(&cx).to_vec(),
        patience: Duration::from_nanos(read::number(&mut cx, from, "patienceNs")?),
    };
    later(
        &mut cx,
        "i405-names",
        move || name_query::ask(&query),
        |mut cx, result| {
            let answer = settle(&mut cx, result)?;
            JsUint8Array::from_slice(&mut cx, &answer)
        },
    )
}

/// Of an interface's name; null: there is none of that name.
pub(crate) fn interface_index(mut cx: FunctionContext<'_>) -> JsResult<'_, JsValue> {
    let name = cx.argument::<JsString>(0)?.value(&mut cx);
    Ok(match name_query::interface_index(&name) {
        Some(index) => cx.number(index).upcast(),
        None => cx.null().upcast(),
    })
}
