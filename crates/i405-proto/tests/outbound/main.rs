//! Slots one by one: under which key, with which contents, and to where they leave.

mod challenges;
mod slots;
mod support;
