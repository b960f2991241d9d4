//! Turns JavaScript values into the core's types. `lib/` has parsed and checked them, so what is wrong here is a
//! mistake of ours. It is an error all the same, and no panic.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};

use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::Head;
use i405_proto::inner::{AllowedIps, Prefix};
use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::schedule::{Shape, Timing};
use i405_rt::config::{
    BurnerPlace, DeviationSource, DeviceConfig, InterfaceAddress, OpenConfig, PairingKeys, PollMode, Role, SchedFifo,
    SendBy,
};
use i405_rt::tunnel::{NewKeys, ScheduleRequest};
use i405_rt::{Error, Offer};
use neon::prelude::*;
use neon::types::JsBigInt;
use neon::types::buffer::TypedArray;

type Fields<'cx> = Handle<'cx, JsObject>;

/// Throws an error with a stable code.
pub fn throw_coded<'cx, T>(cx: &mut impl Context<'cx>, code: &str, error: &dyn Display) -> NeonResult<T> {
    let thrown = cx.error(error.to_string())?;
    let code = cx.string(code);
    thrown.set(cx, "code", code)?;
    cx.throw(thrown)
}

/// Throws the core's error with its code.
pub fn throw<'cx, T>(cx: &mut impl Context<'cx>, error: &Error) -> NeonResult<T> {
    throw_coded(cx, error.code(), error)
}

fn bad<'cx, T>(cx: &mut impl Context<'cx>, what: String) -> NeonResult<T> {
    throw(cx, &Error::Argument(what))
}

/// A whole number that a double holds exactly.
fn whole<'cx>(cx: &mut impl Context<'cx>, name: &str, value: f64) -> NeonResult<u64> {
    if value.fract() == 0.0 && (0.0..=9_007_199_254_740_991.0).contains(&value) {
        Ok(value as u64)
    } else {
        bad(cx, format!("{name}: expected a whole number, got {value}"))
    }
}

/// A whole number among a function's arguments.
pub fn argument_u32(cx: &mut FunctionContext<'_>, index: usize, name: &str) -> NeonResult<u32> {
    let value = cx.argument::<JsNumber>(index)?.value(cx);
    let value = whole(cx, name, value)?;
    match u32::try_from(value) {
        Ok(value) => Ok(value),
        Err(_) => bad(cx, format!("{name}: expected at most 2^32 - 1, got {value}")),
    }
}

/// A whole number or null among a function's arguments.
pub fn argument_optional(cx: &mut FunctionContext<'_>, index: usize, name: &str) -> NeonResult<Option<u64>> {
    let value = cx.argument::<JsValue>(index)?;
    match optional(cx, value) {
        None => Ok(None),
        Some(value) => {
            let value = value.downcast_or_throw::<JsNumber, _>(cx)?.value(cx);
            whole(cx, name, value).map(Some)
        }
    }
}

/// An instant (bigint) or null.
pub fn instant<'cx>(cx: &mut impl Context<'cx>, value: Handle<'cx, JsValue>) -> NeonResult<Option<u64>> {
    match optional(cx, value) {
        None => Ok(None),
        Some(value) => {
            let value = value.downcast_or_throw::<JsBigInt, _>(cx)?;
            match value.to_u64(cx) {
                Ok(value) => Ok(Some(value)),
                Err(_) => bad(cx, "expected an instant in nanoseconds as a bigint".to_owned()),
            }
        }
    }
}

fn optional<'cx>(cx: &mut impl Context<'cx>, value: Handle<'cx, JsValue>) -> Option<Handle<'cx, JsValue>> {
    let absent = value.is_a::<JsNull, _>(cx) || value.is_a::<JsUndefined, _>(cx);
    (!absent).then_some(value)
}

/// A field that is a whole number.
pub fn number<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>, name: &str) -> NeonResult<u64> {
    let value = from.get::<JsNumber, _, _>(cx, name)?.value(cx);
    whole(cx, name, value)
}

fn field<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>, name: &str) -> NeonResult<Option<Handle<'cx, JsValue>>> {
    let value = from.get_value(cx, name)?;
    Ok(optional(cx, value))
}

/// The same, or null.
pub fn optional_number<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>, name: &str) -> NeonResult<Option<u64>> {
    match field(cx, from, name)? {
        None => Ok(None),
        Some(value) => {
            let value = value.downcast_or_throw::<JsNumber, _>(cx)?.value(cx);
            whole(cx, name, value).map(Some)
        }
    }
}

