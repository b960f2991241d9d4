//! Commands that a test gives a running relay on its stdin.

use i405_testkit::args::Failure;
use i405_testkit::json::Line;

use crate::copies::Copier;
use crate::path::{DOWN, Relay, UP};

/// Runs every whole line of what was typed so far and keeps the rest.
pub fn run_lines(typed: &mut Vec<u8>, relay: &mut Relay) {
    while let Some(end) = typed.iter().position(|&byte| byte == b'\n') {
        let line: Vec<u8> = typed.drain(..=end).collect();
        let line = String::from_utf8_lossy(&line);
        let words: Vec<&str> = line.split_whitespace().collect();
        match run(&words, relay) {
            Ok(answer) => answer.print(),
            Err(error) => Line::event("refused").text("message", &error.to_string()).print(),
        }
    }
}

fn run(words: &[&str], relay: &mut Relay) -> Result<Line, Failure> {
    match *words {
        ["set", which, fault, value] => {
            let value: f64 = value.parse()?;
            let directions: &[usize] = if which == "both" { &[UP, DOWN] } else { &[direction(which)?] };
            for &index in directions {
                relay.faults(index).set(fault, value)?;
            }
            Ok(Line::event("set").text("fault", fault).real("value", value))
        }
        ["garbage", which, count, length] => {
            let sent = relay.inject_garbage(direction(which)?, count.parse()?, length.parse()?);
            Ok(Line::event("garbage").plain("sent", sent))
        }
        ["replay", which, first, count] => {
            let sent = relay.replay(direction(which)?, first.parse()?, count.parse()?);
            Ok(Line::event("replay").plain("sent", sent))
        }
        ["rebind"] => {
            relay.rebind()?;
            Ok(Line::event("rebind").text("local", &relay.sockets().1.local_addr()?.to_string()))
        }
        ["copies", "none"] => {
            relay.copier = None;
            Ok(relay.line("copies"))
        }
        ["copies", sources, ref count @ ..] => {
            let count = count.first().map(|count| count.parse()).transpose()?;
            relay.copier = Some(Copier::new(relay.to(), sources, count)?);
            Ok(relay.line("copies"))
        }
        ["stats"] => Ok(relay.line("stats")),
        _ => Err(format!("unknown command: {}", words.join(" ")).into()),
    }
}

fn direction(word: &str) -> Result<usize, Failure> {
    match word {
        "up" => Ok(UP),
        "down" => Ok(DOWN),
        _ => Err(format!("up or down is expected, got {word}").into()),
    }
}
