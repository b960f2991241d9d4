//! Writes inputs to begin a corpus with: each target's examples, and random bytes of several lengths.
//!
//! `cargo run -p i405-fuzz --example seeds -- FOLDER` makes FOLDER/TARGET/NUMBER.

use std::path::PathBuf;
use std::{env, fs, io};

use i405_fuzz::mutation::Mutator;
use i405_fuzz::targets;

fn main() -> io::Result<()> {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("expected a folder to write to"));
    };
    for target in targets() {
        let into = folder.join(target.name);
        fs::create_dir_all(&into)?;
        let mut mutator = Mutator::new(1405);
        let random = [4, 16, 40, 100, 250, 600].map(|length| mutator.bytes(length));
        let inputs = target.examples.iter().copied().chain(random.iter().map(Vec::as_slice));
        for (number, input) in inputs.enumerate() {
            fs::write(into.join(number.to_string()), input)?;
        }
    }
    Ok(())
}
