//! The addon: what JavaScript can call.
//!
//! A tunnel's own functions are `i405-bridge`'s. Here are `sink`, which carries batches of events to the JavaScript thread,
//! `probe`, what the doctor measures, `names`, which asks name servers, and `process`, what concerns the whole process.

use i405_rt::clock::System;
use neon::prelude::*;

mod names;
mod probe;
mod process;
mod sink;

use crate::sink::SharedChannel;

/// Names are those of `lib/native/loader.ts`.
#[neon::main]
fn main(mut cx: ModuleContext<'_>) -> NeonResult<()> {
    i405_bridge::export::<SharedChannel, System>(&mut cx)?;
    cx.export_function("interfaceIndex", names::interface_index)?;
    cx.export_function("askNameServer", names::ask)?;
    cx.export_function("peerCredentials", process::peer_credentials)?;
    cx.export_function("probePermissions", probe::permissions)?;
    cx.export_function("probeClock", probe::clock)?;
    cx.export_function("probeKernelSpin", probe::kernel_spin)?;
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
