//! Building slots: which key, which contents, which bytes leave.
//!
//! 1. decide whether this is a handshake slot (carousel turn and a prepared copy at hand), or one with a challenge
//! 2. choose the sealer: the session's, or in a handshake slot and without a session the throwaway one
//! 3. fill the payload (data) or pad it (cover): every byte is written either way
//! 4. seal; counter and mask are the sealer's business
//! 5. copy what leaves, the datagram just sealed or the prepared handshake copy, into the buffer that is sent from
//!
//! Steps 3 to 5 run in every slot, whatever leaves in the end, so that a handshake slot costs what a data slot costs
//! (docs/protocol.md, "No key, or not yet"). A prepared copy was written by another thread, on another core: were it
//! handed to the kernel as it is, the kernel would wait for that memory between the deadline and the wire, in handshake
//! slots only. So every slot is sent from one buffer, which the thread that builds has just written.

use crate::challenge::{Asked, CHALLENGE_BYTES, Challenges};
use crate::endpoint::Endpoint;
use crate::packer::{
    CONTROL_CHALLENGE, CONTROL_CLOSE, CONTROL_ECHO, CONTROL_NEWEST_STAMP, CONTROL_REPORT, ControlBlock, Filled,
    InnerQueue, Packer,
};
use crate::report::{Heard, Reporting};
use crate::seal::{COUNTER_LIMIT, DATA_OVERHEAD, Sealer};

/// A close is said in this many slots (docs/protocol.md, "Close").
pub const CLOSE_SLOTS: u32 = 8;
/// Bytes before the sealed payload: the masked counter.
const COUNTER_LENGTH: usize = 4;
const TAG_LENGTH: usize = DATA_OVERHEAD - COUNTER_LENGTH;

/// A session's sending half.
pub struct SendingSession {
    /// Which installed key this is.
    pub generation: u32,
    /// Seals data datagrams; owns the counter.
    pub sealer: Sealer,
    /// The client's newest stamp, announced in every datagram until one of the server's opens.
    pub announce_stamp: Option<u64>,
}

/// A handshake datagram that the reporter wrapped beforehand.
pub struct Prepared {
    /// Where this copy goes: the handshake's source, which need not be the session's endpoint.
    pub endpoint: Endpoint,
    /// Exactly one slot's bytes.
    pub bytes: Box<[u8]>,
}

/// A control block that is said again and again, until another takes its place or none does (docs/protocol.md, "Rekey").
#[derive(Debug)]
pub struct RepeatedControl {
    /// 1 to 15.
    pub kind: u8,
    /// At most 65,532 bytes; longer than a slot it runs over.
    pub body: Box<[u8]>,
    /// From one copy to the next; 0 counts as 1.
    pub every_slots: u32,
}

/// What a slot holds, for the counters only: nothing on the wire depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// No inner packet.
    Cover,
    /// At least one byte of an inner packet.
    Carrying {
        /// Inner packets begun in this slot.
        packets: u32,
        /// Bytes of inner packets in this slot.
        bytes: u32,
    },
    /// A fragment of a handshake message.
    Handshake,
}

/// Under which key a slot was sealed, and which number it has under it. For records only: the peer's receiver comes to
/// know the counter as well, and nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedUnder {
    /// The session's, or [`NO_SESSION`] for a slot that nobody can open and for a handshake's.
    pub generation: u32,
    /// Says something only with a session.
    pub counter: u32,
}

/// In place of a generation: no session. None is ever numbered so high.
pub const NO_SESSION: u32 = u32::MAX;

/// A slot whose bytes are final. Any sender may take it from here.
pub struct SealedSlot<'a> {
    /// Where to.
    pub endpoint: Endpoint,
    /// The whole UDP payload.
    pub datagram: &'a [u8],
    /// For the counters.
    pub contents: Contents,
    /// For records.
    pub under: SealedUnder,
}

/// The sending half of a tunnel between two slots.
pub struct Outbound {
    packer: Packer,
    throwaway: Sealer,
    spare_throwaway: Option<Box<Sealer>>,
    session: Option<Box<SendingSession>>,
    /// Where slots are built and sealed.
    datagram: Box<[u8]>,
    /// Where they are sent from.
    leaving: Box<[u8]>,
    slot: u32,
    carousel_every: u32,
    close_slots_left: u32,
    repeated: Option<Box<RepeatedControl>>,
    /// Slots until the next copy of `repeated` is due.
    repeat_in: u32,
    asked: Asked,
    /// The challenge that the next data slot answers.
    echo: Option<[u8; CHALLENGE_BYTES]>,
    reporting: Reporting,
}

/// What changed in a build that others have to hear of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notices {
    /// The last of the close slots was built.
    pub close_said: bool,
    /// The session of this generation has used up its counters; it is no longer sent under.
    pub exhausted: Option<u32>,
    /// Half of the throwaway key's counters are used and there is no spare: give one.
    pub wants_throwaway: bool,
}

