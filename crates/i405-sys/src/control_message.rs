//! What is inside control messages (cmsg(3)).

/// Whether a control message of `length`, its header counted, holds a `T`.
pub(crate) fn holds<T>(length: usize) -> bool {
    // SAFETY: arithmetic only.
    length >= unsafe { libc::CMSG_LEN(size_of::<T>() as libc::c_uint) } as usize
}

/// Of the kernel, which says nothing negative and nothing after the year 2554; what it can't have said just wraps.
pub(crate) fn nanoseconds(time: &libc::timespec) -> u64 {
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}
