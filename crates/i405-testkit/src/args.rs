//! Command-line flags: `--name value`, `--name=value`, or a bare `--name` that switches something on.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// Anything that ends a program early, as a sentence.
pub type Failure = Box<dyn std::error::Error>;

/// The flags that are not yet taken. [`Args::finish`] refuses those that nobody asked for.
#[derive(Debug)]
pub struct Args {
    /// The first word that is not a flag: the mode of programs that have several.
    pub mode: Option<String>,
    flags: BTreeMap<String, Option<String>>,
}

impl Args {
    /// Splits the words after the program's name.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut mode = None;
        let mut flags = BTreeMap::new();
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix("--") else {
                if mode.replace(word.clone()).is_some() {
                    return Err(format!("unexpected argument: {word}").into());
                }
                continue;
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, words.next_if(|next| !next.starts_with("--"))),
            };
            if flags.insert(name.to_owned(), value).is_some() {
                return Err(format!("--{name} is given twice").into());
            }
        }
        Ok(Self { mode, flags })
    }

    /// The value of a flag, if it was given.
    pub fn value<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, Failure> {
        match self.flags.remove(name) {
            None => Ok(None),
            Some(None) => Err(format!("--{name} needs a value").into()),
            Some(Some(text)) => match text.parse() {
                Ok(value) => Ok(Some(value)),
                Err(error) => Err(format!("--{name} {text}: {error}").into()),
            },
        }
    }

    /// The value of a flag, or what holds without it.
    pub fn or<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> Result<T, Failure> {
        Ok(self.value(name)?.unwrap_or(default))
    }

    /// The value of a flag that must be there.
    pub fn required<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<T, Failure> {
        self.value(name)?.ok_or_else(|| format!("--{name} is missing").into())
    }

    /// A comma-separated list; empty if the flag is absent.
    pub fn list<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Vec<T>, Failure> {
        let text: String = self.or(name, String::new())?;
        text.split(',')
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().map_err(|error| format!("--{name} {part}: {error}").into()))
            .collect()
    }

    /// Whether a bare flag was given.
    pub fn switch(&mut self, name: &str) -> Result<bool, Failure> {
        match self.flags.remove(name) {
            None => Ok(false),
            Some(None) => Ok(true),
            Some(Some(value)) => Err(format!("--{name} takes no value, got {value}").into()),
        }
    }

    /// Refuses what is left over.
    pub fn finish(self) -> Result<(), Failure> {
        match self.flags.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("unknown flag: --{name}").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::parse(line.split(' ').map(str::to_owned)).expect("well-formed")
    }

    #[test]
    fn takes_values_switches_and_lists() {
        let mut args = args("send --count 5 --fast --lengths=28,60 --to 10.0.0.1:9");
        assert_eq!(args.mode.as_deref(), Some("send"));
        assert_eq!(args.required::<u32>("count").expect("given"), 5);
        assert!(args.switch("fast").expect("bare"));
        assert_eq!(args.list::<u16>("lengths").expect("numbers"), [28, 60]);
        assert_eq!(args.or("to", String::new()).expect("given"), "10.0.0.1:9");
        args.finish().expect("nothing left");
    }

    #[test]
    fn names_the_flag_at_fault() {
        let mut bad = args("--count five");
        let error = bad.value::<u32>("count").expect_err("not a number");
        assert!(error.to_string().contains("--count five"));
        let error = args("--what 1").finish().expect_err("unknown");
        assert!(error.to_string().contains("--what"));
        assert!(args("--x 1").required::<u32>("y").is_err());
    }
}
