//! The reporter does what the other threads must not wait for. It wraps handshake copies, counts lateness, matches timestamps,
//! knows the path, and tells the program.

pub mod carousel;
pub mod departures;
pub mod distribution;
pub mod matching;
pub mod pace;
pub mod path;
pub mod recorder;
pub mod reporter;
pub mod shared;
pub mod spin_watch;
pub mod warnings;
pub mod window;
