//! The receiver's whole state for one peer: what becomes of each datagram that the socket yields.
//!
//! 1. What cannot be ours is dropped: at a client what isn't from its server, and what is shorter or longer than any
//!    datagram.
//! 2. If it is from the peer's endpoint, or from where the peer may be, the sessions' keys are tried.
//! 3. If it isn't, or if none of them opens it, the pairings are tried.
//! 4. If it is from elsewhere, the sessions' keys are tried then: the peer may have moved.
//! 5. A datagram that opened goes through replay window, reorder window and unpacker to the sink.
//! 6. A fragment that was unwrapped goes through stamp, copies, reassembly and rate to the sink.
//!
//! At a server every datagram that opened also hints at where the client is (`inbound/whereabouts.rs`). Where something
//! came from elsewhere, copies are opened too, for that alone.
//!
//! Steps 3 and 4 draw on the budget, so that strangers can't take more than it gives. Everything that comes in is
//! hostile until it has authenticated, and may be malformed even then. So nothing here panics, allocates (but
//! `add_pairing`), or does more than a bounded amount of work per datagram. The caller says what time it is.
//!
//! Read `inbound/receiving_key.rs`, then `inbound/keyring.rs` for sessions, and `inbound/pairing.rs` for handshakes.

mod arrival;
mod handovers;
mod keyring;
mod pairing;
mod pairings;
mod receiving_key;
mod settings;
mod sink;
mod underway;
mod whereabouts;

use crate::budget::Budget;
use crate::challenge::Challenges;
use crate::endpoint::Endpoint;
use crate::seal::MIN_DATAGRAM;

use arrival::Arrival;
use keyring::{Keyring, Trial};
use pairing::Pairing;
use pairings::Pairings;
use sink::ServerSide;
use underway::Underway;
use whereabouts::{Opened, Whereabouts};

pub use arrival::InboundCounters;
pub use receiving_key::{InstallError, NewSession, ReceivingKey};
pub use settings::{InboundConfig, MAX_DATAGRAM, PairingConfig, Role};
pub use sink::{HandshakeMessage, InboundSink, OpenedDatagram, OtherVersion};
pub use whereabouts::Believed;

/// The receiver's state: its pairings, and the keys of the sessions of one of them.
#[derive(Debug)]
pub struct Inbound {
    role: Role,
    whereabouts: Whereabouts,
    pairings: Pairings,
    keyring: Keyring,
    underway: Underway,
    budget: Budget,
    counters: InboundCounters,
    /// Where datagrams are opened.
    scratch: Box<[u8]>,
}

impl Inbound {
    /// The state before anything has come.
    pub fn new(config: InboundConfig) -> Self {
        let max_datagram = config.max_datagram.clamp(MIN_DATAGRAM, MAX_DATAGRAM);
        let InboundConfig { role, peer, unwrapper, initiation_length, floor_ms, max_stamp_age_ms, seed, .. } = config;
        let first = PairingConfig { unwrapper, initiation_length, floor_ms, max_stamp_age_ms };
        let mut whereabouts = Whereabouts::new(peer.map(Endpoint::from), seed);
        Self {
            role,
            keyring: Keyring::new(max_datagram),
            pairings: Pairings::new(Pairing::new(0, role, first, || whereabouts.draw())),
            whereabouts,
            underway: Underway::default(),
            budget: Budget::new(),
            counters: InboundCounters::default(),
            scratch: vec![0; max_datagram].into_boxed_slice(),
        }
    }

    /// Takes initiations of one more pairing, and returns its index, by which messages name it. The first pairing's is
    /// 0. Allocates.
    ///
    /// Every stranger's datagram costs a mask for each pairing. Above 256 pairings one datagram takes longer than a
    /// turn of `spinny` may (docs/protocol.md, "Wire format").
    pub fn add_pairing(&mut self, config: PairingConfig) -> usize {
        let index = self.pairings.len();
        self.pairings.add(Pairing::new(index, self.role, config, || self.whereabouts.draw()));
        index
    }

    /// From now on sessions, stamps and the source of a handshake are this pairing's; before the first call they are
    /// the first one's. Another pairing's generations are forgotten, because what they say must not raise this one's
    /// floor. An index that no pairing has changes nothing.
    pub fn serve(&mut self, pairing: usize) {
        if self.pairings.serve(pairing) {
            self.keyring.forget_all(&mut self.counters);
            self.whereabouts.reset();
        }
    }

