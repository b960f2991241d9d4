//! Real-time core.
