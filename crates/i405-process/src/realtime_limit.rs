//! The right to come back to SCHED_FIFO once the capability is gone.
//!
//! A thread that never pauses steps down into the ordinary class and up again four times a second (`breath`), long
//! after the process has given up its privileges. Stepping up takes CAP_SYS_NICE or a limit. The limit gives away less,
//! because it is about the process's own threads only.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

/// RLIMIT_NICE counts down from here, so that it is positive: getrlimit(2).
const NICE_LIMIT_ZERO: i32 = 20;

/// By what the threads of this process can come back to SCHED_FIFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// By their limit, which capabilities don't matter for.
    Limit,
    /// By CAP_SYS_NICE only.
    Capability,
    /// Not at all.
    None,
}

/// Raises the limits of this process that a timed thread needs (RLIMIT_RTPRIO, RLIMIT_NICE), as far as they are lower
/// and the process may, which takes CAP_SYS_RESOURCE. Children inherit them. `fifo_priority` and `ordinary_nice` are
/// what timed threads have in either class.
pub fn reserve(fifo_priority: i32, ordinary_nice: i32) -> Right {
    // Without it the ordinary class is at nice 0, where slots are missed sooner; nothing that the schedule depends on.
    let _ = raise(Resource::Nice, NICE_LIMIT_ZERO - ordinary_nice);
    let nice = CapabilitySet::SYS_NICE;
    if raise(Resource::Rtprio, fifo_priority) {
        Right::Limit
    } else if capabilities(None).is_ok_and(|own| own.effective.contains(nice)) {
        Right::Capability
    } else {
        Right::None
    }
}

fn raise(resource: Resource, wanted: i32) -> bool {
    let wanted = u64::from(wanted.unsigned_abs());
    let Rlimit { current, maximum } = getrlimit(resource);
    // None is no limit.
    if current.is_none_or(|current| current >= wanted) {
        return true;
    }
    let maximum = maximum.map(|maximum| maximum.max(wanted));
    setrlimit(resource, Rlimit { current: Some(wanted), maximum }).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_the_limit_afterwards() {
        let before = getrlimit(Resource::Rtprio);
        let reserved = reserve(45, -5);
        let after = getrlimit(Resource::Rtprio);
        if reserved == Right::Limit {
            assert!(after.current.is_none_or(|limit| limit >= 45), "{after:?}");
        } else {
            assert_eq!(after, before, "a refusal changes nothing");
        }
        assert_eq!(reserve(45, -5), reserved, "once more changes nothing");
        assert_eq!(getrlimit(Resource::Rtprio), after);
        let own = capabilities(None).unwrap().effective;
        if own.contains(CapabilitySet::SYS_RESOURCE) {
            assert_eq!(reserved, Right::Limit, "this is the capability for it");
        }
        if !own.contains(CapabilitySet::SYS_NICE) {
            assert_ne!(reserved, Right::Capability);
        }
    }
}