impl Outbound {
    /// `throwaway` seals with a key that nobody else has ([`Sealer::throwaway`]).
    pub fn new(throwaway: Sealer, datagram_length: usize) -> Self {
        Outbound {
            packer: Packer::new(),
            throwaway,
            spare_throwaway: None,
            session: None,
            datagram: vec![0; datagram_length].into_boxed_slice(),
            leaving: vec![0; datagram_length].into_boxed_slice(),
            slot: 0,
            carousel_every: 0,
            close_slots_left: 0,
            repeated: None,
            repeat_in: 0,
            asked: Asked::nobody(),
            echo: None,
            reporting: Reporting::default(),
        }
    }

    /// Length of every datagram of this direction.
    pub fn datagram_length(&self) -> usize {
        self.datagram.len()
    }

    /// The slot that was built last.
    pub fn leaving(&self) -> &[u8] {
        &self.leaving
    }

    /// Takes the slot that was built last away, and the next one goes into this buffer of the same length. One of another
    /// length comes back, and nothing changes.
    pub fn replace_leaving(&mut self, buffer: Box<[u8]>) -> Box<[u8]> {
        if buffer.len() == self.datagram.len() { std::mem::replace(&mut self.leaving, buffer) } else { buffer }
    }

    /// Swaps in two buffers of another schedule's length, the same for both; the old ones are to be freed elsewhere.
    pub fn swap_buffers(&mut self, buffers: &mut [Box<[u8]>; 2]) {
        let [datagram, leaving] = buffers;
        debug_assert_eq!(datagram.len(), leaving.len());
        std::mem::swap(&mut self.datagram, datagram);
        std::mem::swap(&mut self.leaving, leaving);
    }

    /// Takes a fresh throwaway key, to go on with when the one in use has no counters left.
    pub fn give_throwaway(&mut self, sealer: Box<Sealer>) {
        self.spare_throwaway = Some(sealer);
    }

    /// Sends under this session from the next slot on, or under the throwaway key; returns the old one.
    ///
    /// A packet under way starts again: no block runs over between keys.
    pub fn set_session(&mut self, session: Option<Box<SendingSession>>) -> Option<Box<SendingSession>> {
        self.packer.restart();
        std::mem::replace(&mut self.session, session)
    }

    /// Generation that is sent under.
    pub fn generation(&self) -> Option<u32> {
        self.session.as_ref().map(|session| session.generation)
    }

    /// A datagram opened under `generation`: its stamp need not be announced any more.
    pub fn opened(&mut self, generation: u32) {
        if let Some(session) = &mut self.session
            && session.generation <= generation
        {
            session.announce_stamp = None;
        }
    }

    /// Every `every`-th slot is a handshake slot; 0: none.
    pub fn set_carousel(&mut self, every: u32) {
        self.carousel_every = every;
        self.slot = 0;
    }

    /// Says close in the next [`CLOSE_SLOTS`] data slots. A packet under way is given up: it could take longer than a
    /// close may.
    pub fn say_close(&mut self) {
        self.packer.abandon();
        self.close_slots_left = CLOSE_SLOTS;
    }

    /// Says this control block from the next data slot on, again and again; returns the one before, to be freed elsewhere.
    /// A copy that is under way is finished.
    pub fn repeat_control(&mut self, control: Option<Box<RepeatedControl>>) -> Option<Box<RepeatedControl>> {
        self.repeat_in = 0;
        std::mem::replace(&mut self.repeated, control)
    }

    /// Challenges these from the next data slot on; returns the ones before, to be freed elsewhere.
    pub fn challenge(&mut self, challenges: Box<Challenges>) -> Box<Challenges> {
        self.asked.replace(challenges)
    }

    /// Answers the peer's challenge in the next data slot with room for it.
    pub fn echo(&mut self, token: u64) {
        self.echo = Some(token.to_be_bytes());
    }

    /// Says a report of this once, if the session is still the same then; in place of one that waits.
    pub fn report(&mut self, heard: Heard) {
        self.reporting.give(heard);
    }

    /// The deadline of the slot that is built next, for reports.
    pub fn set_deadline(&mut self, deadline_ns: u64) {
        self.reporting.set_deadline(deadline_ns);
    }

    /// Whether the next slot is the carousel's.
    pub fn wants_handshake(&self) -> bool {
        self.carousel_every != 0 && self.slot.is_multiple_of(self.carousel_every)
    }

