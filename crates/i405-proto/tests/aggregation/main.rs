//! Packer and unpacker: by hand, against naive models, and against each other.

mod model;
mod packer;
mod round_trip;
mod support;
mod unpacker;
