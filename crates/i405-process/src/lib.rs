//! What the process as a whole is to the machine: its privileges and limits, its service manager, who connects to its status
//! socket. No tunnel needs any of this, and nothing here knows of one.

pub mod error;
pub mod peer;
pub mod privilege;
pub mod realtime_limit;
pub mod service;

pub use error::Error;
