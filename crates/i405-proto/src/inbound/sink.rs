//! What comes out of the receiver.

use crate::block::{
    CONTROL_CHALLENGE, CONTROL_CLOSE, CONTROL_ECHO, CONTROL_NEWEST_STAMP, CONTROL_REKEY_INITIATION,
    CONTROL_REKEY_RESPONSE, CONTROL_REPORT, inner_length,
};
use crate::challenge::token_of;
use crate::endpoint::Endpoint;
use crate::report::Report;
use crate::stamp::Floor;
use crate::unpacker::BlockSink;

use super::whereabouts::Whereabouts;

/// A whole handshake message that passed trial, stamp and rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeMessage<'a> {
    /// Of which pairing, as [`super::Inbound::add_pairing`] numbered it; 0: the first.
    pub pairing: usize,
    /// Kind of the message, as in the head.
    pub kind: u8,
    /// Version in the head: ours, or in a wrong-version message the sender's.
    pub version: u8,
    /// Stamp of the initiation that this is or answers.
    pub stamp: u64,
    /// The message.
    pub message: &'a [u8],
    /// Where it came from. At a server, the likeliest of several sources.
    pub source: Endpoint,
    /// Length of its datagrams.
    pub datagram_length: usize,
    /// When the kernel received the completing datagram.
    pub received_ns: u64,
}

/// An initiation of a version that we don't speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherVersion {
    /// Of which pairing.
    pub pairing: usize,
    /// Version in the head.
    pub version: u8,
    /// Its stamp, to which the floor has risen.
    pub stamp: u64,
    /// Where the datagram came from.
    pub source: Endpoint,
    /// Its length.
    pub datagram_length: usize,
    /// When the kernel received it.
    pub received_ns: u64,
}

/// A datagram that opened under a session's key and was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedDatagram {
    /// Which key.
    pub generation: u32,
    /// Its number under it.
    pub counter: u32,
    /// Now.
    pub now_ns: u64,
    /// When the kernel received it.
    pub received_ns: u64,
}

/// Takes what the receiver yields. Each call is made while a datagram is handled, so none may take long.
pub trait InboundSink {
    /// An inner packet, IPv4 or IPv6, as long as its header says.
    fn packet(&mut self, inner: &[u8]);
    /// A control block that came under this generation; its kind is known, and its length where the kind has one.
    fn control(&mut self, generation: u32, kind: u8, body: &[u8]);
    /// A whole handshake message. At a server, the floor has risen to its stamp.
    fn handshake(&mut self, message: HandshakeMessage<'_>);
    /// Server: an initiation of another version. The floor has risen to its stamp.
    fn other_version(&mut self, initiation: OtherVersion);
    /// Server: a genuine initiation at or below the floor, or too old. At most once a minute.
    fn stale(&mut self, stamp: u64, floor_ms: u64);
    /// The first datagram that opens under a generation.
    fn opened(&mut self, generation: u32, source: Endpoint, received_ns: u64);
    /// Client: the server asks where we are; the next data slot is to say these bytes in an echo.
    fn challenged(&mut self, token: u64) {
        let _ = token;
    }
    /// Server: fragments of the initiation that was handed over last came from these sources, likeliest first.
    fn handshake_sources(&mut self, stamp: u64, sources: &mut dyn Iterator<Item = Endpoint>);
    /// The peer's report under this generation; `received_ns`: when the kernel received it, None if it waited for datagrams
    /// before it.
    fn report(&mut self, generation: u32, report: Report, received_ns: Option<u64>) {
        let _ = (generation, report, received_ns);
    }
    /// A datagram opened; of each one, before its contents.
    fn heard(&mut self, datagram: OpenedDatagram);
}

/// Length of a newest-stamp block's body.
const STAMP_BYTES: usize = 6;

/// A server's: what newest-stamp blocks raise, and what echoes tell.
pub(super) struct ServerSide<'a> {
    pub(super) floor: &'a mut Floor,
    pub(super) whereabouts: &'a mut Whereabouts,
}

impl ServerSide<'_> {
    /// For one of several uses.
    pub(super) fn again(&mut self) -> ServerSide<'_> {
        ServerSide { floor: self.floor, whereabouts: self.whereabouts }
    }
}

/// Passes the data blocks of one generation on.
pub(super) struct Blocks<'a, S> {
    pub(super) sink: &'a mut S,
    pub(super) generation: u32,
    /// At a server: what control blocks change without anybody being asked.
    pub(super) server: Option<ServerSide<'a>>,
    pub(super) malformed: &'a mut u64,
    /// When the kernel received the payload under way; None: it waited since.
    pub(super) received_ns: Option<u64>,
}

