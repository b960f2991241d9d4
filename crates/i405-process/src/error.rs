//! The crate's one error type. Each names what could not be done; codes are stable and reach the user.

use std::io;

/// Why something of the process could not be had or given up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Privileges could not be given up.
    #[error("{reason}")]
    Privileges {
        /// What is in the way and what to do about it, without a full stop.
        reason: String,
    },
    /// An argument makes no sense.
    #[error("{0}")]
    Argument(String),
    /// Another system call failed.
    #[error("cannot {what}: {source}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Error {
    /// The stable code that users see.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Privileges { .. } => "ERR_I405_PRIVILEGES",
            Error::Argument(_) => "ERR_I405_ARGUMENT",
            Error::System { .. } => "ERR_I405_SYSTEM",
        }
    }

    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::System { what, source }
    }
}
