//! The dispatcher's half has slots built, and sends them. Read `slots`, `assembling`, `sending`, `transmit`, `tally`; with two
//! dispatchers `hedge` and `hedged`.

pub mod assembling;
pub mod emergency;
pub mod hedge;
pub mod hedged;
pub mod sending;
pub mod slots;
pub mod tally;
pub mod transmit;