/// A field that is an array of whole numbers.
pub fn numbers<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>, name: &str) -> NeonResult<Vec<u64>> {
    let mut numbers = Vec::new();
    for item in from.get::<JsArray, _, _>(cx, name)?.to_vec(cx)? {
        let value = item.downcast_or_throw::<JsNumber, _>(cx)?.value(cx);
        numbers.push(whole(cx, name, value)?);
    }
    Ok(numbers)
}

fn text<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>, name: &str) -> NeonResult<String> {
    Ok(from.get::<JsString, _, _>(cx, name)?.value(cx))
}

fn optional_text<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>, name: &str) -> NeonResult<Option<String>> {
    match field(cx, from, name)? {
        None => Ok(None),
        Some(value) => Ok(Some(value.downcast_or_throw::<JsString, _>(cx)?.value(cx))),
    }
}

/// A socket address.
pub fn address<'cx>(cx: &mut impl Context<'cx>, text: &str) -> NeonResult<SocketAddr> {
    match text.parse() {
        Ok(address) => Ok(address),
        Err(_) => bad(cx, format!("expected a socket address such as 203.0.113.7:1405, got \"{text}\"")),
    }
}

/// Where a peer is, as the events name it.
pub fn endpoint<'cx>(cx: &mut impl Context<'cx>, text: &str) -> NeonResult<Endpoint> {
    match text.parse() {
        Ok(endpoint) => Ok(endpoint),
        Err(error) => bad(cx, format!("{error}, got \"{text}\"")),
    }
}

/// An IP address, with the number of its zone if it is link-local, `fe80::1%2`; the port is 0.
pub fn ip_address<'cx>(cx: &mut impl Context<'cx>, text: &str) -> NeonResult<SocketAddr> {
    // The standard library reads zones of socket addresses only.
    let zoned = || format!("[{text}]:0").parse::<SocketAddr>().ok();
    match text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 0)).or_else(zoned) {
        Some(address) => Ok(address),
        None => bad(cx, format!("expected an IP address such as 203.0.113.7, got \"{text}\"")),
    }
}

fn bytes<'cx, const N: usize>(cx: &mut impl Context<'cx>, from: Fields<'cx>, name: &str) -> NeonResult<[u8; N]> {
    let value = from.get::<JsUint8Array, _, _>(cx, name)?;
    let length = value.as_slice(cx).len();
    match <[u8; N]>::try_from(value.as_slice(cx)) {
        Ok(bytes) => Ok(bytes),
        Err(_) => bad(cx, format!("{name}: expected {N} bytes, got {length}")),
    }
}

/// As a length.
pub fn as_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// As a smaller type, or an error that names the field.
pub fn narrow<'cx, T: TryFrom<u64>>(cx: &mut impl Context<'cx>, name: &str, value: u64) -> NeonResult<T> {
    match T::try_from(value) {
        Ok(value) => Ok(value),
        Err(_) => bad(cx, format!("{name}: {value} is too large")),
    }
}

