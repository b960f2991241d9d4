//! Tables of the kernel's packet filter, made over netlink (linux/netfilter/nf_tables.h). No `nft` program is needed.
//!
//! A table is made in one batch, as a whole or not at all, and belongs to the socket that made it: nobody else changes
//! it, and it goes when the socket is closed, also by a kill (NFT_TABLE_F_OWNER, Linux 5.12).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;

use i405_sys::fd;

/// linux/netlink.h.
const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_ACK: u16 = 0x004;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;
const NLMSG_ERROR: u16 = 2;
const NLMSG_HEADER: usize = 16;
const NLA_F_NESTED: u16 = 1 << 15;

/// linux/netfilter/nf_tables.h: NFT_TABLE_F_OWNER.
const OWNED: u32 = 1 << 1;
/// NFT_FIB_RESULT_OIF and _ADDRTYPE, NFTA_FIB_F_SADDR, _DADDR, _IIF and _OIF.
const FIB_INTERFACE: u32 = 1;
const FIB_ADDRESS_TYPE: u32 = 3;
const FIB_SOURCE: u32 = 1 << 0;
const FIB_DESTINATION: u32 = 1 << 1;
const FIB_ARRIVED_BY: u32 = 1 << 3;
const FIB_LEAVES_BY: u32 = 1 << 4;
/// Registers of 16 bytes; 0 holds the verdict.
const VERDICT_REGISTER: u32 = libc::NFT_REG_VERDICT as u32;
const REGISTER: u32 = libc::NFT_REG_1 as u32;

/// Which packets a table is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// ARP.
    Arp,
}

/// Where a chain is asked, and in which order.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// NF_INET_PRE_ROUTING and others.
    pub number: i32,
    /// Lower ones first.
    pub priority: i32,
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// In: its destination counts.
    Arriving,
    /// Out: its source counts.
    Leaving,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'a> {
    /// It goes on, as far as this table is concerned.
    Accept,
    /// It is dropped.
    Drop,
    /// The named chain decides.
    Jump(&'a str),
}

/// One step of a rule; a comparison that fails ends the rule.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Takes a fact about the packet: NFT_META_IIF and others, in the machine's byte order.
    Meta(i32),
    /// Takes this many bytes of the network header.
    Header {
        /// From where on.
        offset: u32,
        /// How many, at most 16.
        length: u32,
    },
    /// Takes what an address is at the packet's interface: RTN_LOCAL if it is that one's own.
    AddressKind(Side),
    /// Takes the number of the interface that it came by, if the way back to its source is by that one, else 0.
    WayBack,
    /// What was taken has to be this.
    Equals(&'a [u8]),
    /// Counts, for whoever lists the table.
    Count,
    /// Decides.
    Decide(Verdict<'a>),
}

/// A table that lasts as long as this value.
#[derive(Debug)]
pub struct Table {
    owner: Socket,
}

impl Table {
    /// What the table lasts as long as, for whoever is to hold it: a copy of the socket's descriptor.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn into_owner(self) -> io::Result<OwnedFd> {
        fd::duplicate(self.owner.as_raw_fd())
    }
}

/// A table to be made.
pub struct Batch {
    bytes: Vec<u8>,
    sequence: u32,
    family: u8,
    table: String,
}

impl Batch {
    /// Begins a table of this name, which has to be nobody's yet.
    pub fn table(family: Family, name: &str) -> Self {
        let number = match family {
            Family::Inet => libc::NFPROTO_INET,
            Family::Arp => libc::NFPROTO_ARP,
        };
        let mut batch = Batch { bytes: Vec::new(), sequence: 0, family: number as u8, table: name.to_owned() };
        batch.frame(libc::NFNL_MSG_BATCH_BEGIN);
        // NFTA_TABLE_NAME, NFTA_TABLE_FLAGS.
        let attributes = [text(1, name), number_be(2, OWNED)].concat();
        batch.message(libc::NFT_MSG_NEWTABLE, NLM_F_CREATE, &attributes);
        batch
    }

