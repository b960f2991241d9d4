//! Panics of a tunnel's threads: they end the tunnel, and the process goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does `work`.
///
/// # Errors
/// What it says as it panics. What it had borrowed may be half changed then.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let literal = panic.downcast_ref::<&str>().map(|reason| (*reason).to_owned());
        let reason = literal.or_else(|| panic.downcast_ref::<String>().cloned());
        reason.unwrap_or_else(|| "unknown reason".to_owned())
    })
}
