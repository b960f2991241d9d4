//! The sending half of an end as a dispatcher drives it, and what holds in every slot.

use std::net::SocketAddr;

use i405_proto::challenge::Challenges;
use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::{Head, VERSION, Wrapper, fragments};
use i405_proto::keys::DIRECTION_KEY_BYTES;
use i405_proto::outbound::{CLOSE_SLOTS, Contents, HandshakeCopy, Outbound, SendingSession, Slot as Built};
use i405_proto::packer::{CONTROL_CHALLENGE, CONTROL_CLOSE, CONTROL_ECHO, CONTROL_NEWEST_STAMP};
use i405_proto::schedule::Schedule;
use i405_proto::seal::Sealer;
use i405_random::Random;

use crate::ledger::{Ledger, Slot};
use crate::secrets::{self, SessionId};
use crate::settings::{Settings, US, Waking, Wire};
use crate::tap::{Sight, Tap};
use crate::traffic::Traffic;

/// The carousel's copy is not ready in so many of a thousand turns.
const COPY_MISSING: u64 = 20;

/// A handshake message that goes round.
pub struct Carousel {
    pub kind: u8,
    pub stamp: u64,
    pub message: Vec<u8>,
    /// Every how many slots.
    pub every: u32,
    /// Where its copies go.
    pub endpoint: Endpoint,
}

/// Where a carousel's copies go, and which fragment is next there.
type Places = Vec<(Endpoint, u32)>;

/// A datagram that left.
pub struct Datagram {
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
    /// What is in it, if it is data.
    pub slot: Option<Slot>,
}

/// One slot that was sent: which deadline it was, counted from 0 with the missed ones, and when it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub index: u64,
    pub deadline_ns: u64,
    pub called_ns: u64,
}

/// A schedule beside one that is advanced deadline by deadline.
struct Timetable {
    schedule: Schedule,
    naive: Schedule,
    passed: u64,
    missed: u64,
    called_ns: u64,
}

pub struct Sender {
    pub wire: Wire,
    pub endpoint: Endpoint,
    pub traffic: Traffic,
    pub ledger: Ledger,
    pub log: Vec<Sent>,
    /// Stamp, kind and number of each fragment that went out.
    pub fragments: Vec<Head>,
    pub missed: u64,
    /// Data datagrams that said close.
    pub closes: u32,
    /// Whether the last of the close slots was told.
    pub close_said: bool,
    outbound: Outbound,
    tap: Tap,
    timetable: Option<Timetable>,
    schedule_seed: [u8; 32],
    waking: Waking,
    lateness: Random,
    /// The carousel, the next fragment for each place that it goes to, and how many slots there were since it began.
    carousel: Option<(Carousel, Places, u32)>,
    wrapper: Wrapper,
    reporter: Random,
    session: Option<(u32, SessionId)>,
    announce: Option<u64>,
    close_left: u32,
    /// Packets that started again under the same key: the receiver drops what it has of them.
    pub restarts: u64,
    /// Slots in which somebody was challenged: another one than the peer, perhaps.
    pub elsewhere: u64,
    /// Who is challenged.
    challenged: Vec<Endpoint>,
}

impl Sender {
    /// `life` counts the restarts of this end: nothing random is drawn a second time.
    pub fn new(settings: &Settings, wire: Wire, endpoint: Endpoint, life: u64) -> Self {
        let random =
            |purpose: &str| Random::stream(settings.seed ^ life << 32, &format!("{} {purpose}", wire.direction.name()));
        let throwaway: [u8; DIRECTION_KEY_BYTES] = random("throwaway").bytes();
        Sender {
            wire,
            endpoint,
            traffic: Traffic::new(random("traffic"), settings.load, settings.longest),
            ledger: Ledger::default(),
            log: Vec::new(),
            fragments: Vec::new(),
            missed: 0,
            closes: 0,
            close_said: false,
            outbound: Outbound::new(Sealer::throwaway(wire.aead, &throwaway), wire.length),
            tap: Tap::new(wire, &throwaway),
            timetable: None,
            schedule_seed: random("schedule").bytes(),
            waking: settings.waking,
            lateness: random("lateness"),
            carousel: None,
            wrapper: secrets::wrapper(wire.direction),
            reporter: random("reporter"),
            session: None,
            announce: None,
            close_left: 0,
            restarts: 0,
            elsewhere: 0,
            challenged: Vec::new(),
        }
    }

