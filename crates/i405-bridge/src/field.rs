//! Fields of JavaScript objects, one function for each type.

use neon::prelude::*;
use neon::types::JsBigInt;

/// Text.
pub fn set_text<'cx>(cx: &mut impl Context<'cx>, to: Handle<'cx, JsObject>, name: &str, value: &str) -> NeonResult<()> {
    let value = cx.string(value);
    to.set(cx, name, value)?;
    Ok(())
}

/// A number.
pub fn set_number<'cx>(
    cx: &mut impl Context<'cx>,
    to: Handle<'cx, JsObject>,
    name: &str,
    value: f64,
) -> NeonResult<()> {
    let value = cx.number(value);
    to.set(cx, name, value)?;
    Ok(())
}

/// A whole number of 64 bits.
pub fn set_bigint<'cx>(
    cx: &mut impl Context<'cx>,
    to: Handle<'cx, JsObject>,
    name: &str,
    value: u64,
) -> NeonResult<()> {
    let value = JsBigInt::from_u64(cx, value);
    to.set(cx, name, value)?;
    Ok(())
}

/// Bytes, copied.
pub fn set_bytes<'cx>(
    cx: &mut impl Context<'cx>,
    to: Handle<'cx, JsObject>,
    name: &str,
    value: &[u8],
) -> NeonResult<()> {
    let value = JsUint8Array::from_slice(cx, value)?;
    to.set(cx, name, value)?;
    Ok(())
}
