//! What the kernel doesn't give, and what a person can do about it.

use std::fmt;

/// Two texts, because a warning tells them apart and an error one after the other. Neither ends with a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is missing.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl Refused {
    /// With both texts.
    pub fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Refused { reason: reason.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}. {}", self.reason, self.remedy)
    }
}
