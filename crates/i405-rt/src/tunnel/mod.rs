//! This puts a tunnel together: it opens everything, starts the threads, and is the handle by which a program steers it.

mod control;
mod dispatcher;
mod handle;
mod opening;
mod outside;
mod ring_ends;
#[cfg(feature = "simulation")]
pub mod simulation;
mod spinner;
mod threads;

pub use control::{NewKeys, ScheduleRequest};
pub use handle::Tunnel;