impl<S: InboundSink> BlockSink for Blocks<'_, S> {
    fn packet(&mut self, inner: &[u8]) {
        if inner_length(inner) == Some(inner.len()) {
            self.sink.packet(inner);
        } else {
            *self.malformed += 1;
        }
    }

    /// Skips unknown kinds, and known ones of another length (for a report: shorter). It skips a stamp that is no news,
    /// too, because the stamp is in every datagram until an answer comes, and a path that held those back lets them go
    /// all at once.
    fn control(&mut self, kind: u8, body: &[u8]) {
        match kind {
            CONTROL_REKEY_INITIATION | CONTROL_REKEY_RESPONSE => {}
            CONTROL_CLOSE if body.is_empty() => {}
            CONTROL_NEWEST_STAMP if body.len() == STAMP_BYTES => {
                let stamp = body.iter().fold(0, |stamp, byte| stamp << 8 | u64::from(*byte));
                if !self.server.as_mut().is_some_and(|server| server.floor.raise(stamp)) {
                    return;
                }
            }
            CONTROL_CHALLENGE | CONTROL_ECHO => {
                let Some(token) = token_of(body) else { return };
                match &mut self.server {
                    Some(server) if kind == CONTROL_ECHO => server.whereabouts.echoed(token),
                    None if kind == CONTROL_CHALLENGE => self.sink.challenged(token),
                    _ => {}
                }
                return;
            }
            CONTROL_REPORT => {
                if let Some(report) = Report::parse(body) {
                    self.sink.report(self.generation, report, self.received_ns);
                }
                return;
            }
            _ => return,
        }
        self.sink.control(self.generation, kind, body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps the lengths of packets and the kinds of control blocks.
    #[derive(Default)]
    struct Kept {
        packets: Vec<usize>,
        controls: Vec<u8>,
        reports: Vec<(u32, Report, Option<u64>)>,
    }

    impl InboundSink for Kept {
        fn packet(&mut self, inner: &[u8]) {
            self.packets.push(inner.len());
        }
        fn control(&mut self, _: u32, kind: u8, _: &[u8]) {
            self.controls.push(kind);
        }
        fn report(&mut self, generation: u32, report: Report, received_ns: Option<u64>) {
            self.reports.push((generation, report, received_ns));
        }
        fn handshake(&mut self, _: HandshakeMessage<'_>) {}
        fn other_version(&mut self, _: OtherVersion) {}
        fn stale(&mut self, _: u64, _: u64) {}
        fn opened(&mut self, _: u32, _: Endpoint, _: u64) {}
        fn handshake_sources(&mut self, _: u64, _: &mut dyn Iterator<Item = Endpoint>) {}
        fn heard(&mut self, _: OpenedDatagram) {}
    }

    #[test]
    fn promise_malformed_inner() {
        let mut sink = Kept::default();
        let mut malformed = 0;
        let mut blocks =
            Blocks { sink: &mut sink, generation: 1, server: None, malformed: &mut malformed, received_ns: None };
        let mut ipv4 = [0u8; 30];
        ipv4[0] = 0x45;
        ipv4[3] = 30;
        blocks.packet(&ipv4);
        blocks.packet(&ipv4[..29]);
        blocks.packet(&[]);
        blocks.packet(&[0x25; 40]);
        assert_eq!((sink.packets, malformed), (vec![30], 3));
    }

    #[test]
    fn only_control_blocks_that_are_known() {
        let mut sink = Kept::default();
        let mut floor = Floor::new(5, None);
        let mut whereabouts = Whereabouts::new(None, [0; 32]);
        let mut malformed = 0;
        let server = Some(ServerSide { floor: &mut floor, whereabouts: &mut whereabouts });
        let mut blocks =
            Blocks { sink: &mut sink, generation: 1, server, malformed: &mut malformed, received_ns: None };
        for kind in 0..16 {
            blocks.control(kind, &[]);
            blocks.control(kind, &[0, 0, 0, 0, 1, kind]);
        }
        assert_eq!(sink.controls, [1, 1, 2, 2, 3, 4]);
        assert_eq!(floor.get(), 0x103);
    }

    #[test]
    fn reports_and_longer_ones_of_a_later_version() {
        let mut sink = Kept::default();
        let mut blocks =
            Blocks { sink: &mut sink, generation: 7, server: None, malformed: &mut 0, received_ns: Some(123) };
        let body = [0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 7, 99, 99];
        blocks.control(8, &body[..12]);
        blocks.received_ns = None;
        blocks.control(8, &body);
        blocks.control(8, &body[..11]);
        let report = Report { newest: 9, opened: 8, held_us: Some(7) };
        assert_eq!(sink.reports, [(7, report, Some(123)), (7, report, None)]);
        assert_eq!(sink.controls, [] as [u8; 0]);
    }
}
