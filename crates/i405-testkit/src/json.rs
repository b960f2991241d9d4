//! One JSON object a line on stdout, which is how the programs speak to the tests.

use std::fmt::{Display, Write as _};
use std::io::Write as _;

use crate::summary::Summary;

/// An object under construction.
#[derive(Debug)]
pub struct Line(String);

impl Line {
    /// Starts an object whose `event` says what it is.
    pub fn event(name: &str) -> Self {
        Self("{".to_owned()).text("event", name)
    }

    fn key(mut self, name: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self
    }

    /// A string, escaped.
    pub fn text(self, name: &str, value: &str) -> Self {
        let mut line = self.key(name);
        line.0.push('"');
        for character in value.chars() {
            match character {
                '"' | '\\' => line.0.extend(['\\', character]),
                c if (c as u32) < 0x20 => {
                    let _ = write!(line.0, "\\u{:04x}", c as u32);
                }
                c => line.0.push(c),
            }
        }
        line.0.push('"');
        line
    }

    /// An integer or a boolean.
    pub fn plain(self, name: &str, value: impl Display) -> Self {
        let mut line = self.key(name);
        let _ = write!(line.0, "{value}");
        line
    }

    /// A number with a fraction; `null` where there is none.
    pub fn real(self, name: &str, value: f64) -> Self {
        let mut line = self.key(name);
        if value.is_finite() {
            let _ = write!(line.0, "{value:.3}");
        } else {
            line.0.push_str("null");
        }
        line
    }

    /// An array of numbers.
    pub fn list(self, name: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let mut line = self.key(name);
        line.0.push('[');
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                line.0.push(',');
            }
            let _ = write!(line.0, "{value:.3}");
        }
        line.0.push(']');
        line
    }

    /// A distribution given in nanoseconds, as an object in microseconds.
    pub fn summary(self, name: &str, summary: &Summary) -> Self {
        let us = |ns: f64| ns / 1e3;
        let inner = Self("{".to_owned())
            .plain("count", summary.count)
            .real("mean", us(summary.mean))
            .real("stddev", us(summary.stddev))
            .real("min", us(summary.min as f64))
            .real("p1", us(summary.p1 as f64))
            .real("p50", us(summary.p50 as f64))
            .real("p90", us(summary.p90 as f64))
            .real("p95", us(summary.p95 as f64))
            .real("p99", us(summary.p99 as f64))
            .real("p999", us(summary.p999 as f64))
            .real("max", us(summary.max as f64));
        let mut line = self.key(name);
        line.0.push_str(&inner.0);
        line.0.push('}');
        line
    }

    /// The finished text, without a line end.
    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }

    /// Writes the line at once. A reader that has gone away is no reason to fail.
    pub fn print(self) {
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "{}", self.finish());
        let _ = stdout.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_separates() {
        let line = Line::event("x").text("a", "q\"\\\n").plain("n", 3).real("f", 0.5);
        assert_eq!(line.finish(), r#"{"event":"x","a":"q\"\\\u000a","n":3,"f":0.500}"#);
    }

    #[test]
    fn a_missing_number_is_null() {
        assert_eq!(Line::event("x").real("f", f64::NAN).finish(), r#"{"event":"x","f":null}"#);
    }
}