/// The options of `open`.
pub fn open_config<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>) -> NeonResult<OpenConfig> {
    let bind = text(cx, from, "bind")?;
    let peer = optional_text(cx, from, "peer")?;
    let pairing = from.get::<JsObject, _, _>(cx, "pairing")?;
    let device = from.get::<JsObject, _, _>(cx, "device")?;
    let fwmark = optional_number(cx, from, "fwmark")?;
    Ok(OpenConfig {
        role: match text(cx, from, "role")?.as_str() {
            "client" => Role::Client,
            "server" => Role::Server,
            other => return bad(cx, format!("role: unknown \"{other}\"")),
        },
        bind: address(cx, &bind)?,
        peer: match peer {
            Some(peer) => Some(address(cx, &peer)?),
            None => None,
        },
        fwmark: match fwmark {
            Some(mark) => Some(narrow(cx, "fwmark", mark)?),
            None => None,
        },
        device: device_config(cx, device)?,
        allowed_ips: allowed_ips(cx, from)?,
        poll_mode: match text(cx, from, "pollMode")?.as_str() {
            "sleepy" => PollMode::Sleepy,
            "dozy" => PollMode::Dozy,
            "spinny" => PollMode::Spinny,
            other => return bad(cx, format!("pollMode: unknown \"{other}\"")),
        },
        sched_fifo: match text(cx, from, "schedFifo")?.as_str() {
            "on" => SchedFifo::On,
            "off" => SchedFifo::Off,
            "require" => SchedFifo::Require,
            other => return bad(cx, format!("schedFifo: unknown \"{other}\"")),
        },
        cpus: numbers(cx, from, "cpus")?.into_iter().map(as_usize).collect(),
        dispatchers: as_usize(number(cx, from, "dispatchers")?),
        burner: burner(cx, from)?,
        pairing: PairingKeys {
            send_wrap: bytes(cx, pairing, "sendWrap")?,
            send_mask: bytes(cx, pairing, "sendMask")?,
            receive_wrap: bytes(cx, pairing, "receiveWrap")?,
            receive_mask: bytes(cx, pairing, "receiveMask")?,
        },
        initiation_length: as_usize(number(cx, from, "initiationLength")?),
        floor_ms: number(cx, from, "floorMs")?,
        max_stamp_age_ms: optional_number(cx, from, "maxStampAgeMs")?,
        queue_ns: number(cx, from, "queueNs")?,
        finalize_ns: optional_number(cx, from, "finalizeNs")?,
        reorder_window: as_usize(number(cx, from, "reorderWindow")?),
        deviation_source: match text(cx, from, "deviationSource")?.as_str() {
            "call" => DeviationSource::Call,
            "software" => DeviationSource::Software,
            "hardware" => DeviationSource::Hardware,
            other => return bad(cx, format!("deviationSource: unknown \"{other}\"")),
        },
        send_by: match text(cx, from, "sendBy")?.as_str() {
            "call" => SendBy::Call,
            "txtime" => SendBy::Txtime,
            "kernel" => SendBy::Kernel,
            other => return bad(cx, format!("sendBy: unknown \"{other}\"")),
        },
        record: from.get::<JsBoolean, _, _>(cx, "record")?.value(cx),
    })
}

/// `burner` of the object.
pub fn burner<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>) -> NeonResult<BurnerPlace> {
    match text(cx, from, "burner")?.as_str() {
        "off" => Ok(BurnerPlace::Off),
        "cpu" => Ok(BurnerPlace::Cpu),
        "all" => Ok(BurnerPlace::All),
        other => bad(cx, format!("burner: unknown \"{other}\"")),
    }
}

fn device_config<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>) -> NeonResult<DeviceConfig> {
    match text(cx, from, "kind")?.as_str() {
        "packets" => Ok(DeviceConfig::Packets),
        "fd" => {
            let fd = number(cx, from, "fd")?;
            Ok(DeviceConfig::Fd(narrow(cx, "fd", fd)?))
        }
        "tun" => {
            let mut addresses = Vec::new();
            for family in ["ipv4", "ipv6"] {
                for item in from.get::<JsArray, _, _>(cx, family)?.to_vec(cx)? {
                    let item = item.downcast_or_throw::<JsString, _>(cx)?.value(cx);
                    addresses.push(interface_address(cx, &item)?);
                }
            }
            let mtu = number(cx, from, "mtu")?;
            Ok(DeviceConfig::Tun {
                name: optional_text(cx, from, "name")?,
                addresses,
                mtu: narrow(cx, "mtu", mtu)?,
                strong_host: from.get::<JsBoolean, _, _>(cx, "strongHost")?.value(cx),
            })
        }
        other => bad(cx, format!("device: unknown kind \"{other}\"")),
    }
}

fn allowed_ips<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>) -> NeonResult<AllowedIps> {
    let Some(list) = field(cx, from, "allowedIps")? else { return Ok(AllowedIps::ALL) };
    let mut prefixes = Vec::new();
    for item in list.downcast_or_throw::<JsArray, _>(cx)?.to_vec(cx)? {
        let item = item.downcast_or_throw::<JsString, _>(cx)?.value(cx);
        let InterfaceAddress { address, prefix } = interface_address(cx, &item)?;
        match Prefix::new(address, prefix) {
            Some(prefix) => prefixes.push(prefix),
            None => return bad(cx, format!("allowedIps: \"{item}\" has more bits than its family")),
        }
    }
    Ok(AllowedIps::within(prefixes))
}

