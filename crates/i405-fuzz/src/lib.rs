//! What is fuzzed: one function per target, which panics if something is wrong with what it was given.
//!
//! No fuzzer is in here. `fuzz/` runs these functions guided by coverage (docs/fuzzing.md); `tests/replay.rs` runs them
//! on stable Rust over the corpus and over mutations of it. A target says in its first lines what it holds to be true.
//!
//! Read `program` first: most targets take their bytes as a program of operations.

#![deny(unsafe_code)]

pub mod mutation;
mod packet;
mod program;
pub mod targets;

/// A function to be fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of its folder in the corpus and of its program.
    pub name: &'static str,
    /// Panics if something is wrong.
    pub run: fn(&[u8]),
    /// Inputs to begin with where random bytes would take long to find any.
    pub examples: &'static [&'static [u8]],
    /// Times as much work as the cheap ones: the replay changes so many inputs fewer.
    pub cost: usize,
}

/// Every target.
pub fn targets() -> Vec<Target> {
    let mut all = targets::protocol();
    #[cfg(feature = "linux")]
    all.extend(targets::linux::all());
    all
}
