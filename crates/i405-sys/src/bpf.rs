//! bpf(2): loading a program for an interface's egress hook, attaching it there, and the counters that it shares with us.
//!
//! A link and what it holds end with their descriptor, also after SIGKILL, so nothing of them can stay behind.

use std::ffi::c_void;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::btf;

/// linux/bpf.h: `enum bpf_cmd`.
const BPF_MAP_CREATE: i32 = 0;
const BPF_PROG_LOAD: i32 = 5;
const BPF_BTF_LOAD: i32 = 18;
const BPF_LINK_CREATE: i32 = 28;
/// `enum bpf_map_type`, `bpf_prog_type`, `bpf_attach_type`.
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;
const BPF_TCX_EGRESS: u32 = 47;
/// Map flag: it can be mapped into memory (Linux 5.5).
const BPF_F_MMAPABLE: u32 = 1 << 10;
/// None of the helpers that we call is reserved for the GPL.
const LICENSE: &[u8] = b"MIT\0";
/// Levels of the verifier's log: why a program is refused, and each instruction of each of its ways.
const REASONS: u32 = 1;
const EVERYTHING: u32 = 2;
/// The verifier's words, where it refuses a program: its last line says why.
const LOG_BYTES: usize = 64 * 1024;

/// One instruction: linux/bpf.h `struct bpf_insn`, as the number that its eight bytes are.
pub type Instruction = u64;

/// A program, before it is loaded.
#[derive(Clone, Debug)]
pub struct Program {
    /// At most 15 bytes of it are kept.
    pub name: &'static str,
    /// All of it.
    pub instructions: Vec<Instruction>,
    /// Where a function begins that a helper calls with a number and a pointer, if there is one.
    pub callback: Option<usize>,
}

/// `union bpf_attr`, the part for `BPF_MAP_CREATE`.
#[repr(C)]
#[derive(Default)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
}

/// The part for `BPF_PROG_LOAD`.
#[repr(C)]
struct ProgramLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
}

/// A program and what the kernel has to know of it, which has to stay until it is loaded.
struct Loading<'a> {
    program: &'a Program,
    /// The types of its functions and, for each, where it begins and which type it has. Without a callback nobody asks.
    functions: Option<(OwnedFd, [[u32; 2]; 2])>,
}

impl<'a> Loading<'a> {
    fn of(program: &'a Program) -> io::Result<Self> {
        let functions = program.callback.map(|at| -> io::Result<_> {
            let types = btf::of_program_with_callback();
            let blob = BtfLoad { btf: types.as_ptr() as u64, btf_size: types.len() as u32, ..BtfLoad::default() };
            let loaded = descriptor(bpf(BPF_BTF_LOAD, &blob)?);
            Ok((loaded, [[0, btf::PROGRAM], [at as u32, btf::CALLBACK]]))
        });
        Ok(Loading { program, functions: functions.transpose()? })
    }

    /// For a program that stays where it is until the call is over.
    fn attributes(&self) -> ProgramLoad {
        let Program { name, instructions, .. } = self.program;
        let mut prog_name = [0; 16];
        // The last byte stays 0.
        for (place, byte) in prog_name.iter_mut().take(15).zip(name.bytes()) {
            *place = byte;
        }
        ProgramLoad {
            prog_type: BPF_PROG_TYPE_SCHED_CLS,
            insn_cnt: instructions.len() as u32,
            insns: instructions.as_ptr() as u64,
            license: LICENSE.as_ptr() as u64,
            log_level: 0,
            log_size: 0,
            log_buf: 0,
            kern_version: 0,
            prog_flags: 0,
            prog_name,
            prog_ifindex: 0,
            expected_attach_type: BPF_TCX_EGRESS,
            prog_btf_fd: self.functions.as_ref().map_or(0, |(types, _)| types.as_raw_fd().unsigned_abs()),
            func_info_rec_size: size_of::<[u32; 2]>() as u32,
            func_info: self.functions.as_ref().map_or(0, |(_, functions)| functions.as_ptr() as u64),
            func_info_cnt: self.functions.as_ref().map_or(0, |(_, functions)| functions.len() as u32),
            line_info_rec_size: 0,
        }
    }

    fn load_with_log(&self, level: u32) -> Result<(OwnedFd, Vec<u8>), LoadError> {
        let mut log = vec![0u8; LOG_BYTES];
        let mut attributes = self.attributes();
        (attributes.log_level, attributes.log_size) = (level, log.len() as u32);
        attributes.log_buf = log.as_mut_ptr() as u64;
        match bpf(BPF_PROG_LOAD, &attributes) {
            Ok(number) => Ok((descriptor(number), log)),
            Err(error) => Err(LoadError { error, verifier: last_words(&log) }),
        }
    }
}

/// The part for `BPF_BTF_LOAD`.
#[repr(C)]
#[derive(Default)]
struct BtfLoad {
    btf: u64,
    btf_log_buf: u64,
    btf_size: u32,
    btf_log_size: u32,
    btf_log_level: u32,
    padding: u32,
}

/// The part for `BPF_LINK_CREATE` at a tcx hook.
#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
    relative_fd: u32,
    padding: u32,
    expected_revision: u64,
}

fn bpf<T>(command: i32, attributes: &T) -> io::Result<i64> {
    // SAFETY: the pointer is to a live value of that size, which the kernel only reads; what it points to outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn descriptor(number: i64) -> OwnedFd {
    // SAFETY: the kernel has just made it for us, and nobody else knows it. Descriptors are ints.
    unsafe { OwnedFd::from_raw_fd(number as i32) }
}