    /// A chain that the kernel asks at a hook, or one that others jump to.
    pub fn chain(&mut self, name: &str, hook: Option<Hook>) {
        // NFTA_CHAIN_TABLE, _NAME, _HOOK (NFTA_HOOK_HOOKNUM, _PRIORITY), _TYPE.
        let mut attributes = [text(1, &self.table), text(3, name)].concat();
        if let Some(Hook { number, priority }) = hook {
            let at = [number_be(1, number as u32), number_be(2, priority as u32)].concat();
            attributes.extend([nested(4, &at), text(7, "filter")].concat());
        }
        self.message(libc::NFT_MSG_NEWCHAIN, NLM_F_CREATE, &attributes);
    }

    /// A rule behind those that the chain has.
    pub fn rule(&mut self, chain: &str, steps: &[Step<'_>]) {
        // NFTA_RULE_TABLE, _CHAIN, _EXPRESSIONS (NFTA_LIST_ELEM each).
        let steps: Vec<u8> = steps.iter().flat_map(|step| nested(1, &expression(*step))).collect();
        let attributes = [text(1, &self.table), text(2, chain), nested(4, &steps)].concat();
        self.message(libc::NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, &attributes);
    }

    /// Makes the table.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_ADMIN, `EOPNOTSUPP` and others where the kernel lacks a part.
    pub fn make(mut self) -> io::Result<Table> {
        self.frame(libc::NFNL_MSG_BATCH_END);
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        socket.send(&self.bytes, 0)?;
        // The kernel works on the batch within the call, so all answers are there.
        let mut accepted = 0;
        loop {
            match socket.recv_from_full() {
                Ok((bytes, _)) => accepted += acknowledged(&bytes)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        // Without an answer nothing was made: the batch is not understood at all.
        if accepted == 0 { Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)) } else { Ok(Table { owner: socket }) }
    }

    /// Begins or ends the batch.
    fn frame(&mut self, kind: i32) {
        let header = [libc::AF_UNSPEC as u8, 0, 0, libc::NFNL_SUBSYS_NFTABLES as u8];
        self.append(kind as u16, NLM_F_REQUEST, &header);
    }

    fn message(&mut self, kind: i32, flags: u16, attributes: &[u8]) {
        let kind = (libc::NFNL_SUBSYS_NFTABLES << 8 | kind) as u16;
        let payload = [&[self.family, 0, 0, 0][..], attributes].concat();
        self.append(kind, NLM_F_REQUEST | NLM_F_ACK | flags, &payload);
    }

    fn append(&mut self, kind: u16, flags: u16, payload: &[u8]) {
        self.sequence += 1;
        self.bytes.extend(((NLMSG_HEADER + payload.len()) as u32).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend(0_u32.to_ne_bytes());
        self.bytes.extend(payload);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// NFTA_EXPR_NAME and NFTA_EXPR_DATA.
fn expression(step: Step<'_>) -> Vec<u8> {
    let (name, data) = match step {
        // NFTA_META_DREG, _KEY.
        Step::Meta(key) => ("meta", [number_be(1, REGISTER), number_be(2, key as u32)].concat()),
        // NFTA_PAYLOAD_DREG, _BASE, _OFFSET, _LEN.
        Step::Header { offset, length } => {
            let base = libc::NFT_PAYLOAD_NETWORK_HEADER as u32;
            let of = [(1, REGISTER), (2, base), (3, offset), (4, length)];
            ("payload", of.map(|(kind, value)| number_be(kind, value)).concat())
        }
        // NFTA_FIB_DREG, _RESULT, _FLAGS.
        Step::AddressKind(side) => {
            let flags = match side {
                Side::Arriving => FIB_DESTINATION | FIB_ARRIVED_BY,
                Side::Leaving => FIB_SOURCE | FIB_LEAVES_BY,
            };
            let of = [(1, REGISTER), (2, FIB_ADDRESS_TYPE), (3, flags)];
            ("fib", of.map(|(kind, value)| number_be(kind, value)).concat())
        }
        Step::WayBack => {
            let of = [(1, REGISTER), (2, FIB_INTERFACE), (3, FIB_SOURCE | FIB_ARRIVED_BY)];
            ("fib", of.map(|(kind, value)| number_be(kind, value)).concat())
        }
        // NFTA_CMP_SREG, _OP, _DATA (NFTA_DATA_VALUE).
        Step::Equals(value) => {
            let with = nested(3, &attribute(1, value));
            ("cmp", [number_be(1, REGISTER), number_be(2, libc::NFT_CMP_EQ as u32), with].concat())
        }
        Step::Count => ("counter", Vec::new()),
        // NFTA_IMMEDIATE_DREG, _DATA (NFTA_DATA_VERDICT (NFTA_VERDICT_CODE, _CHAIN)).
        Step::Decide(verdict) => {
            let verdict = match verdict {
                Verdict::Accept => number_be(1, libc::NF_ACCEPT as u32),
                Verdict::Drop => number_be(1, libc::NF_DROP as u32),
                Verdict::Jump(chain) => [number_be(1, libc::NFT_JUMP as u32), text(2, chain)].concat(),
            };
            ("immediate", [number_be(1, VERDICT_REGISTER), nested(2, &nested(2, &verdict))].concat())
        }
    };
    [text(1, name), nested(2, &data)].concat()
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len() + 8);
    bytes.extend((4 + value.len() as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nested(kind: u16, attributes: &[u8]) -> Vec<u8> {
    attribute(kind | NLA_F_NESTED, attributes)
}

fn text(kind: u16, value: &str) -> Vec<u8> {
    attribute(kind, &[value.as_bytes(), &[0]].concat())
}

/// nf_tables takes its own numbers in network byte order.
fn number_be(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

/// How many messages the kernel says yes to; the first no is the error.
fn acknowledged(bytes: &[u8]) -> io::Result<usize> {
    let number = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_ne_bytes);
    let (mut at, mut count) = (0, 0);
    while let (Some(length), Some(kind)) = (number(at), number(at + 4)) {
        if kind as u16 == NLMSG_ERROR {
            let code = number(at + NLMSG_HEADER).unwrap_or(0) as i32;
            if code != 0 {
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            count += 1;
        }
        // One of length zero would never end.
        at += (length as usize).max(NLMSG_HEADER).next_multiple_of(4);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_their_length_is_without() {
        assert_eq!(text(3, "lo"), [7, 0, 3, 0, b'l', b'o', 0, 0]);
        assert_eq!(number_be(1, 2), [8, 0, 1, 0, 0, 0, 0, 2]);
        assert_eq!(nested(4, &number_be(1, 2))[..4], [12, 0, 4, 0x80]);
    }

    #[test]
    fn messages_of_a_batch_follow_each_other_at_multiples_of_four() {
        let mut batch = Batch::table(Family::Inet, "i405-x");
        batch.chain("c", Some(Hook { number: 0, priority: -300 }));
        batch.rule("c", &[Step::Meta(4), Step::Equals(&[1]), Step::Count, Step::Decide(Verdict::Jump("c"))]);
        let (mut at, mut sequences) = (0, Vec::new());
        while at < batch.bytes.len() {
            let four = |from: usize| u32::from_ne_bytes(batch.bytes[from..from + 4].try_into().unwrap());
            sequences.push(four(at + 8));
            at += (four(at) as usize).next_multiple_of(4);
        }
        assert_eq!((at, sequences), (batch.bytes.len(), vec![1, 2, 3, 4]));
    }

    #[test]
    fn one_refusal_among_answers_is_the_error() {
        let answer = |code: i32| {
            let header = [20_u32.to_ne_bytes(), u32::from(NLMSG_ERROR).to_ne_bytes(), [0; 4], [0; 4]].concat();
            [header, code.to_ne_bytes().to_vec()].concat()
        };
        assert_eq!(acknowledged(&[answer(0), answer(0)].concat()).unwrap(), 2);
        let refused = acknowledged(&[answer(0), answer(-libc::EPERM)].concat()).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
        // Nonsense ends, and says nothing.
        assert_eq!(acknowledged(&[0; 64]).unwrap(), 0);
        assert!(acknowledged(&answer(i32::MIN)).is_err());
    }
}
