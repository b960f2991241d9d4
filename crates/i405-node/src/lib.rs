//! The Neon binding.
