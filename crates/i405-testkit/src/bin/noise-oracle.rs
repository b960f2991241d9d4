//! The other side of a Noise handshake, for the TypeScript tests: the `snow` crate behind lines of text.
//!
//! A command a line on stdin, its answer a line on stdout: `ok`, `ok HEX` or `error WHY`. Bytes are in hexadecimal, `-`
//! stands for none. The program ends with its input.
//!
//! ```text
//! start NAME initiator|responder [prologue=HEX] [s=HEX] [rs=HEX] [e=HEX] [pskN=HEX]...
//! write PAYLOAD      the next handshake message
//! read MESSAGE       its payload
//! hash               the handshake hash
//! remote             the other side's static public key
//! transport          ends the handshake; from here on:
//! seal PAYLOAD       a transport message
//! open MESSAGE       its payload
//! rekey-sending, rekey-receiving
//! ```

#![deny(unsafe_code)]

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, BufRead, Write};

use snow::{Builder, HandshakeState, TransportState};

/// Longest Noise message, and so enough room for any answer.
const MAX_MESSAGE: usize = 65_535;

type Failure = Box<dyn Error>;

/// Where the one session of this program stands. `start` begins another one.
enum Session {
    None,
    Handshake(Box<HandshakeState>),
    Transport(Box<TransportState>),
}

impl Session {
    fn handshake(&mut self) -> Result<&mut HandshakeState, Failure> {
        match self {
            Self::Handshake(state) => Ok(state),
            _ => Err("no handshake is under way".into()),
        }
    }

    fn transport(&mut self) -> Result<&mut TransportState, Failure> {
        match self {
            Self::Transport(state) => Ok(state),
            _ => Err("the handshake has not ended".into()),
        }
    }

    /// Carries out one line and returns what stands behind `ok`.
    fn run(&mut self, line: &str) -> Result<Option<Vec<u8>>, Failure> {
        let mut words = line.split_ascii_whitespace();
        let command = words.next().ok_or("an empty line")?;
        if command == "start" {
            *self = Self::Handshake(Box::new(start(words)?));
            return Ok(None);
        }
        let argument = words.next().map(decode).transpose()?;
        if words.next().is_some() {
            return Err("more words than the command takes".into());
        }
        let input = || argument.as_deref().ok_or("bytes are missing");
        let mut room = vec![0; MAX_MESSAGE];
        let length = match command {
            "write" => self.handshake()?.write_message(input()?, &mut room)?,
            "read" => self.handshake()?.read_message(input()?, &mut room)?,
            "seal" => self.transport()?.write_message(input()?, &mut room)?,
            "open" => self.transport()?.read_message(input()?, &mut room)?,
            "hash" => return Ok(Some(self.handshake()?.get_handshake_hash().to_vec())),
            "remote" => {
                let key = self.handshake()?.get_remote_static();
                return Ok(Some(key.ok_or("not known")?.to_vec()));
            }
            "rekey-sending" => {
                self.transport()?.rekey_outgoing();
                return Ok(None);
            }
            "rekey-receiving" => {
                self.transport()?.rekey_incoming();
                return Ok(None);
            }
            "transport" => {
                let Self::Handshake(state) = std::mem::replace(self, Self::None) else {
                    return Err("no handshake is under way".into());
                };
                *self = Self::Transport(Box::new(state.into_transport_mode()?));
                return Ok(None);
            }
            _ => return Err(format!("unknown command {command}").into()),
        };
        room.truncate(length);
        Ok(Some(room))
    }
}

/// The keys and the like of a `start` line.
#[derive(Default)]
struct Given {
    prologue: Option<Vec<u8>>,
    own: Option<Vec<u8>>,
    remote: Option<Vec<u8>>,
    ephemeral: Option<Vec<u8>>,
    psks: Vec<(u8, [u8; 32])>,
}

fn start<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<HandshakeState, Failure> {
    let name = words.next().ok_or("the protocol name is missing")?;
    let role = words.next().ok_or("the role is missing")?;
    let mut given = Given::default();
    for word in words {
        let (field, value) = word.split_once('=').ok_or("expected NAME=HEX")?;
        let bytes = decode(value)?;
        match field {
            "prologue" => given.prologue = Some(bytes),
            "s" => given.own = Some(bytes),
            "rs" => given.remote = Some(bytes),
            "e" => given.ephemeral = Some(bytes),
            _ => {
                let place = field.strip_prefix("psk").ok_or("an unknown field")?;
                let psk = bytes.try_into().map_err(|_| "a psk has 32 bytes")?;
                given.psks.push((place.parse()?, psk));
            }
        }
    }
    let mut builder = Builder::new(name.parse()?);
    if let Some(prologue) = &given.prologue {
        builder = builder.prologue(prologue)?;
    }
    if let Some(own) = &given.own {
        builder = builder.local_private_key(own)?;
    }
    if let Some(remote) = &given.remote {
        builder = builder.remote_public_key(remote)?;
    }
    if let Some(ephemeral) = &given.ephemeral {
        builder = builder.fixed_ephemeral_key_for_testing_only(ephemeral);
    }
    for (place, psk) in &given.psks {
        builder = builder.psk(*place, psk)?;
    }
    match role {
        "initiator" => Ok(builder.build_initiator()?),
        "responder" => Ok(builder.build_responder()?),
        _ => Err(format!("unknown role {role}").into()),
    }
}

fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    if text == "-" {
        return Ok(Vec::new());
    }
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err("not hexadecimal".into());
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).map_err(Failure::from)).collect()
}

fn encode(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn main() -> io::Result<()> {
    let mut session = Session::None;
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        match session.run(&line?) {
            Ok(None) => writeln!(output, "ok")?,
            Ok(Some(bytes)) => writeln!(output, "ok {}", encode(&bytes))?,
            Err(error) => writeln!(output, "error {error}")?,
        }
        output.flush()?;
    }
    Ok(())
}
