//! The control groups that this process's CPU time comes from, as far as they change what scheduling classes mean.
//!
//! Version 1 of cgroups has a file per group for real-time budgets (`CONFIG_RT_GROUP_SCHED`). Version 2 has none, and
//! groups other than the root get no budget there. SCHED_IDLE yields only to threads of its own group: between groups,
//! and between sessions under autogrouping, weights decide (sched(7), "The autogroup feature").

use std::fs;
use std::path::{Path, PathBuf};

/// Where version 1 mounts the controller: by itself, or as distributions do together with accounting.
const MOUNTS_V1: [&str; 2] = ["sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"];
/// Where version 2 is mounted: alone, or beside version 1.
const MOUNTS_V2: [&str; 2] = ["sys/fs/cgroup", "sys/fs/cgroup/unified"];

/// A group's real-time budget of version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// `cpu.rt_runtime_us` of the group.
    pub file: PathBuf,
    /// Microseconds of each period that the group's real-time threads may run; 0: none may exist.
    pub runtime_us: i64,
    /// `cpu.rt_period_us`.
    pub period_us: i64,
}

/// To whom a thread of the idle class yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdleReach {
    /// To every ordinary thread of the machine.
    Everybody,
    /// To those of its own group; the group's folder.
    Group(PathBuf),
    /// To those of its own session, because of autogrouping.
    Session,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuGroups {
    /// Version 1, with `CONFIG_RT_GROUP_SCHED`.
    pub budget: Option<Budget>,
    /// Version 2: the nearest group above this process, other than the root, that shares out CPU time.
    pub unified: Option<PathBuf>,
    /// To whom the idle class yields.
    pub idle: IdleReach,
}

impl CpuGroups {
    /// Reads `/proc` and `/sys` below `root`, which is `/` but in tests.
    pub fn read(root: &Path) -> CpuGroups {
        let membership = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let (v1, v2) = memberships(&membership);
        let v1 = v1.and_then(|path| existing(root, &MOUNTS_V1, path));
        let budget = v1.as_deref().and_then(budget_of);
        let unified = v2.and_then(|path| MOUNTS_V2.iter().find_map(|mount| sharing(&root.join(mount), path)));
        let within_v1 = v1.filter(|folder| !MOUNTS_V1.iter().any(|mount| root.join(mount) == *folder));
        let autogroups = number(&root.join("proc/sys/kernel/sched_autogroup_enabled")) == Some(1);
        let idle = match within_v1.or_else(|| unified.clone()) {
            Some(folder) if number(&folder.join("cpu.idle")) != Some(1) => IdleReach::Group(folder),
            Some(_) => IdleReach::Everybody,
            // Autogroups divide up the root group only.
            None if autogroups => IdleReach::Session,
            None => IdleReach::Everybody,
        };
        CpuGroups { budget, unified, idle }
    }
}

/// Paths of the process in the hierarchy of the cpu controller and in the unified one.
pub(crate) fn memberships(text: &str) -> (Option<&str>, Option<&str>) {
    let mut found = (None, None);
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
        if controllers.is_empty() {
            found.1 = Some(path);
        } else if controllers.split(',').any(|controller| controller == "cpu") {
            found.0 = Some(path);
        }
    }
    found
}

fn existing(root: &Path, mounts: &[&str], path: &str) -> Option<PathBuf> {
    let inside = path.trim_start_matches('/');
    let folders = mounts.iter().map(|mount| root.join(mount));
    // `join` of nothing would leave a slash at the end.
    folders.map(|folder| if inside.is_empty() { folder } else { folder.join(inside) }).find(|folder| folder.is_dir())
}

fn budget_of(folder: &Path) -> Option<Budget> {
    let file = folder.join("cpu.rt_runtime_us");
    let (runtime_us, period_us) = (number(&file)?, number(&folder.join("cpu.rt_period_us"))?);
    Some(Budget { file, runtime_us, period_us })
}

