//! The targets. Each is a function of bytes, in a file of its name.

use crate::Target;

pub mod budget;
pub mod handshake;
pub mod inner_length;
pub mod lateness;
pub mod nonces;
pub mod reassembly;
pub mod receiver;
pub mod reorder;
pub mod replay;
pub mod report;
pub mod round_trip;
pub mod schedule;
pub mod seal;
pub mod sender;
pub mod sources;
pub mod stamp;
pub mod unpacker;

#[cfg(feature = "linux")]
pub mod linux;

/// Those of i405-proto.
pub fn protocol() -> Vec<Target> {
    let plain = |name, run| Target { name, run, examples: &[], cost: 1 };
    let dear = |name, run, cost| Target { name, run, examples: &[], cost };
    vec![
        plain("budget", budget::run),
        dear("handshake", handshake::run, 10),
        plain("inner_length", inner_length::run),
        dear("lateness", lateness::run, 5),
        dear("nonces", nonces::run, 5),
        plain("reassembly", reassembly::run),
        dear("receiver", receiver::run, 10),
        plain("reorder", reorder::run),
        plain("replay", replay::run),
        plain("report", report::run),
        plain("round_trip", round_trip::run),
        dear("schedule", schedule::run, 20),
        plain("seal", seal::run),
        dear("sender", sender::run, 5),
        dear("sources", sources::run, 5),
        plain("stamp", stamp::run),
        plain("unpacker", unpacker::run),
    ]
}
