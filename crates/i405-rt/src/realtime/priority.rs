//! Which priority timed threads have, in either class.

/// Above the kernel's threaded interrupts (50) would starve our own network card; in the middle below them is usual.
pub const FIFO_PRIORITY: i32 = 45;

/// A spinning thread's nice value in the ordinary class, where it then has three times the share of another thread.
/// With a better one fewer slots are missed beside a program that always wants to run. But with -20 on both of two
/// cores others had so little that a signal took most of a minute to be handled.
pub const ORDINARY_NICE: i32 = -5;
