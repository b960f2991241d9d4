//! The dispatcher's half decides what a slot holds, and sends it. Read `slots`, `assembling`, `sending`; with two dispatchers
//! `hedge` and `hedged`.

pub mod assembling;
pub mod emergency;
pub mod hedge;
pub mod hedged;
pub mod sending;
pub mod slots;
