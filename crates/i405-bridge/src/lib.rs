//! A tunnel's functions for JavaScript: conversions, and nothing else. The addon (`i405-node`) and the simulation
//! (`i405-sim`) export the same ones; they differ in where events go ([`tunnel::Listening`]) and in their clocks.
//!
//! `read` turns JavaScript values into `i405-rt`'s types, `write` its types into JavaScript values, field by field
//! (`field`), `records` what audits are made from, `tunnel` has the commands.

pub mod field;
pub mod read;
mod records;
pub mod tunnel;
pub mod write;

use i405_rt::clock::Clock;
use neon::prelude::*;

use crate::tunnel::Listening;

/// Exports them, for tunnels that live by the clocks `C`. Names are those of `lib/native/loader.ts`.
///
/// # Errors
/// None but an exception of JavaScript's.
pub fn export<L: Listening, C: Clock + Default + 'static>(cx: &mut ModuleContext<'_>) -> NeonResult<()> {
    cx.export_function("version", tunnel::version)?;
    cx.export_function("aeads", tunnel::aeads)?;
    cx.export_function("monotonicNs", tunnel::monotonic_ns::<C>)?;
    cx.export_function("boottimeNs", tunnel::boottime_ns::<C>)?;
    cx.export_function("routeMtu", tunnel::route_mtu)?;
    cx.export_function("open", tunnel::open::<L>)?;
    cx.export_function("tunnelLocalAddress", tunnel::local_address)?;
    cx.export_function("tunnelDeviceName", tunnel::device_name)?;
    cx.export_function("tunnelStartSchedule", tunnel::start_schedule::<C>)?;
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
    cx.export_function("tunnelRedirect", tunnel::redirect::<C>)?;
    cx.export_function("tunnelWatchSilence", tunnel::watch_silence::<C>)?;
    cx.export_function("tunnelSendClose", tunnel::send_close)?;
    cx.export_function("tunnelRepeatControl", tunnel::repeat_control)?;
    cx.export_function("tunnelWrite", tunnel::write_packet)?;
    cx.export_function("tunnelStats", tunnel::stats::<C>)?;
    cx.export_function("tunnelDeviation", tunnel::deviation)?;
    cx.export_function("tunnelClose", tunnel::close)?;
    cx.export_function("tunnelRef", tunnel::reference)?;
    cx.export_function("tunnelUnref", tunnel::unref)?;
    Ok(())
}