/// The nearest folder from `path` upwards that has a weight; the machine's root group has none.
fn sharing(mount: &Path, path: &str) -> Option<PathBuf> {
    let mut folder = mount.join(path.trim_start_matches('/'));
    loop {
        if folder.join("cpu.weight").exists() {
            return Some(folder);
        }
        if folder == mount || !folder.pop() || !folder.starts_with(mount) {
            return None;
        }
    }
}

fn number(file: &Path) -> Option<i64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine of these files, gone with the value.
    struct Pretended(PathBuf);

    impl Pretended {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("i405-cgroup-{}-{name}", std::process::id()));
            for (file, text) in files {
                let file = root.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            Pretended(root)
        }
    }

    impl Drop for Pretended {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn version_1_has_a_budget_file_per_group() {
        let machine = Pretended::new(
            "v1",
            &[
                ("proc/self/cgroup", "4:memory:/a\n3:cpu,cpuacct:/ours\n0::/\n"),
                ("sys/fs/cgroup/cpu,cpuacct/ours/cpu.rt_runtime_us", "0\n"),
                ("sys/fs/cgroup/cpu,cpuacct/ours/cpu.rt_period_us", "1000000\n"),
            ],
        );
        let found = CpuGroups::read(&machine.0);
        let folder = machine.0.join("sys/fs/cgroup/cpu,cpuacct/ours");
        let budget = Budget { file: folder.join("cpu.rt_runtime_us"), runtime_us: 0, period_us: 1_000_000 };
        assert_eq!(found, CpuGroups { budget: Some(budget), unified: None, idle: IdleReach::Group(folder) });
    }

    #[test]
    fn the_root_group_of_version_1_yields_to_everybody_unless_sessions_are_grouped() {
        let files = [
            ("proc/self/cgroup", "1:cpu:/\n0::/\n"),
            ("sys/fs/cgroup/cpu/cpu.rt_runtime_us", "950000\n"),
            ("sys/fs/cgroup/cpu/cpu.rt_period_us", "1000000\n"),
            ("proc/sys/kernel/sched_autogroup_enabled", "0\n"),
        ];
        let machine = Pretended::new("root", &files);
        let found = CpuGroups::read(&machine.0);
        assert_eq!(found.idle, IdleReach::Everybody);
        assert_eq!(found.budget.map(|budget| budget.runtime_us), Some(950_000));
        fs::write(machine.0.join("proc/sys/kernel/sched_autogroup_enabled"), "1\n").unwrap();
        assert_eq!(CpuGroups::read(&machine.0).idle, IdleReach::Session);
    }

    #[test]
    fn version_2_groups_share_from_the_nearest_weight_upwards_unless_they_are_idle() {
        let files = [
            ("proc/self/cgroup", "0::/system.slice/i405.service\n"),
            ("sys/fs/cgroup/system.slice/cpu.weight", "100\n"),
            ("sys/fs/cgroup/system.slice/i405.service/cgroup.procs", "1\n"),
            ("proc/sys/kernel/sched_autogroup_enabled", "1\n"),
        ];
        let machine = Pretended::new("v2", &files);
        let slice = machine.0.join("sys/fs/cgroup/system.slice");
        let found = CpuGroups::read(&machine.0);
        assert_eq!(
            found,
            CpuGroups { budget: None, unified: Some(slice.clone()), idle: IdleReach::Group(slice.clone()) }
        );
        fs::write(slice.join("cpu.idle"), "1\n").unwrap();
        assert_eq!(CpuGroups::read(&machine.0).idle, IdleReach::Everybody);
    }

    #[test]
    fn a_machine_without_groups_is_one_group() {
        let machine = Pretended::new("none", &[("proc/self/stat", "")]);
        let nothing = CpuGroups { budget: None, unified: None, idle: IdleReach::Everybody };
        assert_eq!(CpuGroups::read(&machine.0), nothing);
    }
}
