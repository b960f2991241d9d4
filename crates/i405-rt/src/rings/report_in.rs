//! The peer's reports, on their way from the receiver to the reporter.

use i405_proto::report::Report;

/// Reports that wait for the reporter: it looks when one comes, and a peer that keeps to the protocol sends one a second.
pub const REPORT_CAPACITY: usize = 64;

/// A report of the peer's, as the receiver hands it over.
#[derive(Clone, Copy, Debug)]
pub struct ReportIn {
    pub(crate) generation: u32,
    pub(crate) report: Report,
    /// None: it waited for other datagrams, so its arrival tells nothing.
    pub(crate) received_ns: Option<u64>,
}
