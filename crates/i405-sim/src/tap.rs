//! Somebody who sees every datagram that leaves an end and has every key: what each one is, and what must hold for all.

use std::collections::HashSet;

use i405_proto::handshake_wire::Unwrapper;
use i405_proto::keys::{Aead, DirectionKeys};
use i405_proto::seal::{Opener, Sealer};

use crate::ledger::KeyNumber;

/// Counters that a key may be ahead of what was seen; they rise by one per datagram built.
const AHEAD: i64 = 64;
/// Of a datagram, bytes.
const LONGEST: usize = 65_535;
/// Keys that were sent under and are looked at, the newest.
const USED: usize = 4;
/// As many keys of the others. A server installs one for each initiation, and most are never sent under. But a rekey's
/// may wait behind them for as long as its session lasts, 180 s, and a client makes an initiation every 5.8 s.
const UNUSED: usize = 40;

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Under a key that only its sender has.
    Cover,
    Handshake,
    Data(KeyNumber),
}

struct Watched {
    number: KeyNumber,
    opener: Opener,
    last: i64,
    /// For a planted mistake.
    forger: Sealer,
}

/// One end's.
pub struct Tap {
    unwrapper: Option<Unwrapper>,
    keys: Vec<Watched>,
    numbers: KeyNumber,
    /// Every key that was ever sent under, restarts or not.
    ever: HashSet<[u8; 32]>,
    /// First bytes of every datagram: counter, and the first of ciphertext or nonce. Alike only if all of both are.
    seen: HashSet<u128>,
    nonces: HashSet<[u8; 16]>,
    scratch: Vec<u8>,
    pub counts: [u64; 3],
}

fn copy(keys: &DirectionKeys) -> DirectionKeys {
    DirectionKeys { key: keys.key, iv: keys.iv, mask: keys.mask }
}

impl Tap {
    pub fn new() -> Self {
        Tap {
            unwrapper: None,
            keys: Vec::new(),
            numbers: 0,
            ever: HashSet::new(),
            seen: HashSet::new(),
            nonces: HashSet::new(),
            scratch: vec![0; LONGEST],
            counts: [0; 3],
        }
    }

    /// The pairing's keys of this end's sending direction.
    pub fn pairing(&mut self, wrap: &[u8; 32], mask: &[u8; 32]) {
        self.unwrapper = Some(Unwrapper::new(wrap, mask));
    }

    /// The end may send under these from here on.
    ///
    /// # Errors
    /// If it could before: its counters would begin again.
    pub fn session(&mut self, aead: Aead, keys: &DirectionKeys) -> Result<(), String> {
        if !self.ever.insert(keys.key) {
            return Err("a key is installed for sending a second time: its counters begin again".to_owned());
        }
        self.numbers += 1;
        let opener = Opener::new(aead, copy(keys));
        self.keys.push(Watched { number: self.numbers, opener, last: -1, forger: Sealer::new(aead, copy(keys)) });
        for (used, most) in [(true, USED), (false, UNUSED)] {
            let alike = |key: &Watched| (key.last >= 0) == used;
            if self.keys.iter().filter(|key| alike(key)).count() > most
                && let Some(oldest) = self.keys.iter().position(alike)
            {
                self.keys.remove(oldest);
            }
        }
        Ok(())
    }

    /// The newest key that a datagram left under.
    pub fn newest_used(&self) -> KeyNumber {
        self.keys.iter().rev().find(|key| key.last >= 0).map_or(0, |key| key.number)
    }

    /// What it is.
    ///
    /// # Errors
    /// What must not be.
    pub fn watch(&mut self, datagram: &[u8]) -> Result<Sight, String> {
        let mut first = [0; 16];
        first.copy_from_slice(&datagram[..16]);
        if !self.seen.insert(u128::from_ne_bytes(first)) {
            return Err("a datagram's first bytes have left before".to_owned());
        }
        // Those that were sent under first: there are fewer, and nearly always it is one of them.
        let mut order: Vec<_> = self.keys.iter_mut().rev().collect();
        order.sort_by_key(|key| key.last < 0);
        for key in order {
            let counter = key.opener.counter(datagram);
            if i64::from(counter) > key.last + AHEAD {
                continue;
            }
            if key.opener.open(counter, datagram, &mut self.scratch).is_none() {
                continue;
            }
            if i64::from(counter) <= key.last {
                return Err(format!("counter {counter} of key {} was used a second time", key.number));
            }
            key.last = counter.into();
            self.counts[0] += 1;
            return Ok(Sight::Data(key.number));
        }
        if let Some(unwrapper) = self.unwrapper.as_ref().filter(|unwrapper| unwrapper.plausible(datagram))
            && let Some(unwrapped) = unwrapper.unwrap(datagram, &mut self.scratch)
        {
            if !self.nonces.insert(unwrapped.nonce) {
                return Err("a handshake nonce was used a second time".to_owned());
            }
            self.counts[1] += 1;
            return Ok(Sight::Handshake);
        }
        self.counts[2] += 1;
        Ok(Sight::Cover)
    }

    /// A planted mistake: other contents under the first counters of the newest key.
    pub fn forge(&mut self, length: usize) -> Option<Vec<u8>> {
        let key = self.keys.last_mut().filter(|key| key.last > 8)?;
        let mut datagram = vec![0xa5; length];
        key.forger.seal(&mut datagram).ok()?;
        Some(datagram)
    }
}
