//! The only unsafe code of this test.

pub mod counting;
