//! These types cross from one thread to another without a lock: commands, packets, records, events, counters.
//! Nothing here waits.

pub mod command;
pub mod event;
pub mod heard;
pub mod packet_ring;
pub mod queue;
pub mod record;
pub mod report_in;
pub mod stats;
