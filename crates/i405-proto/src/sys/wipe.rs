//! Key material that is zeroed when it is dropped.
//!
//! `ring` leaves its expanded keys in memory when a context is dropped. Here such a context lives in one heap
//! allocation that never moves, and that allocation is overwritten before it is freed. What the making of the context
//! left on the stack is overwritten too, as far as a program can: copies in registers or in frames deeper than
//! `SCRUBBED` are out of reach.

use std::mem::{MaybeUninit, needs_drop};
use std::ops::Deref;

use zeroize::Zeroize;

/// Bytes of stack overwritten after a context was built: key schedules take less than 1 KiB, twice or thrice.
const SCRUBBED: usize = 8192;

/// A value on the heap whose bytes are zeroed on drop. For plain data only: the value's own `Drop` never runs.
pub(crate) struct Wiped<T> {
    value: Box<MaybeUninit<T>>,
}

impl<T> Wiped<T> {
    /// Builds the value in a stack frame of its own, moves it to the heap, and overwrites that part of the stack.
    pub(crate) fn build(make: impl FnOnce() -> T) -> Self {
        const { assert!(!needs_drop::<T>(), "the value would be wiped instead of dropped") };
        let wiped = Self::build_apart(make);
        scrub_stack();
        wiped
    }

    #[inline(never)]
    fn build_apart(make: impl FnOnce() -> T) -> Self {
        Self { value: Box::new(MaybeUninit::new(make())) }
    }
}

impl<T> Deref for Wiped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `build` is the only way to make a `Wiped`, and it initialises the value. Nothing but `drop` writes
        // to it afterwards, and `drop` has the last access.
        unsafe { self.value.assume_init_ref() }
    }
}

impl<T> Drop for Wiped<T> {
    fn drop(&mut self) {
        // Volatile writes of zeros over every byte, padding included. `T` need not have a valid all-zero value,
        // because from here on the memory is only that of a `MaybeUninit`.
        self.value.zeroize();
    }
}

#[inline(never)]
fn scrub_stack() {
    let mut below = [0u8; SCRUBBED];
    below.zeroize();
}

/// Bytes of stack overwritten after keys went through several calls: more than their frames take together.
const SCRUBBED_DEEP: usize = 64 * 1024;

/// Runs `work`, in whose frames keys are moved about, and overwrites the stack that it used. A move copies, and what it
/// moves from stays there until something else needs the place.
pub fn with_clean_stack<T>(work: impl FnOnce() -> T) -> T {
    let result = apart(work);
    scrub_stack_deep();
    result
}

#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn scrub_stack_deep() {
    let mut below = [0u8; SCRUBBED_DEEP];
    below.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_value() {
        let wiped = Wiped::build(|| [7u8; 40]);
        assert_eq!(*wiped, [7u8; 40]);
    }

    #[test]
    fn promise_keys_zeroed() {
        let mut wiped = std::mem::ManuallyDrop::new(Wiped::build(|| [0xa5u8; 64]));
        // The destructor's body by itself, so that the allocation can still be looked at.
        wiped.value.zeroize();
        // SAFETY: every byte of an array of bytes is initialised, to zero by now.
        let left = unsafe { wiped.value.assume_init_ref() };
        assert_eq!(*left, [0u8; 64]);
        drop(std::mem::ManuallyDrop::into_inner(wiped));
    }
}
