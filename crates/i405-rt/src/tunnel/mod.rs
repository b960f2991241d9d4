//! A tunnel as a whole: opening it, its threads and what they run, and the handle by which the program steers it.

mod control;
mod dispatcher;
mod handle;
mod opening;
#[cfg(feature = "simulation")]
pub mod simulation;
mod spinner;
mod threads;

pub use control::{NewKeys, ScheduleRequest};
pub use handle::Tunnel;