    /// Slots begin one drawn interval after `start_ns`, if they haven't begun.
    pub fn start(&mut self, start_ns: u64) {
        if self.timetable.is_none() {
            let late_ns = self.late_ns();
            let make = || Schedule::starting_after(self.wire.timing, start_ns, self.schedule_seed);
            let called_ns = make().deadline_ns() + late_ns;
            self.timetable = Some(Timetable { schedule: make(), naive: make(), passed: 0, missed: 0, called_ns });
        }
    }

    pub fn started(&self) -> bool {
        self.timetable.is_some()
    }

    /// When the dispatcher gets to the next slot.
    pub fn next_call_ns(&self) -> Option<u64> {
        self.timetable.as_ref().map(|timetable| timetable.called_ns)
    }

    pub fn send_under(&mut self, session: Option<(u32, SessionId)>, announce: Option<u64>) {
        let sealer = |id| Sealer::new(self.wire.aead, secrets::session_keys(id, self.wire.direction));
        let sending = session.map(|(generation, id)| {
            Box::new(SendingSession { generation, sealer: sealer(id), announce_stamp: announce })
        });
        let replaced = self.outbound.set_session(sending);
        assert_eq!(replaced.map(|old| old.generation), self.session.map(|(generation, _)| generation));
        assert_eq!(self.outbound.generation(), session.map(|(generation, _)| generation));
        self.session = session;
        self.announce = announce;
        self.tap.session(session.map(|(_, id)| id));
        self.ledger.restart();
    }

    pub fn session(&self) -> Option<(u32, SessionId)> {
        self.session
    }

    pub fn opened(&mut self, generation: u32) {
        self.outbound.opened(generation);
        if self.session.is_some_and(|(under, _)| under <= generation) {
            self.announce = None;
        }
    }

    pub fn offer(&mut self, carousel: Option<Carousel>) {
        self.outbound.set_carousel(carousel.as_ref().map_or(0, |carousel| carousel.every));
        self.carousel = carousel.map(|carousel| {
            let places = vec![(carousel.endpoint, 0)];
            (carousel, places, 0)
        });
    }

    pub fn challenge(&mut self, challenges: Challenges) {
        self.challenged = challenges.sources.iter().flatten().map(|challenge| challenge.source).collect();
        self.outbound.challenge(Box::new(challenges));
    }

    pub fn echo(&mut self, token: u64) {
        self.outbound.echo(token);
    }

    /// The stamp that the carousel is about.
    pub fn offering(&self) -> Option<u64> {
        self.carousel.as_ref().map(|(carousel, ..)| carousel.stamp)
    }

    pub fn move_carousel(&mut self, sources: &[Endpoint]) {
        if let Some((_, places, _)) = &mut self.carousel {
            let next = |source| places.iter().find(|(place, _)| *place == source).map_or(0, |(_, next)| *next);
            *places = sources.iter().map(|source| (*source, next(*source))).collect();
        }
    }

    pub fn say_close(&mut self) {
        self.outbound.say_close();
        self.ledger.abandon();
        self.close_left = CLOSE_SLOTS;
    }

    /// Nothing waits to be sent.
    pub fn is_empty(&self) -> bool {
        self.traffic.is_empty() && !self.ledger.under_way()
    }

    /// One slot: exactly one datagram, whatever else is the case.
    pub fn slot(&mut self) -> Datagram {
        self.traffic.arrive(self.wire.length);
        let (wants, copy) = self.turn();
        let datagram = copy.as_ref().map(|(datagram, _)| datagram);
        let mut asked = false;
        let take = || {
            asked = true;
            datagram
        };
        let built = self.outbound.build(self.endpoint, take, &mut self.traffic);
        let Built { endpoint: to, contents, .. } = built;
        let bytes = self.outbound.leaving().to_vec();
        assert_eq!(asked, wants, "copies are asked for in the carousel's slots");
        assert_eq!((self.outbound.exhausted(), self.outbound.wants_throwaway()), (None, false));
        let challenged = self.challenged.contains(&to);
        self.elsewhere += u64::from(copy.is_none() && challenged);
        assert!(to == datagram.map_or(self.endpoint, |copy| copy.endpoint) || copy.is_none() && challenged, "{to}");
        let sight = self.tap.watch(&bytes, copy.as_ref().map(|(datagram, head)| (&datagram.bytes[..], *head)));
        match &sight {
            Sight::Handshake(head) => {
                assert!(copy.is_some());
                assert_eq!(contents, Contents::Handshake);
                self.fragments.push(*head);
            }
            Sight::Cover => {
                assert!(copy.is_none() && self.session.is_none());
                assert_eq!(contents, Contents::Cover);
            }
            Sight::Data { .. } => assert!(copy.is_none()),
        }
        let slot = self.check_contents(sight, &built);
        self.advance();
        Datagram { to: to.address, bytes, slot }
    }

