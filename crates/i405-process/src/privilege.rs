//! Giving up privileges: capabilities, the way to get them back, and the user, in every thread of the process.
//!
//! 1. `find_user` looks names up, while that can still fail without harm.
//! 2. `give_up` lets each thread give up its own (`sys::everywhere`). Then it looks at `/proc`, again and again until
//!    no thread is left that has more than it should: a thread that starts meanwhile inherits what the one that starts
//!    it has.
//!
//! Every capability goes but those to keep, from the permitted, effective, inheritable, ambient and (with CAP_SETPCAP)
//! bounding set. `no_new_privs` is set, so that no program with a setuid bit or file capabilities gives anything back.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::unistd::{Gid as NixGid, Group, User, getgrouplist};
use rustix::process::{Gid, Pid, Uid, dumpable_behavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, CpuSet, capabilities, clear_ambient_capability_set, gettid,
    remove_capability_from_bounding_set, sched_getaffinity, sched_setaffinity, set_capabilities, set_keep_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::error::Error;
use i405_sys::everywhere::with_signal;
use i405_sys::sched;

/// A thread answers within microseconds once it runs; this much is for a machine that is busy, or stopped for a while.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at `/proc`.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Who the process is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Main group.
    pub gid: u32,
    /// All groups.
    pub groups: Vec<u32>,
}

/// What is left afterwards.
#[derive(Clone, Debug)]
struct Wanted {
    keep: CapabilitySet,
    user: Option<(Uid, Gid, Vec<Gid>)>,
}

/// For the signal handler, which has no arguments and may not take a lock: written once, before the first signal.
static WANTED: OnceLock<Wanted> = OnceLock::new();
static REFUSED: AtomicI32 = AtomicI32::new(0);

fn refused(reason: String) -> Error {
    Error::Privileges { reason }
}

/// The user and group of these names or numbers. Without a group: the user's own ones.
///
/// # Errors
/// [`Error::Privileges`] for a name that nobody has, and where this process may not become that user.
pub fn find_user(user: &str, group: Option<&str>) -> Result<Identity, Error> {
    let looked_up = |errno: nix::Error| refused(format!("the user \"{user}\" cannot be looked up: {errno}"));
    let found = match user.parse::<u32>() {
        Ok(uid) => User::from_uid(uid.into()).map_err(looked_up)?,
        Err(_) => User::from_name(user).map_err(looked_up)?,
    };
    let group_id = group.map(find_group).transpose()?;
    let identity = match (found, user.parse::<u32>(), group_id) {
        (_, Ok(uid), Some(gid)) => Identity { uid, gid, groups: vec![gid] },
        (Some(user), _, Some(gid)) => Identity { uid: user.uid.as_raw(), gid, groups: vec![gid] },
        (Some(user), _, None) => {
            // A name with a zero byte can't have been found.
            let name = CString::new(user.name).unwrap_or_default();
            let groups = getgrouplist(&name, user.gid).unwrap_or_else(|_| vec![user.gid]);
            let groups = groups.into_iter().map(NixGid::as_raw).collect();
            Identity { uid: user.uid.as_raw(), gid: user.gid.as_raw(), groups }
        }
        (None, Ok(uid), None) => {
            return Err(refused(format!("the number {uid} belongs to no user, so its group is needed: {uid}:GROUP")));
        }
        (None, Err(_), _) => {
            return Err(refused(format!("there is no user \"{user}\" (useradd --system {user} makes one)")));
        }
    };
    let own = capabilities(None).map_err(|errno| Error::system("read the capabilities")(errno.into()))?;
    let changes = rustix::process::geteuid().as_raw() != identity.uid;
    if changes && !own.effective.contains(CapabilitySet::SETUID | CapabilitySet::SETGID) {
        return Err(refused(format!("only root can become the user \"{user}\". Start it as root, or as that user")));
    }
    Ok(identity)
}

fn find_group(group: &str) -> Result<u32, Error> {
    if let Ok(gid) = group.parse() {
        return Ok(gid);
    }
    let found = Group::from_name(group)
        .map_err(|errno| refused(format!("the group \"{group}\" cannot be looked up: {errno}")))?;
    found.map(|group| group.gid.as_raw()).ok_or_else(|| refused(format!("there is no group \"{group}\"")))
}