fn interface_address<'cx>(cx: &mut impl Context<'cx>, text: &str) -> NeonResult<InterfaceAddress> {
    let parsed = text.split_once('/').and_then(|(address, prefix)| {
        Some(InterfaceAddress { address: address.parse::<IpAddr>().ok()?, prefix: prefix.parse().ok()? })
    });
    match parsed {
        Some(address) => Ok(address),
        None => bad(cx, format!("expected an address such as 10.140.5.2/24, got \"{text}\"")),
    }
}

/// The schedule of `tunnelStartSchedule`.
pub fn schedule<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>) -> NeonResult<ScheduleRequest> {
    let shape = match text(cx, from, "shape")?.as_str() {
        "cos4" => Shape::Cos4,
        "uniform" => Shape::Uniform,
        other => return bad(cx, format!("shape: unknown \"{other}\"")),
    };
    let (interval_ns, jitter_ns) = (number(cx, from, "intervalNs")?, number(cx, from, "jitterNs")?);
    let timing = match Timing::new(interval_ns, jitter_ns, shape) {
        Ok(timing) => timing,
        Err(error) => return bad(cx, error.to_string()),
    };
    let endpoint = text(cx, from, "endpoint")?;
    let first = from.get_value(cx, "firstDeadlineNs")?;
    Ok(ScheduleRequest {
        datagram_length: as_usize(number(cx, from, "datagramLength")?),
        timing,
        first_deadline_ns: instant(cx, first)?,
        endpoint: self::endpoint(cx, &endpoint)?,
    })
}

/// The message of `tunnelOffer`.
pub fn offer<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>) -> NeonResult<Offer> {
    let endpoint = text(cx, from, "endpoint")?;
    let message = from.get::<JsUint8Array, _, _>(cx, "message")?.as_slice(cx).to_vec();
    let (kind, version, every) = (number(cx, from, "kind")?, number(cx, from, "version")?, number(cx, from, "every")?);
    let head = Head {
        kind: narrow(cx, "kind", kind)?,
        version: narrow(cx, "version", version)?,
        stamp: number(cx, from, "stamp")?,
        fragment: 0,
    };
    Ok(Offer { head, message, every: narrow(cx, "every", every)?, endpoint: self::endpoint(cx, &endpoint)? })
}

/// What `tunnelRepeatControl` takes.
pub(crate) struct RepeatedControl {
    pub(crate) kind: u8,
    pub(crate) body: Vec<u8>,
    pub(crate) every_ns: u64,
}

/// The control block of `tunnelRepeatControl`, or null.
pub(crate) fn control<'cx>(
    cx: &mut impl Context<'cx>,
    value: Handle<'cx, JsValue>,
) -> NeonResult<Option<RepeatedControl>> {
    let Some(value) = optional(cx, value) else { return Ok(None) };
    let from = value.downcast_or_throw::<JsObject, _>(cx)?;
    let body = from.get::<JsUint8Array, _, _>(cx, "body")?.as_slice(cx).to_vec();
    let kind = number(cx, from, "kind")?;
    Ok(Some(RepeatedControl { kind: narrow(cx, "kind", kind)?, body, every_ns: number(cx, from, "everyNs")? }))
}

/// The session of `tunnelInstall`.
pub fn session<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>) -> NeonResult<NewKeys> {
    let (generation, aead) = (number(cx, from, "generation")?, number(cx, from, "aead")?);
    let aead: u8 = narrow(cx, "aead", aead)?;
    let Some(aead) = Aead::from_id(aead) else {
        return bad(cx, format!("aead: unknown id {aead}"));
    };
    let send = from.get::<JsObject, _, _>(cx, "send")?;
    let receive = from.get::<JsObject, _, _>(cx, "receive")?;
    Ok(NewKeys {
        generation: narrow(cx, "generation", generation)?,
        aead,
        send: direction_keys(cx, send)?,
        receive: direction_keys(cx, receive)?,
        receive_length: as_usize(number(cx, from, "receiveLength")?),
        receive_interval_ns: number(cx, from, "receiveIntervalNs")?,
    })
}

fn direction_keys<'cx>(cx: &mut impl Context<'cx>, from: Fields<'cx>) -> NeonResult<DirectionKeys> {
    Ok(DirectionKeys { key: bytes(cx, from, "key")?, iv: bytes(cx, from, "iv")?, mask: bytes(cx, from, "mask")? })
}