    /// Whether it is the carousel's turn, and its copy, if that is ready.
    fn turn(&mut self) -> (bool, Option<(HandshakeCopy, Head)>) {
        let Some((carousel, places, slots)) = self.carousel.as_mut() else { return (false, None) };
        let wants = *slots % carousel.every == 0;
        *slots += 1;
        if !wants || self.reporter.per_mille(COPY_MISSING) {
            return (wants, None);
        }
        let turn = (*slots / carousel.every.max(1)) as usize % places.len();
        let (endpoint, next) = &mut places[turn];
        let head = Head { version: VERSION, kind: carousel.kind, fragment: *next as u8, stamp: carousel.stamp };
        *next = (*next + 1) % fragments(self.wire.length, carousel.message.len());
        let mut bytes = vec![0; self.wire.length].into_boxed_slice();
        self.wrapper.wrap(&head, &carousel.message, &self.reporter.bytes(), &mut bytes);
        (wants, Some((HandshakeCopy { endpoint: *endpoint, bytes }, head)))
    }

    /// Control blocks, closes and inner packets are what they should be.
    fn check_contents(&mut self, sight: Sight, built: &Built) -> Option<Slot> {
        let taken = self.traffic.taken();
        let closing = self.close_left > 0;
        let Sight::Data { slot, continues, controls } = sight else {
            assert!(taken.is_empty(), "packets were taken in a slot that carries none");
            // Nobody could read a close: it is said by ending.
            assert_eq!(built.close_said, closing && self.session.is_none());
            self.close_left = if built.close_said { 0 } else { self.close_left };
            self.close_said |= built.close_said;
            return None;
        };
        assert!(matches!(built.contents, Contents::Cover | Contents::Carrying { bytes: 1.., .. }));
        let stamp = self.announce.map(|stamp| (CONTROL_NEWEST_STAMP, stamp.to_be_bytes()[2..].to_vec()));
        let close = closing.then(|| (CONTROL_CLOSE, Vec::new()));
        let expected: Vec<_> = stamp.into_iter().chain(close).collect();
        // A challenge or an echo doesn't wait for the packet under way, which starts again.
        let urgent = controls.iter().any(|(kind, _)| [CONTROL_CHALLENGE, CONTROL_ECHO].contains(kind));
        if urgent && continues == 0 {
            self.restarts += u64::from(self.ledger.restart());
        }
        // Whom they are said to, and that they are echoed, is the tests' of the receiver and of slots.
        let controls: Vec<_> =
            controls.into_iter().filter(|(kind, _)| ![CONTROL_CHALLENGE, CONTROL_ECHO].contains(kind)).collect();
        assert_eq!(controls, expected, "control blocks");
        self.close_left -= u32::from(closing);
        self.closes += u32::from(closing);
        assert_eq!(built.close_said, closing && self.close_left == 0);
        self.close_said |= built.close_said;
        self.ledger.sent(slot, built.contents, taken);
        Some(slot)
    }

    /// On to the next deadline, past those that have passed.
    fn advance(&mut self) {
        let late_ns = self.late_ns();
        let timetable = self.timetable.as_mut().expect("slots only while a schedule runs");
        let (deadline_ns, called_ns) = (timetable.schedule.deadline_ns(), timetable.called_ns);
        assert!(called_ns >= deadline_ns, "no slot before its deadline");
        self.log.push(Sent { index: timetable.passed, deadline_ns, called_ns });
        timetable.schedule.advance();
        timetable.missed += timetable.schedule.skip_passed(called_ns);
        // Every deadline up to now, one by one.
        timetable.naive.advance();
        timetable.passed += 1;
        while timetable.naive.deadline_ns() < called_ns {
            timetable.naive.advance();
            timetable.passed += 1;
        }
        assert_eq!(self.log.len() as u64 + timetable.missed, timetable.passed, "sent and missed make all deadlines");
        assert_eq!(timetable.schedule.deadline_ns(), timetable.naive.deadline_ns(), "lateness moved a deadline");
        timetable.called_ns = timetable.schedule.deadline_ns() + late_ns;
        self.missed = timetable.missed;
    }

    fn late_ns(&mut self) -> u64 {
        // Drawn alike in both cases, so that runs can be compared.
        let (kind, share) = (self.lateness.below(1000), self.lateness.below(1000));
        let longest_ns = match (self.waking, kind) {
            (Waking::Punctual, _) => 0,
            (Waking::Late, 0..2) => 300 * self.wire.timing.interval_ns(),
            (Waking::Late, 2..40) => 3 * self.wire.timing.interval_ns(),
            (Waking::Late, _) => 60 * US,
        };
        longest_ns * share / 1000
    }
}
