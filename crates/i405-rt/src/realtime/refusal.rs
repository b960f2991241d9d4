//! Why the kernel refused SCHED_FIFO, and the exact remedy. It says `EPERM` for several reasons that have nothing in
//! common: no privilege; a privilege that doesn't count in a user namespace; a control group without a budget.

use std::fs;
use std::io;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use crate::platform::refused::Refused;
use crate::realtime::cgroup::CpuGroups;
use crate::realtime::priority::FIFO_PRIORITY;

/// CAP_SYS_NICE's bit (`linux/capability.h`).
const CAP_SYS_NICE: u32 = 23;

/// What decides it.
struct Facts {
    /// CAP_SYS_NICE is effective.
    capable: bool,
    /// RLIMIT_RTPRIO: highest real-time priority without the capability.
    rtprio: u64,
    /// In a user namespace other than the machine's.
    nested: bool,
    groups: CpuGroups,
    /// The program that the capability would be given to.
    program: String,
}

impl Facts {
    fn read() -> Facts {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let program = std::env::current_exe().map_or_else(|_| "node".to_owned(), |path| path.display().to_string());
        Facts {
            capable: effective(&status) >> CAP_SYS_NICE & 1 == 1,
            rtprio: getrlimit(Resource::Rtprio).current.unwrap_or(u64::MAX),
            nested: fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !covers_everybody(&map)),
            groups: CpuGroups::read(Path::new("/")),
            program,
        }
    }
}

pub(crate) fn effective(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// The machine's own user namespace maps all 2^32 - 1 users to themselves (user_namespaces(7)).
pub(crate) fn covers_everybody(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Why, as far as can be told.
pub fn explain(source: &io::Error) -> Refused {
    told(source, &Facts::read())
}

fn told(source: &io::Error, facts: &Facts) -> Refused {
    let rtprio = u64::from(FIFO_PRIORITY.unsigned_abs());
    if source.raw_os_error() != Some(libc::EPERM) {
        return Refused::new(
            "this kernel or its sandbox has no real-time scheduling",
            "Allow sched_setscheduler there",
        );
    }
    let by_capability = facts.capable && !facts.nested;
    if !by_capability && facts.rtprio < rtprio {
        let limit = facts.rtprio;
        if facts.nested && facts.capable {
            return Refused::new(
                format!(
                    "CAP_SYS_NICE does not count in a user namespace (a rootless container), and the rtprio limit is {limit}"
                ),
                format!("Start it with an rtprio limit of {rtprio} or more (podman run --ulimit rtprio={rtprio})"),
            );
        }
        return Refused::new(
            format!("the program has no CAP_SYS_NICE, and the rtprio limit is {limit} where {rtprio} is needed"),
            format!(
                "Run sudo setcap cap_sys_nice+ep {}, or set LimitRTPRIO={rtprio} in its unit, or rtprio {rtprio} in \
                 limits.conf",
                facts.program
            ),
        );
    }
    if let Some(budget) = facts.groups.budget.as_ref().filter(|budget| budget.runtime_us == 0) {
        let file = budget.file.display();
        return Refused::new(
            format!(
                "the privilege is there, but the control group has no real-time budget ({file} is 0; \
                 CONFIG_RT_GROUP_SCHED)"
            ),
            format!(
                "Give it one, and first the groups above it: echo {} | sudo tee {file}",
                budget.period_us / 20 * 19
            ),
        );
    }
    if let Some(folder) = &facts.groups.unified {
        return Refused::new(
            format!(
                "the privilege is there, but groups have no real-time budget in version 2 of cgroups with \
                 CONFIG_RT_GROUP_SCHED, and this program is in {}",
                folder.display()
            ),
            "Start it in the root group (echo $$ | sudo tee /sys/fs/cgroup/cgroup.procs before it), or boot with \
             rt_group_sched=0 (from Linux 6.16 on)",
        );
    }
    Refused::new(
        "the privilege is there, so a sandbox (seccomp, a security module) forbids it",
        "Allow sched_setscheduler there",
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::realtime::cgroup::{Budget, IdleReach};

    fn facts() -> Facts {
        let groups = CpuGroups { budget: None, unified: None, idle: IdleReach::Everybody };
        Facts { capable: true, rtprio: 0, nested: false, groups, program: "/opt/node".to_owned() }
    }

    fn why(facts: &Facts) -> String {
        told(&io::Error::from_raw_os_error(libc::EPERM), facts).to_string()
    }

    #[test]
    fn without_a_privilege_the_capability_and_the_limit_are_named() {
        let text = why(&Facts { capable: false, rtprio: 10, ..facts() });
        assert!(text.contains("no CAP_SYS_NICE") && text.contains("limit is 10 where 45"), "{text}");
        assert!(text.contains("setcap cap_sys_nice+ep /opt/node"), "{text}");
    }

    #[test]
    fn in_a_user_namespace_only_the_limit_counts() {
        let text = why(&Facts { nested: true, ..facts() });
        assert!(text.contains("user namespace") && text.contains("--ulimit rtprio=45"), "{text}");
    }

    #[test]
    fn a_group_without_a_budget_is_told_with_its_file() {
        let budget = Budget { file: PathBuf::from("/x/cpu.rt_runtime_us"), runtime_us: 0, period_us: 1_000_000 };
        let text = why(&Facts { groups: CpuGroups { budget: Some(budget), ..facts().groups }, ..facts() });
        assert!(text.contains("echo 950000 | sudo tee /x/cpu.rt_runtime_us"), "{text}");
        let text =
            why(&Facts { groups: CpuGroups { unified: Some(PathBuf::from("/y")), ..facts().groups }, ..facts() });
        assert!(text.contains("in /y") && text.contains("rt_group_sched=0"), "{text}");
    }

    #[test]
    fn with_everything_in_order_it_is_a_sandbox() {
        assert!(why(&facts()).contains("seccomp"));
        assert!(told(&io::Error::from_raw_os_error(libc::ENOSYS), &facts()).remedy.contains("sched_setscheduler"));
    }

    #[test]
    fn the_kernels_files_are_read() {
        assert_eq!(effective("CapPrm:\t0000000000000000\nCapEff:\t0000000000800000\n") >> CAP_SYS_NICE, 1);
        assert!(covers_everybody("         0          0 4294967295\n"));
        assert!(!covers_everybody("         0       1000          1\n"));
    }
}
