//! Both ends of a tunnel and a hostile network between them, in virtual time, for the tests.
//!
//! The sending and receiving halves are those of `i405-rt` (its feature `simulation`), and the commands that JavaScript
//! gives are those of `i405-node`, whose files are compiled in here. So the machines of `lib/` drive the real thing, slot
//! by slot, without threads, sockets and waiting. Everything follows from a seed; what must hold is checked at each step.
//!
//! Reading order: `settings`, `script`; `network`, `attacker`; `ledger`, `tap`; `host`; `world`; `bridge`.

mod attacker;
mod bridge;
mod host;
mod ledger;
mod network;
mod plant;
mod script;
mod settings;
mod sink;
mod tap;
mod world;

// The commands of a tunnel, exactly as the product's addon has them.
#[allow(dead_code, reason = "the product's file; what isn't about a tunnel has no use here")]
#[path = "../../i405-node/src/read.rs"]
mod read;
#[path = "../../i405-node/src/records.rs"]
mod records;
#[allow(dead_code, reason = "the product's file; what isn't about a tunnel has no use here")]
#[path = "../../i405-node/src/tunnel.rs"]
mod tunnel;
#[allow(dead_code, reason = "the product's file; what isn't about a tunnel has no use here")]
#[path = "../../i405-node/src/write.rs"]
mod write;

use neon::prelude::*;

/// Names are those of `lib/native.ts` and `test/simulation/simulator.ts`.
#[neon::main]
fn main(mut cx: ModuleContext<'_>) -> NeonResult<()> {
    cx.export_function("version", tunnel::version)?;
    cx.export_function("aeads", tunnel::aeads)?;
    cx.export_function("monotonicNs", tunnel::monotonic_ns)?;
    cx.export_function("boottimeNs", tunnel::boottime_ns)?;
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
    cx.export_function("tunnelWatchSilence", tunnel::watch_silence)?;
    cx.export_function("tunnelSendClose", tunnel::send_close)?;
    cx.export_function("tunnelRepeatControl", tunnel::repeat_control)?;
    cx.export_function("tunnelWrite", tunnel::write_packet)?;
    cx.export_function("tunnelStats", tunnel::stats)?;
    cx.export_function("tunnelDeviation", tunnel::deviation)?;
    cx.export_function("tunnelClose", tunnel::close)?;
    cx.export_function("tunnelRef", tunnel::reference)?;
    cx.export_function("tunnelUnref", tunnel::unref)?;
    cx.export_function("simulationBegin", bridge::begin)?;
    cx.export_function("simulationEnter", bridge::enter)?;
    cx.export_function("simulationAdopt", bridge::adopt)?;
    cx.export_function("simulationNowNs", bridge::now_ns)?;
    cx.export_function("simulationWallMs", bridge::wall_ms)?;
    cx.export_function("simulationNoteSchedule", bridge::note_schedule)?;
    cx.export_function("simulationNoteSession", bridge::note_session)?;
    cx.export_function("simulationNoteStamp", bridge::note_stamp)?;
    cx.export_function("simulationNoteConnected", bridge::note_connected)?;
    cx.export_function("simulationNoteDisconnected", bridge::note_disconnected)?;
    cx.export_function("simulationRun", bridge::run)?;
    cx.export_function("simulationEnd", bridge::end)?;
    Ok(())
}