/// Gives up every capability but `keep` (bits as in `linux/capability.h`; those that the process lacks stay lacking),
/// and becomes `user`. This is for the whole process and for good, and it is done once in its life.
///
/// # Errors
/// [`Error::Privileges`] for a second time, for what the kernel refuses, and for a thread that does not answer. Then
/// some threads may have given up what others have: the process should end.
pub fn give_up(keep: u64, user: Option<&Identity>) -> Result<(), Error> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let user = user.map(|Identity { uid, gid, groups }| {
        (Uid::from_raw(*uid), Gid::from_raw(*gid), groups.iter().copied().map(Gid::from_raw).collect())
    });
    let wanted = Wanted { keep: CapabilitySet::from_bits_retain(keep), user };
    WANTED.set(wanted).map_err(|_| refused("privileges are given up once, and that is done".to_owned()))?;
    let wanted = WANTED.get().ok_or_else(|| refused("nothing is wanted".to_owned()))?;
    let dumpable = dumpable_behavior();
    let _lifted = Lifted::idle_threads();

    with_signal(take_on, |signal| {
        take_on();
        let own = gettid();
        let since = Instant::now();
        let mut asked = BTreeSet::new();
        loop {
            let refusal = REFUSED.load(Ordering::Acquire);
            if refusal != 0 {
                let error = io::Error::from_raw_os_error(refusal);
                return Err(refused(format!("the kernel refused to take privileges away: {error}")));
            }
            let left = threads_left(wanted)?;
            if left.is_empty() {
                return Ok(());
            }
            if since.elapsed() > PATIENCE || left.contains(&own) {
                let count = left.len();
                return Err(refused(format!("{count} threads of this process still have their privileges")));
            }
            left.into_iter().filter(|tid| asked.insert(tid.as_raw_nonzero())).for_each(signal);
            sleep(LOOK_EVERY);
        }
    })
    .map_err(Error::system("reach every thread"))??;
    // The kernel makes a process that changes its user undumpable, and forgets what was chosen.
    if let Ok(behavior) = dumpable {
        let _ = set_dumpable_behavior(behavior);
    }
    Ok(())
}

/// Runs in a signal handler.
fn take_on() {
    let Some(wanted) = WANTED.get() else { return };
    if let Err(errno) = try_to_take_on(wanted) {
        REFUSED.store(errno.raw_os_error(), Ordering::Release);
    }
}

fn try_to_take_on(Wanted { keep, user }: &Wanted) -> rustix::io::Result<()> {
    set_no_new_privs(true)?;
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        // EPERM without CAP_SETPCAP, EINVAL behind the last one that this kernel knows.
        if !keep.contains(capability) && remove_capability_from_bounding_set(capability).is_err() {
            break;
        }
    }
    // Kernels without ambient capabilities have none to clear.
    let _ = clear_ambient_capability_set();
    if let Some((uid, gid, groups)) = user {
        // Without this the change of the user would take the ones to keep as well.
        set_keep_capabilities(!keep.is_empty())?;
        if rustix::process::geteuid() != *uid || rustix::process::getegid() != *gid {
            set_thread_groups(groups)?;
            set_thread_res_gid(*gid, *gid, *gid)?;
            set_thread_res_uid(*uid, *uid, *uid)?;
        }
    }
    let permitted = capabilities(None)?.permitted & *keep;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: permitted, permitted, inheritable: none })
}

/// Threads of idle priority. For as long as this lives they are in the ordinary class, or, where that isn't permitted,
/// allowed on any core: beside a thread that never pauses a burner would not get a turn to answer in.
struct Lifted(Vec<(Pid, Before)>);

/// What is to be put back.
enum Before {
    Idle,
    On(CpuSet),
}

impl Lifted {
    fn idle_threads() -> Self {
        let idle = threads().unwrap_or_default().into_iter().filter(|tid| sched::is_idle(*tid));
        Lifted(idle.filter_map(|tid| Some((tid, lift(tid)?))).collect())
    }
}

fn lift(tid: Pid) -> Option<Before> {
    if sched::set_ordinary(tid).is_ok() {
        return Some(Before::Idle);
    }
    let before = sched_getaffinity(Some(tid)).ok()?;
    let mut every = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|cpu| every.set(cpu));
    sched_setaffinity(Some(tid), &every).ok()?;
    Some(Before::On(before))
}