    /// Takes one datagram from the socket.
    ///
    /// `now_ns` and `received_ns` are of the same monotonic clock, now and when the kernel received it; `wall_ms` is
    /// the wall clock, which only matters where the age of stamps is limited.
    pub fn receive(
        &mut self,
        now_ns: u64,
        received_ns: u64,
        wall_ms: u64,
        source: impl Into<Endpoint>,
        datagram: &[u8],
        sink: &mut impl InboundSink,
    ) {
        self.counters.received += 1;
        let source = source.into().canonical();
        let arrival = Arrival { now_ns, received_ns, wall_ms, source };
        let ours = match self.role {
            Role::Server => source.can_be_answered(),
            Role::Client => self.whereabouts.is_endpoint(source),
        };
        if !ours || datagram.len() < MIN_DATAGRAM || datagram.len() > self.scratch.len() {
            self.counters.unknown += 1;
            return;
        }
        let expected = self.whereabouts.expects(source) || self.pairings.get_served().answers(source);
        let mut sessions = Trial::Failed { replayed: false };
        if expected {
            sessions = self.keyring.try_keys(now_ns, datagram, &mut self.scratch, None);
            if matches!(sessions, Trial::Failed { replayed: true }) {
                self.look_at_copy(&arrival, datagram);
            }
        }
        if !matches!(sessions, Trial::Opened { .. }) {
            // What it can't have any more, it is not tried for: either all of it is, or nothing.
            let begun = self.budget.begin(now_ns);
            let trial = if begun {
                self.pairings.unwrap(now_ns, datagram, &mut self.scratch, &mut self.budget)
            } else {
                pairings::Trial::OverBudget
            };
            match trial {
                pairings::Trial::Opened { index, unwrapped } => {
                    let (pairing, handovers) = self.pairings.opened(index);
                    let stale = self.counters.stale;
                    pairing.fragment(&arrival, datagram.len(), &unwrapped, handovers, &mut self.counters, sink);
                    if self.counters.stale == stale {
                        self.underway.heard(source, now_ns);
                    }
                    return;
                }
                pairings::Trial::Replayed { index, nonce } => {
                    self.pairings.opened(index).0.copy(&nonce, source, sink);
                    sessions = Trial::Failed { replayed: true };
                }
                pairings::Trial::OverBudget => sessions = Trial::OverBudget,
                pairings::Trial::Failed if !expected => {
                    sessions = self.keyring.try_keys(now_ns, datagram, &mut self.scratch, Some(&mut self.budget));
                    if matches!(sessions, Trial::Failed { replayed: true }) {
                        self.look_at_copy(&arrival, datagram);
                    }
                }
                pairings::Trial::Failed => {}
            }
        }
        match sessions {
            Trial::Opened { position, counter, payload } => {
                let seen = self.seen(position, counter, &arrival);
                let payload = &self.scratch[..payload];
                let server = server_side(self.role, &mut self.pairings, &mut self.whereabouts);
                self.keyring.deliver(position, counter, payload, &arrival, server, &mut self.counters, sink);
                // After what is in it: an echo counts while its challenge stands.
                if let Some(seen) = seen {
                    self.whereabouts.opened(seen);
                }
            }
            Trial::Failed { replayed: true } => self.counters.replayed += 1,
            _ if self.underway.explains(source, now_ns) => self.counters.unopened += 1,
            Trial::Failed { replayed: false } => self.counters.unknown += 1,
            Trial::OverBudget => self.counters.over_budget += 1,
        }
    }

    /// Server: what a datagram that is about to open says of where the client is.
    fn seen(&self, position: usize, counter: u32, arrival: &Arrival) -> Option<Opened> {
        let (generation, highest) = self.keyring.generation_and_highest(position)?;
        (self.role == Role::Server).then(|| Opened {
            source: arrival.source,
            generation,
            counter,
            now_ns: arrival.now_ns,
            is_current: self.keyring.is_current(position),
            is_newest: i64::from(counter) > highest,
        })
    }

    /// Server: looks at a copy of what came before. The client may be at the copy's source, now or still. Whoever
    /// copies without end has no copy opened in the end.
    fn look_at_copy(&mut self, arrival: &Arrival, datagram: &[u8]) {
        let from = self.whereabouts.contested_from().filter(|_| self.role == Role::Server);
        let (Some(from), Some(generation)) = (from, self.keyring.current()) else { return };
        let Arrival { now_ns, source, .. } = *arrival;
        if !self.budget.begin(now_ns) {
            return;
        }
        if let Some(counter) = self.keyring.open_copy(now_ns, datagram, from, &mut self.scratch, &mut self.budget) {
            let seen = Opened { source, generation, counter, now_ns, is_current: true, is_newest: false };
            self.whereabouts.opened(seen);
        }
    }

