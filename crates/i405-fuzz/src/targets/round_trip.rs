//! What the packer packs, the unpacker unpacks: every packet once and in order, every control block once, all of it
//! unaltered. A lost payload costs what it touched, and no more; a new key costs the control block under way.

use std::cell::RefCell;
use std::collections::VecDeque;

use i405_proto::packer::{ControlBlock, InnerQueue, Packer};
use i405_proto::unpacker::{BlockSink, Unpacker};

use crate::packet::{LEAST, number_of, packet};
use crate::program::Program;

thread_local! {
    // Their buffers of 64 KiB would be most of the work of a run.
    static ENDS: RefCell<(Packer, Unpacker)> = RefCell::new((Packer::new(), Unpacker::new()));
}

/// Packets that wait, by number and length.
#[derive(Default)]
pub struct Waiting(VecDeque<(u32, usize)>);

impl Waiting {
    /// Appends a packet.
    pub fn push(&mut self, number: u32, length: usize) {
        self.0.push_back((number, length.clamp(LEAST, 65_535)));
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl InnerQueue for Waiting {
    fn next_len(&mut self) -> Option<usize> {
        self.0.front().map(|(_, length)| *length)
    }

    fn read(&mut self, into: &mut [u8]) {
        let (number, length) = self.0.pop_front().expect("`next_len` said that there is one");
        into.copy_from_slice(&packet(number, length));
    }
}

/// What came out.
#[derive(Default)]
struct Arrived {
    packets: Vec<u32>,
    controls: Vec<(u8, usize)>,
}

impl BlockSink for Arrived {
    fn packet(&mut self, inner: &[u8]) {
        self.packets.push(number_of(inner));
    }

    fn control(&mut self, kind: u8, body: &[u8]) {
        assert!(body.iter().all(|byte| *byte == body.len() as u8), "a control block arrived altered");
        self.controls.push((kind, body.len()));
    }
}

/// A payload length, then a program of packets, control blocks, losses and new keys.
pub fn run(data: &[u8]) {
    ENDS.with_borrow_mut(|(packer, unpacker)| {
        packer.abandon();
        unpacker.payload(&[], false, &mut Arrived::default());
        drive(packer, unpacker, &mut Program::new(data));
    });
}

fn drive(packer: &mut Packer, unpacker: &mut Unpacker, program: &mut Program<'_>) {
    let mut payload = vec![0xaa; 3 + program.below(1500)];
    // Longer ones would take too many payloads.
    let longest = 20 * payload.len();
    let mut waiting = Waiting::default();
    let mut controls: VecDeque<(u8, usize)> = VecDeque::new();
    let (mut arrived, mut sent_controls) = (Arrived::default(), Vec::new());
    let (mut packets, mut may_be_lost, mut lost_controls) = (0, 0, false);
    let mut restarts = 0;
    let mut contiguous = true;
    loop {
        let how = if program.more() { program.byte() } else { 0 };
        match how & 7 {
            1 | 2 => {
                let length = if how & 0x80 == 0 { usize::from(how) } else { program.below(4000) };
                waiting.push(packets, length.min(longest));
                packets += 1;
            }
            3 => controls.push_back((how >> 4, if how & 8 == 0 { 0 } else { program.below(2000).min(longest) })),
            4 => {
                packer.restart();
                restarts += 1;
                // Another key has an unpacker of its own.
                unpacker.payload(&[], false, &mut arrived);
            }
            5 if how & 0xf8 == 0 => {
                packer.abandon();
                may_be_lost += 1;
                lost_controls = true;
            }
            _ => {}
        }
        let bodies: Vec<_> =
            controls.iter().take(2).map(|(kind, length)| (*kind, vec![*length as u8; *length])).collect();
        let blocks: Vec<_> = bodies.iter().map(|(kind, body)| ControlBlock { kind: *kind, body }).collect();
        let filled = packer.fill(&mut payload, &blocks, &mut waiting);
        sent_controls.extend(controls.drain(..filled.controls));
        assert!(filled.inner_bytes as usize <= payload.len() - 2);
        if how & 7 == 6 {
            // Lost: the packets begun in it, and the one under way.
            may_be_lost += filled.inner_packets + 1;
            lost_controls = true;
            contiguous = false;
        } else {
            unpacker.payload(&payload, contiguous, &mut arrived);
            contiguous = true;
        }
        // A padded payload without a continuation: nothing is under way.
        if !program.more() && controls.is_empty() && waiting.is_empty() && payload[..3] == [0, 0, 0] {
            break;
        }
    }
    assert!(arrived.packets.is_sorted_by(|one, next| one < next), "out of order or twice: {:?}", arrived.packets);
    let missing = packets as usize - arrived.packets.len();
    assert!(missing <= may_be_lost as usize, "{missing} packets are missing, {may_be_lost} were touched");
    if !lost_controls {
        let mut given_up = sent_controls;
        for control in &arrived.controls {
            let at = given_up.iter().position(|each| each == control).expect("a control block came that was not sent");
            given_up.remove(at);
        }
        assert!(given_up.len() <= restarts, "{} control blocks are missing after {restarts} new keys", given_up.len());
    }
    assert!(may_be_lost > 0 || missing == 0);
}
