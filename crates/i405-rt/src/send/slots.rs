//! What a timed thread does slot by slot, without the waiting. It is [`crate::send::sending::Sending`] where one
//! dispatcher is alone, and [`crate::send::hedged::HedgedSlots`] in each of two. The dispatcher and the spinner treat
//! both alike.
//!
//! 1. [`Slots::apply_commands`] carries out what the control side wants.
//! 2. [`Slots::assemble`] builds the slot of the next deadline; its bytes are final then.
//! 3. The caller waits for the deadline.
//! 4. [`Slots::dispatch`] makes the one system call, records it, and goes on to the next deadline.
//!
//! Nothing here allocates, waits or logs, and nothing but the contents of a buffer depends on inner traffic.

/// The slots of one schedule after the other.
pub trait Slots {
    /// Carries out what the control side wants.
    fn apply_commands(&mut self);

    /// Whether the thread is to end.
    fn stopped(&self) -> bool;

    /// When to send the next slot; None while no schedule runs.
    fn deadline_ns(&self) -> Option<u64>;

    /// Mean interval of the schedule that runs.
    fn interval_ns(&self) -> Option<u64>;

    /// Makes the next slot ready. False: there is none, or not any more.
    fn assemble(&mut self) -> bool;

    /// Goes the way of a send without sending, so that code and data of the path are in the caches at the deadline.
    fn warm(&self);

    /// Sends it, at `called_ns` of CLOCK_MONOTONIC, and goes on to the next deadline, past those that have passed. Returns
    /// the clock when the thread was through with it: `called_ns`, but where the call itself lasted until the deadline.
    fn dispatch(&mut self, called_ns: u64) -> u64;

    /// Counts a stall that only the kernel's real-time throttle explains.
    fn count_throttle_stall(&self);
}
