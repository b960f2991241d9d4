//! The control blocks of one slot while it is built.

use crate::packer::{CONTROL_CLOSE, ControlBlock};

/// Control blocks that one slot may hold.
const MOST_CONTROLS: usize = 6;

/// The control blocks of one slot, the most urgent first.
pub struct Said<'a> {
    blocks: [ControlBlock<'a>; MOST_CONTROLS],
    count: usize,
}

impl<'a> Said<'a> {
    /// None yet.
    pub fn nothing() -> Self {
        Self { blocks: [ControlBlock { kind: CONTROL_CLOSE, body: &[] }; MOST_CONTROLS], count: 0 }
    }

    /// Adds one; how many there are with it.
    pub fn say(&mut self, kind: u8, body: &'a [u8]) -> usize {
        self.blocks[self.count] = ControlBlock { kind, body };
        self.count += 1;
        self.count
    }

    /// All of them.
    pub fn blocks(&self) -> &[ControlBlock<'a>] {
        &self.blocks[..self.count]
    }
}
