//! The carousel: an offer's fragments, round and round. Each handshake copy is wrapped anew, ahead of its slot.
//!
//! The reporter does the wrapping, and the dispatcher only takes the next copy from a ring. If the reporter is late, a
//! slot goes without a fragment, which looks the same.

use i405_proto::endpoint::Endpoint;
use i405_proto::handshake_wire::{Head, KIND_INITIATION, NONCE, Wrapper, fragments};
use i405_proto::outbound::HandshakeCopy;
use i405_proto::sources::MOST_SOURCES;
use rtrb::{Producer, RingBuffer};

use crate::platform::random::random;
use crate::rings::command::Copies;

/// How often the reporter looks while a message is offered: often enough to wrap ahead for the shortest slots, 0.3 % of a core.
pub const REPORTER_PERIOD_NS: u64 = 10_000_000;
/// Copies that are ready at least.
const FEWEST_COPIES: usize = 8;
/// Copies that are ready at most: 3 MiB of them at 1500 bytes.
const MOST_COPIES: usize = 2048;

/// Copies follow each other by this much at least. A receiver opens 5 a millisecond of all strangers'
/// (`i405_proto::budget`). And to wrap one for each of 100,000 slots a second would take a core from whoever has to
/// answer.
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

    /// Wraps as many copies as there is room for now. Room that comes meanwhile waits for the next time, because a
    /// reporter that is slower than the slots would never be done otherwise.
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use i405_proto::handshake_wire::{KIND_RESPONSE, Unwrapper, VERSION};
    use i405_proto::seal::MIN_DATAGRAM;

    use super::*;

    const STAMP: u64 = 7;
    const INTERVAL_NS: u64 = 1_000_000;

    fn wrapper() -> Wrapper {
        Wrapper::new(&[1; 32], &[2; 32])
    }

    fn endpoint(last: u8) -> Endpoint {
        SocketAddr::from(([192, 0, 2, last], 1405)).into()
    }

    fn sources(lasts: &[u8]) -> HandshakeSources {
        let mut sources = HandshakeSources { stamp: STAMP, ..HandshakeSources::default() };
        sources.sources.iter_mut().zip(lasts).for_each(|(place, last)| *place = Some(endpoint(*last)));
        sources
    }

    /// A message of three fragments that goes to the first endpoint.
    fn carousel(sources: &HandshakeSources, interval_ns: u64) -> (Carousel, Box<Copies>) {
        let head = Head { version: VERSION, kind: KIND_RESPONSE, fragment: 0, stamp: STAMP };
        let message = vec![9; 3 * (MIN_DATAGRAM - 44)];
        let offer = Offer { head, message, every: 1, endpoint: endpoint(1) };
        Carousel::new(offer, sources, MIN_DATAGRAM, interval_ns, &wrapper())
    }

    /// So many copies from the ring: where to, which fragment, and its nonce.
    fn take(carousel: &mut Carousel, copies: &mut Copies, count: usize) -> Vec<(Endpoint, u8, [u8; NONCE])> {
        let unwrapper = Unwrapper::new(&[1; 32], &[2; 32]);
        let next = |_| {
            let copy = copies.ring.pop().expect("copies are ready");
            carousel.refill(&wrapper());
            let mut scratch = [0; MIN_DATAGRAM];
            let unwrapped = unwrapper.unwrap(&copy.bytes, &mut scratch).expect("a copy under the pairing's key");
            assert_eq!((unwrapped.head.kind, unwrapped.head.stamp), (KIND_RESPONSE, STAMP));
            (copy.endpoint, unwrapped.head.fragment, unwrapped.nonce)
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn fragments_go_round_and_each_copy_is_wrapped_anew() {
        let (mut carousel, mut copies) = carousel(&HandshakeSources::default(), INTERVAL_NS);
        let taken = take(&mut carousel, &mut copies, 100);
        for (number, (to, fragment, nonce)) in taken.iter().enumerate() {
            assert_eq!((*to, usize::from(*fragment)), (endpoint(1), number % 3));
            assert!(taken[..number].iter().all(|(_, _, before)| before != nonce));
        }
    }

    #[test]
    fn each_destination_gets_every_fragment_and_goes_on_where_it_was() {
        let (mut carousel, mut copies) = carousel(&sources(&[5, 6]), INTERVAL_NS);
        let mut taken = take(&mut carousel, &mut copies, 30);
        // Copies that were ready before go where they were to go.
        carousel.set_sources(&sources(&[6, 7]));
        taken.extend(take(&mut carousel, &mut copies, 200));
        for last in [5, 6, 7] {
            let fragments = taken.iter().filter(|(to, ..)| *to == endpoint(last)).map(|(_, fragment, _)| *fragment);
            let fragments: Vec<u8> = fragments.collect();
            assert!(fragments.len() > 12 && fragments[0] == 0, "{fragments:?}");
            assert!(fragments.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 3), "{fragments:?}");
        }
        assert!(taken.iter().all(|(to, ..)| *to != endpoint(1)), "they are of this initiation");
        let (mut others, mut copies) = self::carousel(&HandshakeSources { stamp: 8, ..sources(&[5]) }, INTERVAL_NS);
        assert_eq!(take(&mut others, &mut copies, 1)[0].0, endpoint(1), "they are of another one");
    }

    #[test]
    fn copies_of_short_slots_keep_their_distance() {
        let every = |interval_ns| carousel(&HandshakeSources::default(), interval_ns).1.every;
        assert_eq!([10_000, 100_000, 250_000, INTERVAL_NS].map(every), [25, 2, 1, 1]);
    }
}