/// Counters that a program in the kernel adds to: an array of one value, mapped here, so that reading needs no permission.
#[derive(Debug)]
pub struct SharedCounters {
    map: OwnedFd,
    values: NonNull<c_void>,
    length: usize,
}

// SAFETY: the mapping is shared memory of atomics that lives as long as this.
unsafe impl Send for SharedCounters {}
// SAFETY: as above; every access is atomic.
unsafe impl Sync for SharedCounters {}

impl SharedCounters {
    /// So many counters, all zero.
    ///
    /// # Errors
    /// `EPERM` without CAP_BPF where unprivileged programs are switched off; `ENOSYS`, `EINVAL` before Linux 5.5.
    pub fn new(counters: usize) -> io::Result<Self> {
        let length = counters * size_of::<u64>();
        let map = descriptor(bpf(
            BPF_MAP_CREATE,
            &MapCreate {
                map_type: BPF_MAP_TYPE_ARRAY,
                key_size: size_of::<u32>() as u32,
                value_size: length as u32,
                max_entries: 1,
                map_flags: BPF_F_MMAPABLE,
            },
        )?);
        // SAFETY: a new mapping of a descriptor of ours at an address that the kernel chooses.
        let values =
            unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, libc::MAP_SHARED, map.as_raw_fd(), 0) };
        if values == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let values = NonNull::new(values).ok_or_else(|| io::Error::other("mapped at address 0"))?;
        Ok(SharedCounters { map, values, length })
    }

    /// For instructions that name it.
    pub fn number(&self) -> i32 {
        self.map.as_raw_fd()
    }

    /// A counter.
    ///
    /// # Panics
    /// For one that isn't there.
    pub fn get(&self, counter: usize) -> u64 {
        assert!(counter < self.length / size_of::<u64>(), "counter {counter}");
        // SAFETY: within the mapping, aligned to eight bytes by the page and the index; the kernel writes it atomically.
        let value = unsafe { &*self.values.as_ptr().cast::<AtomicU64>().add(counter) };
        value.load(Ordering::Relaxed)
    }
}

impl Drop for SharedCounters {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference into it is left.
        unsafe { libc::munmap(self.values.as_ptr(), self.length) };
    }
}

/// A program that the kernel refused, and the verifier's last line about it, if it came to that.
#[derive(Debug)]
pub struct LoadError {
    /// `EPERM` without CAP_BPF and CAP_NET_ADMIN; `EINVAL` for an instruction that this kernel doesn't know.
    pub error: io::Error,
    /// Empty where the verifier said nothing.
    pub verifier: String,
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        LoadError { error, verifier: String::new() }
    }
}

/// Loads a program for an interface's hooks.
///
/// # Errors
/// [`LoadError`].
pub fn load(program: &Program) -> Result<OwnedFd, LoadError> {
    let loading = Loading::of(program)?;
    match bpf(BPF_PROG_LOAD, &loading.attributes()) {
        Ok(number) => Ok(descriptor(number)),
        // Only a second time with its words: the kernel refuses a program whose log found no room.
        Err(error) => {
            loading.load_with_log(REASONS).map(|(loaded, _)| loaded).map_err(|again| LoadError { error, ..again })
        }
    }
}

/// The verifier's words on a program that it accepts: each instruction as it reads it.
///
/// # Errors
/// As [`load`].
pub fn listing(program: &Program) -> Result<String, LoadError> {
    let (_, log) = Loading::of(program)?.load_with_log(EVERYTHING)?;
    Ok(String::from_utf8_lossy(&log).trim_end_matches('\0').to_owned())
}

/// The line before the statistics that end a verifier's log.
fn last_words(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log);
    let mut lines = text.trim_end_matches('\0').lines().rev();
    lines.find(|line| !line.starts_with("processed ")).unwrap_or_default().to_owned()
}

/// Attaches a program behind the others at an interface's egress hook, until the descriptor is closed.
///
/// # Errors
/// `EPERM` without CAP_NET_ADMIN, `EINVAL` before Linux 6.6, `ENODEV` for an interface that is gone.
pub fn attach_egress(program: BorrowedFd<'_>, interface: u32) -> io::Result<OwnedFd> {
    let attributes = LinkCreate {
        prog_fd: program.as_raw_fd().unsigned_abs(),
        target_ifindex: interface,
        attach_type: BPF_TCX_EGRESS,
        ..LinkCreate::default()
    };
    bpf(BPF_LINK_CREATE, &attributes).map(descriptor)
}

/// The number by which a program knows this socket's datagrams (SO_COOKIE): never used twice while the machine is up.
///
/// # Errors
/// What the kernel says.
pub fn socket_cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie = 0u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: both pointers are to live values, and the length is the first one's size.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_is_quoted_with_the_line_that_says_why() {
        let log = b"0: (95) exit\nR0 !read_ok\nprocessed 1 insns (limit 1000000) max_states_per_insn 0\n\0\0";
        assert_eq!(last_words(log), "R0 !read_ok");
        assert_eq!(last_words(b"\0\0"), "");
    }

    #[test]
    fn a_cookie_is_of_one_socket() {
        use std::os::fd::AsFd;
        let sockets = [(); 2].map(|()| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        let cookies = sockets.each_ref().map(|socket| socket_cookie(socket.as_fd()).unwrap());
        assert_ne!(cookies[0], cookies[1]);
        assert_eq!(socket_cookie(sockets[0].as_fd()).unwrap(), cookies[0]);
    }
}
