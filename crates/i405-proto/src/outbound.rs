//! Building slots: which key, which contents, which bytes leave.
//!
//! 1. It is decided whether this is a handshake slot (it is the carousel's turn, and a copy is at hand), or one with a
//!    challenge.
//! 2. The sealer is chosen: the session's, or in a handshake slot and without a session the throwaway one.
//! 3. The payload is filled (data) or padded (cover); every byte is written either way.
//! 4. It is sealed; counter and mask are the sealer's business.
//! 5. What leaves, the datagram just sealed or the handshake copy, is copied into the buffer that is sent from.
//!
//! [`Outbound::build`] alone decides which bytes leave and where to, once, ahead of the deadline. Whoever sends takes
//! the bytes and the [`Slot`] as they are, and looks at what a slot holds only to count it, when it is out. A hedged
//! dispatcher that finds nothing built has no choice either: it sends cover of its own ([`Slot::nobodys`]).
//!
//! Steps 3 to 5 run in every slot, whatever leaves in the end, so that a handshake slot costs what a data slot costs
//! (docs/protocol.md, "No key, or not yet"). A handshake copy was written by another thread, on another core. If it
//! were handed to the kernel as it is, the kernel would wait for that memory between the deadline and the wire, and
//! only in handshake slots. So every slot is sent from one buffer, which the thread that builds has just written.

mod said;

use said::Said;

use crate::challenge::{Asked, CHALLENGE_BYTES, Challenges};
use crate::endpoint::Endpoint;
use crate::packer::{
    CONTROL_CHALLENGE, CONTROL_CLOSE, CONTROL_ECHO, CONTROL_NEWEST_STAMP, CONTROL_REPORT, Filled, InnerQueue,
    NoPackets, Packer,
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

impl SendingSession {
    fn is_exhausted(&self) -> bool {
        self.sealer.remaining() == 0
    }
}

/// A fragment of a handshake message, wrapped beforehand for one slot.
pub struct HandshakeCopy {
    /// Where it goes: the handshake's source, which need not be the session's endpoint.
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

/// A slot that was built. Its bytes are final, and stand in [`Outbound::leaving`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Where to.
    pub endpoint: Endpoint,
    /// For the counters.
    pub contents: Contents,
    /// For records.
    pub under: SealedUnder,
    /// With this slot the close has been said.
    pub close_said: bool,
}

impl Slot {
    /// A cover slot under a key that nobody else has: what leaves where nothing was built.
    pub fn nobodys(endpoint: Endpoint) -> Self {
        let under = SealedUnder { generation: NO_SESSION, counter: 0 };
        Slot { endpoint, contents: Contents::Cover, under, close_said: false }
    }
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
    /// From the first close slot on no inner packet leaves: the peer has let go of the keys.
    closing: bool,
    repeated: Option<Box<RepeatedControl>>,
    /// Slots until the next copy of `repeated` is due.
    repeat_in: u32,
    asked: Asked,
    /// The challenge that the next data slot answers.
    echo: Option<[u8; CHALLENGE_BYTES]>,
    reporting: Reporting,
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
            closing: false,
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

    /// Sends under this session from the next slot on, or under the throwaway key; returns the old session.
    ///
    /// A packet under way starts again, because no block runs over between keys.
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

    /// Says close in the next [`CLOSE_SLOTS`] data slots. A packet under way is given up, because it could take longer
    /// than a close may. No other is begun, because the peer ends the session with the first of these slots that comes.
    pub fn say_close(&mut self) {
        self.packer.abandon();
        self.closing = true;
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

    /// The generation that is sent under, if its counters are used up: slots are cover from the next one on.
    pub fn exhausted(&self) -> Option<u32> {
        self.session.as_ref().filter(|session| session.is_exhausted()).map(|session| session.generation)
    }

    /// Half of the throwaway key's counters are used, and there is no spare: one is to be given.
    pub fn wants_throwaway(&self) -> bool {
        let is_half_used = |sealer: &Sealer| sealer.remaining() < COUNTER_LIMIT / 2;
        is_half_used(&self.throwaway) && self.spare_throwaway.as_deref().is_none_or(is_half_used)
    }

    /// Whether the next slot is the carousel's.
    fn is_carousels(&self) -> bool {
        self.carousel_every != 0 && self.slot.is_multiple_of(self.carousel_every)
    }

    /// Builds and seals the next slot. `copy` is called where it is the carousel's turn; what it yields leaves if it is as
    /// long as a slot.
    pub fn build<'a>(
        &mut self,
        endpoint: Endpoint,
        copy: impl FnOnce() -> Option<&'a HandshakeCopy>,
        queue: &mut impl InnerQueue,
    ) -> Slot {
        let length = self.datagram.len();
        let copy = if self.is_carousels() { copy() } else { None };
        let copy = copy.filter(|copy| copy.bytes.len() == length);
        self.slot = self.slot.wrapping_add(1);

        if self.throwaway.remaining() == 0
            && let Some(spare) = self.spare_throwaway.as_mut()
        {
            // Swapped, not dropped: freeing is not for a timed thread.
            std::mem::swap(&mut self.throwaway, spare);
        }

        self.repeat_in = self.repeat_in.saturating_sub(1);

        let payload = &mut self.datagram[COUNTER_LENGTH..length - TAG_LENGTH];
        let (mut endpoint, mut contents, mut close_said) = (endpoint, Contents::Cover, false);
        let session = self.session.as_mut().filter(|session| copy.is_none() && !session.is_exhausted());
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
            let urgent = controls.blocks().len();
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
                if self.closing {
                    self.packer.fill(payload, controls.blocks(), &mut NoPackets)
                } else {
                    self.packer.fill(payload, controls.blocks(), queue)
                }
            };
            if filled.controls >= echoed_by {
                self.echo = None;
            }
            if filled.controls >= closed_by {
                self.close_slots_left -= 1;
                close_said = self.close_slots_left == 0;
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
            if self.close_slots_left > 0 && self.session.as_ref().is_none_or(|session| session.is_exhausted()) {
                self.close_slots_left = 0;
                close_said = true;
            }
            (&mut self.throwaway, NO_SESSION)
        };

        // A sealer without counters left was not chosen, and the throwaway key's spare is asked for 2^27 slots early.
        // If there is none all the same, the tunnel has to end: nothing may leave unsealed.
        let counter = sealer.seal(&mut self.datagram).expect("the throwaway key has counters left, or a spare");
        let under = SealedUnder { generation, counter };
        let (endpoint, contents, source) = match copy {
            Some(copy) => (copy.endpoint, Contents::Handshake, &copy.bytes),
            None => (endpoint, contents, &self.datagram),
        };
        self.leaving.copy_from_slice(source);
        Slot { endpoint, contents, under, close_said }
    }
}
