//! The Neon binding of the i405 tunnel: conversions, and nothing else.
//!
//! `read` turns JavaScript values into `i405-rt`'s types, `write` its types into JavaScript values, `tunnel` has the
//! commands of `lib/addon.ts`, `records` what audits are made from, `probe` what the doctor
//! measures, `names` asks name servers, `process` what concerns the whole process, `sink` carries batches of events to the JavaScript thread.

use neon::prelude::*;

mod names;
mod probe;
mod process;
mod read;
mod records;
mod sink;
mod tunnel;
mod write;

/// Names are those of `lib/native.ts`.
#[neon::main]
fn main(mut cx: ModuleContext<'_>) -> NeonResult<()> {
    cx.export_function("version", tunnel::version)?;
    cx.export_function("aeads", tunnel::aeads)?;
    cx.export_function("monotonicNs", tunnel::monotonic_ns)?;
    cx.export_function("boottimeNs", tunnel::boottime_ns)?;
    cx.export_function("routeMtu", tunnel::route_mtu)?;
    cx.export_function("interfaceIndex", names::interface_index)?;
    cx.export_function("askNameServer", names::ask)?;
    cx.export_function("peerCredentials", tunnel::peer_credentials)?;
    cx.export_function("open", tunnel::open)?;
    cx.export_function("tunnelLocalAddress", tunnel::local_address)?;
    cx.export_function("tunnelDeviceName", tunnel::device_name)?;
    cx.export_function("tunnelStartSchedule", tunnel::start_schedule)?;
    cx.export_function("tunnelEndAt", tunnel::end_at)?;
    cx.export_function("tunnelOffer", tunnel::offer)?;
    cx.export_function("tunnelStopOffer", tunnel::stop_offer)?;
    cx.export_function("tunnelExpectStamps", tunnel::expect_stamps)?;
    cx.export_function("tunnelInstall", tunnel::install)?;
    cx.export_function("tunnelSendUnder", tunnel::send_under)?;
    cx.export_function("tunnelForget", tunnel::forget)?;
    cx.export_function("tunnelMoveEndpoint", tunnel::move_endpoint)?;
    cx.export_function("tunnelAsk", tunnel::ask)?;
    cx.export_function("tunnelHandshakeSources", tunnel::handshake_sources)?;
    cx.export_function("tunnelRedirect", tunnel::redirect)?;
    cx.export_function("tunnelWatchSilence", tunnel::watch_silence)?;
    cx.export_function("tunnelSendClose", tunnel::send_close)?;
    cx.export_function("tunnelRepeatControl", tunnel::repeat_control)?;
    cx.export_function("tunnelWrite", tunnel::write_packet)?;
    cx.export_function("tunnelStats", tunnel::stats)?;
    cx.export_function("tunnelDeviation", tunnel::deviation)?;
    cx.export_function("tunnelClose", tunnel::close)?;
    cx.export_function("tunnelRef", tunnel::reference)?;
    cx.export_function("tunnelUnref", tunnel::unref)?;
    cx.export_function("probePermissions", probe::permissions)?;
    cx.export_function("probeClock", probe::clock)?;
    cx.export_function("probeLateness", probe::lateness)?;
    cx.export_function("probeLosses", probe::losses)?;
    cx.export_function("probeEgress", probe::egress)?;
    cx.export_function("processForbidDumps", process::forbid_dumps)?;
    cx.export_function("processNotify", process::notify)?;
    cx.export_function("processFindUser", process::find_user)?;
    cx.export_function("processReserveRealtime", process::reserve_realtime)?;
    cx.export_function("processGiveUpPrivileges", process::give_up_privileges)?;
    Ok(())
}