impl Drop for Lifted {
    fn drop(&mut self) {
        // The number of a thread that has ended meanwhile may be another's by now.
        let alive = threads().unwrap_or_default();
        for (tid, before) in self.0.iter().filter(|(tid, _)| alive.contains(tid)) {
            // Neither takes a privilege.
            let _ = match before {
                Before::Idle => sched::set_idle(*tid),
                Before::On(cores) => sched_setaffinity(Some(*tid), cores).map_err(Into::into),
            };
        }
    }
}

/// Of this process.
fn threads() -> Result<Vec<Pid>, Error> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc/self/task").map_err(Error::system("list the threads"))? {
        let name = entry.map_err(Error::system("list the threads"))?.file_name();
        all.extend(name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw));
    }
    Ok(all)
}

/// The threads that have more than they should.
fn threads_left(wanted: &Wanted) -> Result<Vec<Pid>, Error> {
    let has_more = |tid: &Pid| {
        let status = fs::read_to_string(format!("/proc/self/task/{}/status", tid.as_raw_nonzero()));
        // A thread that has ended meanwhile has no status any more.
        status.is_ok_and(|status| !is_as_wanted(&status, wanted))
    };
    Ok(threads()?.into_iter().filter(has_more).collect())
}

fn is_as_wanted(status: &str, Wanted { keep, user }: &Wanted) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let set = |name| field(name).and_then(|mask| u64::from_str_radix(mask, 16).ok());
    let within = |name| set(name).is_some_and(|has| has & !keep.bits() == 0);
    // A kernel without ambient capabilities doesn't show them.
    let cleared = |name| set(name).unwrap_or(0) == 0;
    let is = |name, id: u32| field(name).is_some_and(|ids| ids.split_whitespace().all(|one| one.parse() == Ok(id)));
    let user_is = user.as_ref().is_none_or(|(uid, gid, _)| is("Uid:", uid.as_raw()) && is("Gid:", gid.as_raw()));
    let sets = within("CapPrm:") && within("CapEff:") && cleared("CapInh:") && cleared("CapAmb:");
    sets && user_is && field("NoNewPrivs:") == Some("1")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tnode\nUid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\nCapInh:\t0000000000000000\n\
                          CapPrm:\t0000000000001000\nCapEff:\t0000000000001000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n";

    fn wanted(keep: u64, user: Option<(u32, u32)>) -> Wanted {
        let user = user.map(|(uid, gid)| (Uid::from_raw(uid), Gid::from_raw(gid), Vec::new()));
        Wanted { keep: CapabilitySet::from_bits_retain(keep), user }
    }

    #[test]
    fn a_thread_is_done_when_nothing_is_left_but_what_is_kept() {
        assert!(is_as_wanted(STATUS, &wanted(1 << 12, Some((7, 8)))));
        assert!(!is_as_wanted(STATUS, &wanted(0, None)), "a capability too many");
        assert!(!is_as_wanted(STATUS, &wanted(1 << 12, Some((7, 9)))), "another group");
        assert!(!is_as_wanted(STATUS, &wanted(1 << 12, Some((6, 8)))), "another user");
        for line in ["CapInh:", "CapAmb:"] {
            let more = STATUS.replace(&format!("{line}\t0000000000000000"), &format!("{line}\t0000000000001000"));
            assert!(!is_as_wanted(&more, &wanted(1 << 12, None)), "{line}: what a child would inherit");
        }
        assert!(!is_as_wanted(&STATUS.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0"), &wanted(1 << 12, None)));
        assert!(!is_as_wanted("", &wanted(0, None)), "a status that can't be read proves nothing");
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        let root = find_user("root", None);
        let error = find_user("no-such-user-here", None).unwrap_err();
        assert_eq!(error.code(), "ERR_I405_PRIVILEGES");
        assert!(error.to_string().contains("no-such-user-here"));
        assert!(find_user("4123456789", None).unwrap_err().to_string().contains("4123456789:GROUP"));
        assert!(find_user("root", Some("no-such-group-here")).unwrap_err().to_string().contains("no-such-group-here"));
        if rustix::process::geteuid().is_root() {
            let root = root.unwrap();
            assert_eq!((root.uid, root.gid), (0, 0));
            assert!(root.groups.contains(&0));
            let numbers = find_user("12345", Some("54321")).unwrap();
            assert_eq!(numbers, Identity { uid: 12345, gid: 54321, groups: vec![54321] });
        }
    }
}
