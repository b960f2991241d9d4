//! Every target over its corpus and over changes to it, on stable Rust and without a fuzzer.
//!
//! `I405_FUZZ_TARGET=name,name` runs these targets alone, `I405_FUZZ_EXECUTIONS=n` changes so many inputs of each cheap one,
//! `I405_FUZZ_SEED=n` others than usual, `I405_FUZZ_INPUT=file` runs that file alone, under the target that was named.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use i405_fuzz::mutation::Mutator;
use i405_fuzz::{Target, targets};
use sha1::{Digest, Sha1};

/// Changed inputs of a cheap target: those of all targets together take a few seconds.
const EXECUTIONS: usize = 2_000;
const SEED: u64 = 1405;
/// The whole corpus is to be small enough to be kept in the repository.
const MOST_BYTES: u64 = 1_000_000;

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().ok().unwrap_or_else(|| panic!("{name} is {text:?}, expected a number or a name")))
}

/// Files of a target's corpus, in the order of their names.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz_folder().join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("a folder can be listed to its end").path();
            let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
            (name, fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        })
        .collect();
    files.sort();
    files
}

/// Runs an input; if it panics, says how to run it again.
fn run(target: &Target, input: &[u8], which: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        let file = std::env::temp_dir().join(format!("i405-{}-{}", target.name, hex(input)));
        let kept = fs::write(&file, input).map_or_else(|error| error.to_string(), |()| file.display().to_string());
        eprintln!("target {} failed at {which}; the input is in {kept}. Again:", target.name);
        eprintln!("  I405_FUZZ_TARGET={} I405_FUZZ_INPUT={kept} cargo test -p i405-fuzz --test replay", target.name);
        resume_unwind(panic);
    }
}

fn hex(content: &[u8]) -> String {
    Sha1::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_target_holds_over_its_corpus_and_changes_to_it() {
    let only: Option<String> = setting("I405_FUZZ_TARGET");
    let input: Option<String> = setting("I405_FUZZ_INPUT");
    let executions = setting("I405_FUZZ_EXECUTIONS").unwrap_or(EXECUTIONS);
    let seed = setting("I405_FUZZ_SEED").unwrap_or(SEED);
    let chosen: Vec<_> = targets()
        .into_iter()
        .filter(|target| only.as_ref().is_none_or(|only| only.split(',').any(|name| name == target.name)))
        .collect();
    assert!(!chosen.is_empty(), "there is no target {only:?}");
    for target in chosen {
        if let Some(input) = &input {
            run(&target, &fs::read(input).unwrap_or_else(|error| panic!("{input}: {error}")), input);
            continue;
        }
        let files = corpus(target.name);
        assert!(!files.is_empty(), "target {} has no corpus", target.name);
        for (name, content) in &files {
            run(&target, content, name);
        }
        target.examples.iter().for_each(|example| run(&target, example, "an example"));
        run(&target, &[], "nothing");
        let mut mutator = Mutator::new(seed);
        for number in 0..executions.div_ceil(target.cost) {
            let (one, other) = (mutator.below(files.len()), mutator.below(files.len()));
            let changed = mutator.change(&files[one].1, &files[other].1);
            run(&target, &changed, &format!("change {number} of seed {seed}"));
        }
    }
}

#[test]
fn the_corpus_is_small_and_named_by_content_and_every_folder_is_a_targets() {
    let mut bytes = 0;
    let mut names = BTreeSet::new();
    for target in targets() {
        for (name, content) in corpus(target.name) {
            assert_eq!(name, hex(&content), "{}: a file is named by the SHA-1 of its content", target.name);
            bytes += content.len() as u64;
        }
        assert!(names.insert(target.name.to_owned()), "two targets are called {}", target.name);
    }
    let folders = fs::read_dir(fuzz_folder().join("corpus")).expect("there is a corpus");
    let folders: BTreeSet<_> =
        folders.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(folders, names, "folders of the corpus, and targets");
    assert!(
        bytes <= MOST_BYTES,
        "the corpus has {bytes} bytes, at most {MOST_BYTES} are wanted: npm run fuzz -- --minimise"
    );
}

#[test]
fn every_target_has_a_program_for_cargo_fuzz() {
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).expect("fuzz/Cargo.toml");
    let programs: BTreeSet<_> = manifest.lines().filter_map(|line| line.strip_prefix("name = ")).skip(1).collect();
    let quoted: Vec<_> = targets().iter().map(|target| format!("\"{}\"", target.name)).collect();
    assert_eq!(programs, quoted.iter().map(String::as_str).collect::<BTreeSet<_>>());
}
