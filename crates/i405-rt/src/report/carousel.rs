//! The carousel: an offer's fragments round and round, each handshake copy wrapped anew, ahead of its slot.
//!
//! Wrapping is the reporter's work. The dispatcher only takes the next copy from a ring; if the reporter is late, the
//! slot is one without a fragment, which looks the same.

use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::{Head, KIND_INITIATION, NONCE, Wrapper, fragments};
use i405_proto::outbound::HandshakeCopy;
use i405_proto::sources::MOST_SOURCES;
use rtrb::{Producer, RingBuffer};

use crate::platform::random::random;
use crate::rings::command::Copies;

/// How often the reporter looks, with a TUN: often enough to wrap ahead for the shortest slots, 0.3 % of a core.
pub const REPORTER_PERIOD_NS: u64 = 10_000_000;
/// Copies that are ready at least.
const FEWEST_COPIES: usize = 8;
/// Copies that are ready at most: 3 MiB of them at 1500 bytes.
const MOST_COPIES: usize = 2048;

/// Copies follow each other by this much at least: a receiver opens 5 a millisecond of all strangers' (`i405_proto::budget`),
/// and wrapping each of 100,000 slots a second would take a core from who has to answer.
const COPY_EVERY_NS: u64 = 250_000;

/// Server: where the initiation with this stamp came from, likeliest first.
#[derive(Clone, Copy, Default)]
pub struct HandshakeSources {
    pub(crate) stamp: u64,
    pub(crate) sources: [Option<Endpoint>; MOST_SOURCES],
}

/// A handshake message that is to go round, and how.
#[derive(Clone)]
pub struct Offer {
    /// Of the first fragment. The others have other numbers.
    pub head: Head,
    /// The message.
    pub message: Vec<u8>,
    /// Every how many slots.
    pub every: u32,
    /// Where to, unless it is known where the initiation came from.
    pub endpoint: Endpoint,
}

/// A destination, and which fragment it gets next: with one place for all, two in turns would get half of them each.
#[derive(Clone, Copy)]
struct Place {
    endpoint: Endpoint,
    next: u32,
}

/// A carousel under way.
pub struct Carousel {
    offer: Offer,
    datagram_length: usize,
    fragments: u32,
    places: Vec<Place>,
    /// Whose turn it is.
    turn: usize,
    ring: Producer<HandshakeCopy>,
}

impl Carousel {
    /// A carousel with its first copies ready, and the dispatcher's end of it.
    pub fn new(
        offer: Offer,
        sources: &HandshakeSources,
        datagram_length: usize,
        interval_ns: u64,
        wrapper: &Wrapper,
    ) -> (Self, Box<Copies>) {
        let mut offer = offer;
        let spaced = u32::try_from(COPY_EVERY_NS / interval_ns.max(1)).unwrap_or(u32::MAX);
        offer.every = offer.every.max(spaced);
        let ahead = 3 * REPORTER_PERIOD_NS / interval_ns.max(1) / u64::from(offer.every.max(1));
        let (ring, taken) = RingBuffer::new((ahead as usize).clamp(FEWEST_COPIES, MOST_COPIES));
        let copies = Box::new(Copies { ring: taken, every: offer.every });
        let fragments = fragments(datagram_length, offer.message.len());
        let places = vec![Place { endpoint: offer.endpoint, next: 0 }];
        let mut carousel = Carousel { offer, datagram_length, fragments, places, turn: 0, ring };
        carousel.set_sources(sources);
        carousel.refill(wrapper);
        (carousel, copies)
    }

    /// Copies from here on go to where the initiation came from, if it is this carousel's.
    pub fn set_sources(&mut self, sources: &HandshakeSources) {
        if self.offer.head.kind == KIND_INITIATION || sources.stamp != self.offer.head.stamp {
            return;
        }
        let next = |endpoint| self.places.iter().find(|place| place.endpoint == endpoint).map_or(0, |place| place.next);
        let places: Vec<Place> =
            sources.sources.iter().flatten().map(|&endpoint| Place { endpoint, next: next(endpoint) }).collect();
        if !places.is_empty() {
            self.places = places;
        }
    }

    /// Wraps as many copies as there is room for now. Room that comes meanwhile waits for the next time, or a reporter
    /// that is slower than the slots would never be done.
    pub fn refill(&mut self, wrapper: &Wrapper) {
        for _ in 0..self.ring.slots() {
            let Ok(nonce) = random::<NONCE>() else { return };
            self.turn = (self.turn + 1) % self.places.len();
            let place = &mut self.places[self.turn];
            let head = Head { fragment: place.next as u8, ..self.offer.head };
            let mut bytes = vec![0; self.datagram_length].into_boxed_slice();
            wrapper.wrap(&head, &self.offer.message, &nonce, &mut bytes);
            place.next = (place.next + 1) % self.fragments.max(1);
            if self.ring.push(HandshakeCopy { endpoint: place.endpoint, bytes }).is_err() {
                return;
            }
        }
    }
}
