//! A slot that was handed to the kernel, on its way to who looks for its timestamp.

/// What became of a slot at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The kernel took it, to send at once.
    Called,
    /// The kernel took it with a launch time, long before it.
    Launched,
    /// The kernel took it with a launch time close by.
    LaunchedLate,
    /// The kernel refused it.
    Refused,
}

/// A slot that was handed to the kernel. CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handed {
    /// The clock at the call.
    pub called_ns: u64,
    /// When the slot was to leave.
    pub deadline_ns: u64,
    /// What the kernel said.
    pub fate: Fate,
}
