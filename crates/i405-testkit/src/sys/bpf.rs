//! Which BPF programs the kernel has loaded.

use std::io;

/// linux/bpf.h: `BPF_PROG_GET_NEXT_ID`.
const PROG_GET_NEXT_ID: libc::c_int = 11;

/// `union bpf_attr`, the part for ids.
#[repr(C)]
struct NextId {
    start_id: u32,
    next_id: u32,
    open_flags: u32,
}

/// Their ids, which the kernel doesn't use a second time soon.
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN.
pub fn programs() -> io::Result<Vec<u32>> {
    let mut ids = Vec::new();
    let mut attributes = NextId { start_id: 0, next_id: 0, open_flags: 0 };
    loop {
        // SAFETY: the pointer is to a live value of that size, which the kernel fills in.
        let outcome =
            unsafe { libc::syscall(libc::SYS_bpf, PROG_GET_NEXT_ID, &raw mut attributes, size_of::<NextId>()) };
        if outcome < 0 {
            let error = io::Error::last_os_error();
            // After the last one.
            return if error.raw_os_error() == Some(libc::ENOENT) { Ok(ids) } else { Err(error) };
        }
        ids.push(attributes.next_id);
        attributes.start_id = attributes.next_id;
    }
}
