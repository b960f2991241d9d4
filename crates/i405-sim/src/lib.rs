//! Both ends of a tunnel and a hostile network between them, in virtual time, for the tests.
//!
//! The sending and receiving halves are those of `i405-rt` (its feature `simulation`), and the commands that JavaScript
//! gives are the product's (`i405-bridge`). So the machines of `lib/` drive the real thing, slot
//! by slot, without threads, sockets and waiting. Everything follows from a seed; what must hold is checked at each step.
//!
//! Reading order: `settings`, `way`, `script`; `network`, `attacker`; `ledger`, `tap`; `orders`, `host`; `world`;
//! `bridge`.

mod attacker;
mod bridge;
mod host;
mod ledger;
mod network;
mod orders;
mod plant;
mod script;
mod settings;
mod sink;
mod tap;
mod way;
mod world;

use i405_rt::simulation::Simulated;
use neon::prelude::*;

use crate::sink::Mailbox;

/// Names are those of `lib/native/loader.ts` and `lab/simulation/simulator.ts`.
#[neon::main]
fn main(mut cx: ModuleContext<'_>) -> NeonResult<()> {
    i405_bridge::export::<Mailbox, Simulated>(&mut cx)?;
    cx.export_function("simulationBegin", bridge::begin)?;
    cx.export_function("simulationEnter", bridge::enter)?;
    cx.export_function("simulationAdopt", bridge::adopt)?;
    cx.export_function("simulationNowNs", bridge::now_ns)?;
    cx.export_function("simulationWallMs", bridge::wall_ms)?;
    cx.export_function("simulationNoteSchedule", bridge::note_schedule)?;
    cx.export_function("simulationNoteWire", bridge::note_wire)?;
    cx.export_function("simulationNoteRedirect", bridge::note_redirect)?;
    cx.export_function("simulationStartLater", bridge::start_later)?;
    cx.export_function("simulationNoteSession", bridge::note_session)?;
    cx.export_function("simulationNoteStamp", bridge::note_stamp)?;
    cx.export_function("simulationNoteConnected", bridge::note_connected)?;
    cx.export_function("simulationNoteDisconnected", bridge::note_disconnected)?;
    cx.export_function("simulationRun", bridge::run)?;
    cx.export_function("simulationTimetable", bridge::timetable)?;
    cx.export_function("simulationEnd", bridge::end)?;
    Ok(())
}
