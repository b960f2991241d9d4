//! What threads with deadlines call allocates nothing: counted by an allocator.

mod sys;

use i405_proto::lateness::Lateness;
use i405_proto::packer::{CONTROL_NEWEST_STAMP, ControlBlock, InnerQueue, Packer};
use i405_proto::reorder::ReorderWindow;
use i405_proto::schedule::{Schedule, Shape, Timing};
use i405_proto::unpacker::{BlockSink, Unpacker};
use sys::counting::allocations;

/// IPv4 packets of 1000 bytes without end.
struct Endless;

impl InnerQueue for Endless {
    fn next_len(&mut self) -> Option<usize> {
        Some(1000)
    }

    fn read(&mut self, into: &mut [u8]) {
        into.fill(0x45);
        into[2..4].copy_from_slice(&1000u16.to_be_bytes());
    }
}

#[derive(Default)]
struct Count {
    packets: usize,
    controls: usize,
}

impl BlockSink for Count {
    fn packet(&mut self, inner: &[u8]) {
        assert_eq!(inner.len(), 1000);
        self.packets += 1;
    }

    fn control(&mut self, _kind: u8, _body: &[u8]) {
        self.controls += 1;
    }
}

fn assert_allocates_nothing(work: impl FnOnce()) {
    let before = allocations();
    work();
    assert_eq!(allocations() - before, 0);
}

#[test]
fn allocator_counts() {
    let before = allocations();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(allocations() - before, 1);
}

#[test]
fn schedule_and_lateness() {
    let timing = Timing::new(10_000, 2_500, Shape::Cos4).expect("within the limits");
    let mut schedule = Schedule::new(timing, 0, [1; 32]);
    let mut lateness = Lateness::new();
    assert_allocates_nothing(|| {
        for slot in 0..10_000 {
            schedule.advance();
            lateness.missed(schedule.skip_passed(slot * 12_000));
            lateness.record(slot << (slot % 50));
        }
        lateness.missed(schedule.skip_passed(86_400_000_000_000));
        assert!(lateness.snapshot().missed > 0);
        lateness.reset();
    });
}

#[test]
fn packer_reorder_window_and_unpacker() {
    let mut packer = Packer::new();
    let mut unpacker = Unpacker::new();
    let mut window = ReorderWindow::new(8, 1430, 1_000);
    let mut sink = Count::default();
    let stamp = [ControlBlock { kind: CONTROL_NEWEST_STAMP, body: &[0; 6] }];
    assert_allocates_nothing(|| {
        let mut payload = [0; 1430];
        for slot in 0..2_000 {
            let controls = if slot % 10 == 0 { &stamp[..] } else { &[] };
            packer.fill(&mut payload, controls, &mut Endless);
            // Neighbours change places, and one in a hundred is lost.
            if slot % 100 != 50 {
                let mut out = |bytes: &[u8], contiguous: bool| {
                    unpacker.payload(bytes, contiguous, &mut sink);
                };
                window.insert(slot ^ 1, &payload, u64::from(slot), &mut out);
                window.expire(u64::from(slot), &mut out);
            }
            packer.cover(&mut payload);
        }
        packer.restart();
        packer.fill(&mut payload, &[], &mut Endless);
        packer.abandon();
    });
    assert!(sink.packets > 0 && window.lost() > 0);
}
