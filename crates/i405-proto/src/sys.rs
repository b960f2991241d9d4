//! The only unsafe code of this crate. Each block says why it is sound.

pub(crate) mod wipe;