    /// Builds and seals the next slot. `prepared` is used only if [`Self::wants_handshake`] and its length fits.
    pub fn build<'a>(
        &'a mut self,
        endpoint: Endpoint,
        prepared: Option<&'a Prepared>,
        queue: &mut impl InnerQueue,
    ) -> (SealedSlot<'a>, Notices) {
        let mut notices = Notices::default();
        let length = self.datagram.len();
        let prepared = prepared.filter(|copy| self.wants_handshake() && copy.bytes.len() == length);
        self.slot = self.slot.wrapping_add(1);

        if self.throwaway.remaining() == 0
            && let Some(spare) = self.spare_throwaway.as_mut()
        {
            // Swapped, not dropped: freeing is not for a timed thread.
            std::mem::swap(&mut self.throwaway, spare);
        }
        notices.wants_throwaway = self.throwaway.remaining() < COUNTER_LIMIT / 2
            && self.spare_throwaway.as_ref().is_none_or(|spare| spare.remaining() < COUNTER_LIMIT / 2);
        notices.exhausted =
            self.session.as_ref().filter(|session| session.sealer.remaining() == 0).map(|session| session.generation);

        self.repeat_in = self.repeat_in.saturating_sub(1);

        let payload = &mut self.datagram[COUNTER_LENGTH..length - TAG_LENGTH];
        let mut contents = Contents::Cover;
        let mut endpoint = endpoint;
        let session = self.session.as_mut().filter(|session| prepared.is_none() && session.sealer.remaining() > 0);
        let (sealer, generation) = if let Some(session) = session {
            let stamp = session.announce_stamp.unwrap_or(0).to_be_bytes();
            let asked = self.asked.next();
            let apart = asked.is_some() && self.asked.is_apart();
            let token = asked.map(|asked| asked.token).or(self.asked.endpoint_token());
            let challenge = token.unwrap_or(0).to_be_bytes();
            let echo = self.echo.unwrap_or_default();
            let mut controls = Said::nothing();
            if let Some(asked) = asked {
                endpoint = asked.source;
            }
            if token.is_some() {
                controls.say(CONTROL_CHALLENGE, &challenge);
            }
            let echoed_by = self.echo.map_or(usize::MAX, |_| controls.say(CONTROL_ECHO, &echo));
            let urgent = controls.count;
            if session.announce_stamp.is_some() {
                controls.say(CONTROL_NEWEST_STAMP, &stamp[2..]);
            }
            let closing = self.close_slots_left > 0;
            let closed_by = if closing { controls.say(CONTROL_CLOSE, &[]) } else { usize::MAX };
            let (report, reports) = self.reporting.next(session.generation);
            let (mut reported_by, mut repeated_by) = (usize::MAX, usize::MAX);
            let filled = if apart {
                let written = self.packer.fill_apart(payload, controls.blocks());
                Filled { controls: written, ..Filled::default() }
            } else {
                if reports {
                    reported_by = controls.say(CONTROL_REPORT, &report);
                }
                // Last: it may be longer than a slot, and must not hold up the others.
                if let Some(repeated) = self.repeated.as_ref().filter(|_| self.repeat_in == 0) {
                    repeated_by = controls.say(repeated.kind, &repeated.body);
                }
                self.packer.make_room(payload.len(), &controls.blocks()[..urgent]);
                self.packer.fill(payload, controls.blocks(), queue)
            };
            if filled.controls >= echoed_by {
                self.echo = None;
            }
            if filled.controls >= closed_by {
                self.close_slots_left -= 1;
                notices.close_said = self.close_slots_left == 0;
            }
            if filled.controls >= reported_by {
                self.reporting.said();
            }
            if let Some(repeated) = self.repeated.as_ref().filter(|_| filled.controls >= repeated_by) {
                self.repeat_in = repeated.every_slots;
            }
            if filled.inner_bytes > 0 {
                contents = Contents::Carrying { packets: filled.inner_packets, bytes: filled.inner_bytes };
            }
            (&mut session.sealer, session.generation)
        } else {
            self.packer.cover(payload);
            // Without a session nobody can read a close: it is said by ending.
            if self.close_slots_left > 0 && self.session.as_ref().is_none_or(|session| session.sealer.remaining() == 0)
            {
                self.close_slots_left = 0;
                notices.close_said = true;
            }
            (&mut self.throwaway, NO_SESSION)
        };

        // A sealer without counters left was not chosen, and the throwaway key's spare is asked for 2^27 slots early. Were
        // there none all the same, the tunnel has to end: nothing may leave unsealed.
        let counter = sealer.seal(&mut self.datagram).expect("the throwaway key has counters left, or a spare");
        let under = SealedUnder { generation, counter };
        let (endpoint, contents, source) = match prepared {
            Some(copy) => (copy.endpoint, Contents::Handshake, &copy.bytes),
            None => (endpoint, contents, &self.datagram),
        };
        self.leaving.copy_from_slice(source);
        (SealedSlot { endpoint, datagram: &self.leaving, contents, under }, notices)
    }
}

/// Control blocks that one slot may hold.
const MOST_CONTROLS: usize = 6;

/// The control blocks of one slot, the most urgent first.
struct Said<'a> {
    blocks: [ControlBlock<'a>; MOST_CONTROLS],
    count: usize,
}

impl<'a> Said<'a> {
    fn nothing() -> Self {
        Self { blocks: [ControlBlock { kind: CONTROL_CLOSE, body: &[] }; MOST_CONTROLS], count: 0 }
    }

    /// Adds one; how many there are with it.
    fn say(&mut self, kind: u8, body: &'a [u8]) -> usize {
        self.blocks[self.count] = ControlBlock { kind, body };
        self.count += 1;
        self.count
    }

    fn blocks(&self) -> &[ControlBlock<'a>] {
        &self.blocks[..self.count]
    }
}
