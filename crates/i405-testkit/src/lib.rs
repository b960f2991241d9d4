//! What the test programs in `src/bin` share.
//!
//! Each program is one small binary that prints JSON lines on stdout: `ready` once it listens, `done` with its figures.
//! Every one of them stops by itself, at a signal or when its parent dies. Nothing here knows the i405 protocol.
//!
//! Reading order: [`program`] (flags, output, stopping), [`pattern`] (what traffic carries), [`record`] (capture files),
//! [`pinger`], [`faults`], and [`sys`], the only folder with `unsafe`.

#![deny(unsafe_code)]

pub mod args;
pub mod clock;
pub mod endpoint;
pub mod faults;
pub mod forged;
pub mod ip;
pub mod json;
pub mod pace;
pub mod pattern;
pub mod pinger;
pub mod program;
pub mod record;
pub mod summary;
#[allow(unsafe_code)]
pub mod sys;
pub mod tally;