    /// When [`Inbound::on_timer`] has something to do: a payload will have been missing for too long.
    pub fn next_timer_ns(&self) -> Option<u64> {
        self.keyring.next_timer_ns()
    }

    /// Gives up the payloads that have been missing for too long, and hands out what waited for them.
    pub fn on_timer(&mut self, now_ns: u64, sink: &mut impl InboundSink) {
        let server = server_side(self.role, &mut self.pairings, &mut self.whereabouts);
        self.keyring.on_timer(now_ns, server, &mut self.counters, sink);
    }

    /// Installs a generation for receiving, as pending. Of pending ones the three newest are kept: two attempts
    /// and a rekey. Does not allocate.
    ///
    /// # Errors
    /// [`InstallError`] if the generation is not above every one before, or its datagrams are longer than what the
    /// receiver takes. The key is retired then, and nothing else changes.
    pub fn install(&mut self, key: Box<ReceivingKey>, now_ns: u64) -> Result<(), InstallError> {
        self.keyring.install(key, now_ns, &mut self.counters)
    }

    /// A key that was replaced, forgotten or refused, to be dropped (which zeroes it) where that may take its time.
    pub fn take_retired(&mut self) -> Option<Box<ReceivingKey>> {
        self.keyring.take_retired()
    }

    /// Makes a pending generation the current one. The current one before it opens on as the previous; older pending
    /// ones and the previous before are forgotten. Does nothing if the generation is not pending.
    pub fn set_current(&mut self, generation: u32) {
        self.whereabouts.restart();
        self.keyring.set_current(generation, &mut self.counters);
    }

    /// The generation opens nothing from now on. Its keys are zeroed when the retired key is dropped.
    pub fn forget(&mut self, generation: u32) {
        if self.keyring.current() == Some(generation) {
            self.whereabouts.session_ended();
        }
        self.keyring.forget(generation, &mut self.counters);
    }

    /// The peer is there now, as the control side says. A client says so when it turns to another of its server's
    /// addresses; nothing that comes in moves its server. A server's endpoint moves by itself
    /// ([`Inbound::take_believed`]).
    pub fn set_endpoint(&mut self, endpoint: impl Into<Endpoint>) {
        self.whereabouts.moved_to(endpoint.into());
    }

    /// Server: this generation is confirmed, by a datagram from `source`. From now on the sources that its response
    /// went to are challenged, and all others that datagrams under it come from, until one of them is believed.
    pub fn ask(&mut self, generation: u32, source: Endpoint, now_ns: u64) {
        let answered = self.pairings.get_served().answered_sources();
        self.whereabouts.ask(generation, answered, source, now_ns);
    }

    /// Server: where the client is believed to be, if that has changed since the last call. It has moved already.
    pub fn take_believed(&mut self) -> Option<Believed> {
        self.whereabouts.take_believed()
    }

    /// Whom the sender is to challenge, if that has changed since the last call.
    pub fn take_challenges(&mut self) -> Option<Challenges> {
        self.whereabouts.take_challenges()
    }

    /// Client: only answers to the initiations with these stamps count.
    pub fn expect_stamps(&mut self, stamps: [Option<u64>; 2]) {
        self.underway.wait(stamps.iter().any(Option::is_some));
        self.pairings.served().expect_stamps(stamps);
    }

    /// Server: initiations up to this stamp are not acted on. Never lowers the floor.
    pub fn raise_floor(&mut self, stamp: u64) {
        self.pairings.served().floor().raise(stamp);
    }

    /// Server: the greatest stamp acted on.
    pub fn floor_ms(&self) -> u64 {
        self.pairings.get_served().floor_ms()
    }

    /// Masks computed for datagrams that no session of their endpoint's opened.
    pub fn masks_spent(&self) -> u64 {
        self.budget.masks_spent()
    }

    /// What has come so far.
    pub fn counters(&self) -> InboundCounters {
        InboundCounters {
            payloads_lost: self.counters.payloads_lost + self.keyring.payloads_lost(),
            expected: self.counters.expected + self.keyring.expected(),
            ..self.counters
        }
    }
}

/// What only a server has; borrowed by parts, because keys are borrowed beside it.
fn server_side<'a>(role: Role, pairings: &'a mut Pairings, whereabouts: &'a mut Whereabouts) -> Option<ServerSide<'a>> {
    (role == Role::Server).then(|| ServerSide { floor: pairings.served().floor(), whereabouts })
}
