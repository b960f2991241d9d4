//! The instructions of the kernel's spin loop, with a comment each. On the right is each one as the verifier lists it.
//!
//! Only the loop itself has two forms, because the one that costs least is not in every kernel that has the hook.

use i405_sys::bpf::{Instruction, Program};

/// Longest spin. A launch time further ahead is a mistake or somebody's clock, and the datagram is dropped: nothing ever
/// keeps a core for longer with bottom halves off. Several times the lead of any poll mode.
const MOST_SPIN_NS: i32 = 1_000_000;
/// Most rounds of a loop that the kernel counts (`BPF_MAX_LOOPS`). One takes some 30 ns, so the launch time comes first.
const MOST_ROUNDS: i32 = 1 << 23;

/// Registers that calls of helpers leave alone.
const DATAGRAM: u8 = 6;
const LAUNCH: u8 = 7;
/// What helpers return and take.
const R0: u8 = 0;
const R1: u8 = 1;
const R2: u8 = 2;
const R3: u8 = 3;
const R4: u8 = 4;
const STACK: u8 = 10;
/// linux/bpf.h: `___BPF_FUNC_MAPPER`.
const KTIME_GET_NS: i32 = 5;
const GET_SOCKET_COOKIE: i32 = 46;
const LOOP: i32 = 181;
const SKB_SET_TSTAMP: i32 = 192;
/// `offsetof(struct __sk_buff, tstamp)`.
const TSTAMP: i16 = 152;
/// `enum tcx_action_base`.
const TCX_NEXT: i32 = -1;
const TCX_DROP: i32 = 2;
/// Places of the counters, bytes.
const HELD: i32 = 0;
const REFUSED: i32 = 8;

/// linux/bpf_common.h and linux/bpf.h: class, operation and operand of the instructions that are used.
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const COPY: u8 = 0xbf;
const SET: u8 = 0xb7;
const SET_WIDE: u8 = 0x18;
const LOAD: u8 = 0x79;
const STORE: u8 = 0x7b;
const ADD: u8 = 0x07;
const ADD_ATOMICALLY: u8 = 0xdb;
const GO_IF_ZERO: u8 = 0x15;
const GO_IF_NOT_EQUAL: u8 = 0x5d;
const GO_IF_ABOVE: u8 = 0x2d;
const GO_IF_BELOW: u8 = 0xad;
const MAY_GO: u8 = 0xe5;
/// What a number in two instructions is: a number, a map and a place in its value (`BPF_PSEUDO_MAP_VALUE`), or a function by
/// its distance (`BPF_PSEUDO_FUNC`).
const NUMBER: u8 = 0;
const PLACE: u8 = 2;
const FUNCTION: u8 = 4;

/// How it loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// By `may_goto`, from Linux 6.9 on: three instructions.
    MayGoto,
    /// By `bpf_loop`, which calls a function of the program. Every kernel with tcx has it (Linux 6.6).
    Callback,
}

/// `struct bpf_insn`: operation, registers, offset, number.
const fn instruction(code: u8, to: u8, from: u8, offset: i16, number: i32) -> Instruction {
    // The two registers are four bits each, in the order of the machine's bit fields.
    let registers = if cfg!(target_endian = "little") { from << 4 | to } else { to << 4 | from };
    let [low, high] = offset.to_ne_bytes();
    let [a, b, c, d] = number.to_ne_bytes();
    Instruction::from_ne_bytes([code, registers, low, high, a, b, c, d])
}

/// The program for one socket. It counts in the map `counters`.
pub fn spin(cookie: u64, counters: i32, wait: Wait) -> Program {
    let (waits, callback) = match wait {
        Wait::MayGoto => (may_goto().to_vec(), None),
        Wait::Callback => (calls_back().to_vec(), Some(until_launch_time())),
    };
    // Jumps over the loop are longer by as much.
    let over = waits.len() as i16;
    let mut instructions = before(cookie, counters, over).to_vec();
    instructions.extend(waits);
    instructions.extend(behind(counters));
    let second = callback.map(|function| {
        let at = instructions.len();
        instructions.extend(function);
        at
    });
    Program { name: "i405_spin", instructions, callback: second }
}

#[rustfmt::skip]
fn before(cookie: u64, counters: i32, over: i16) -> [Instruction; 14] {
    let (cookie_low, cookie_high) = (cookie as u32 as i32, (cookie >> 32) as i32);
    [
        // The datagram is kept where calls leave it alone.
        instruction(COPY, DATAGRAM, R1, 0, 0),                     //  0: r6 = r1
        // Other sockets' datagrams are none of our business, whatever launch times they carry.
        instruction(CALL, 0, 0, 0, GET_SOCKET_COOKIE),             //  1: call bpf_get_socket_cookie
        instruction(SET_WIDE, R1, NUMBER, 0, cookie_low),          //  2: r1 = cookie
        instruction(0, 0, 0, 0, cookie_high),
        instruction(GO_IF_NOT_EQUAL, R0, R1, 13 + over, 0),        //  4: if r0 != r1 goto next
        // Without a launch time this slot leaves by the call.
        instruction(LOAD, LAUNCH, DATAGRAM, TSTAMP, 0),            //  5: r7 = *(u64 *)(r6 + 152)
        instruction(GO_IF_ZERO, LAUNCH, 0, 11 + over, 0),          //  6: if r7 == 0 goto next
        // Is it too far ahead?
        instruction(CALL, 0, 0, 0, KTIME_GET_NS),                  //  7: call bpf_ktime_get_ns
        instruction(ADD, R0, 0, 0, MOST_SPIN_NS),                  //  8: r0 += 1000000
        instruction(GO_IF_ABOVE, LAUNCH, R0, 10 + over, 0),        //  9: if r7 > r0 goto refused
        // Counted before the loop, so that nothing comes after it that needn't.
        instruction(SET_WIDE, R1, PLACE, 0, counters),             // 10: r1 = &held
        instruction(0, 0, 0, 0, HELD),
        instruction(SET, R2, 0, 0, 1),                             // 12: r2 = 1
        instruction(ADD_ATOMICALLY, R1, R2, 0, 0),                 // 13: lock *(u64 *)(r1 + 0) += r2
    ]
}

/// The kernel leaves this loop at `may_goto` after 2^23 rounds, from Linux 6.15 on after 250 ms.
#[rustfmt::skip]
fn may_goto() -> [Instruction; 3] {
    [
        instruction(MAY_GO, 0, 0, 2, 0),                           // 14: may_goto 17
        instruction(CALL, 0, 0, 0, KTIME_GET_NS),                  // 15: call bpf_ktime_get_ns
        instruction(GO_IF_BELOW, R0, LAUNCH, -3, 0),               // 16: if r0 < r7 goto 14
    ]
}

#[rustfmt::skip]
fn calls_back() -> [Instruction; 8] {
    [
        // The function sees what is on the stack.
        instruction(STORE, STACK, LAUNCH, -8, 0),                  // 14: *(u64 *)(r10 - 8) = r7
        instruction(SET, R1, 0, 0, MOST_ROUNDS),                   // 15: r1 = 8388608
        // It stands behind the program's end: 17 instructions from the next one.
        instruction(SET_WIDE, R2, FUNCTION, 0, 17),                // 16: r2 = &function
        instruction(0, 0, 0, 0, 0),
        instruction(COPY, R3, STACK, 0, 0),                        // 18: r3 = r10
        instruction(ADD, R3, 0, 0, -8),                            // 19: r3 += -8
        instruction(SET, R4, 0, 0, 0),                             // 20: r4 = 0
        instruction(CALL, 0, 0, 0, LOOP),                          // 21: call bpf_loop
    ]
}

/// The function that `bpf_loop` calls with the round's number and our place on the stack, until it returns 1.
#[rustfmt::skip]
fn until_launch_time() -> [Instruction; 7] {
    [
        instruction(LOAD, DATAGRAM, R2, 0, 0),                     // 34: r6 = *(u64 *)(r2 + 0)
        instruction(CALL, 0, 0, 0, KTIME_GET_NS),                  // 35: call bpf_ktime_get_ns
        instruction(COPY, R1, R0, 0, 0),                           // 36: r1 = r0
        instruction(SET, R0, 0, 0, 0),                             // 37: r0 = 0
        instruction(GO_IF_BELOW, R1, DATAGRAM, 1, 0),              // 38: if r1 < r6 goto 40
        instruction(SET, R0, 0, 0, 1),                             // 39: r0 = 1
        instruction(EXIT, 0, 0, 0, 0),                             // 40: exit
    ]
}

#[rustfmt::skip]
fn behind(counters: i32) -> [Instruction; 12] {
    [
        // With its launch time, what comes behind would hold it or drop it as late.
        instruction(COPY, R1, DATAGRAM, 0, 0),                     // 17: r1 = r6
        instruction(SET, R2, 0, 0, 0),                             // 18: r2 = 0
        instruction(SET, R3, 0, 0, 0),                             // 19: r3 = 0
        instruction(CALL, 0, 0, 0, SKB_SET_TSTAMP),                // 20: call bpf_skb_set_tstamp
        // next: whoever else is at the hook has its turn, with what is not ours as well.
        instruction(SET, R0, 0, 0, TCX_NEXT),                      // 21: r0 = -1
        instruction(EXIT, 0, 0, 0, 0),                             // 22: exit
        // refused: too far ahead, so it is dropped, and counted.
        instruction(SET_WIDE, R1, PLACE, 0, counters),             // 23: r1 = &refused
        instruction(0, 0, 0, 0, REFUSED),
        instruction(SET, R2, 0, 0, 1),                             // 25: r2 = 1
        instruction(ADD_ATOMICALLY, R1, R2, 0, 0),                 // 26: lock *(u64 *)(r1 + 0) += r2
        instruction(SET, R0, 0, 0, TCX_DROP),                      // 27: r0 = 2
        instruction(EXIT, 0, 0, 0, 0),                             // 28: exit
    ]
}

#[cfg(test)]
mod tests {
    use i405_sys::bpf::{self, SharedCounters};

    use super::*;

    /// The program as the kernel reads it, for whoever reads it here.
    const BEFORE: [&str; 10] = [
        "0: (bf) r6 = r1",
        "1: (85) call bpf_get_socket_cookie#46",
        "2: (18) r1 = 0x102030405060708",
        "5: (79) r7 = *(u64 *)(r6 +152)",
        "7: (85) call bpf_ktime_get_ns#5",
        "8: (07) r0 += 1000000",
        "10: (18) r1 = 0x",
        "12: (b7) r2 = 1",
        "13: (db) lock *(u64 *)(r1 +0) += r2",
        "if r7 == 0x0 goto pc+",
    ];
    const MAY_GOTO: [&str; 14] = [
        "4: (5d) if r0 != r1 goto pc+16",
        "6: (15) if r7 == 0x0 goto pc+14",
        "9: (2d) if r7 > r0 goto pc+13",
        "14: (e5) may_goto pc+2",
        "15: (85) call bpf_ktime_get_ns#5",
        "16: (ad) if r0 < r7 goto pc-3",
        "17: (bf) r1 = r6",
        "18: (b7) r2 = 0",
        "19: (b7) r3 = 0",
        "20: (85) call bpf_skb_set_tstamp#192",
        "21: (b7) r0 = -1",
        "22: (95) exit",
        "25: (b7) r2 = 1",
        "27: (b7) r0 = 2",
    ];
    const CALLBACK: [&str; 20] = [
        "4: (5d) if r0 != r1 goto pc+21",
        "6: (15) if r7 == 0x0 goto pc+19",
        "9: (2d) if r7 > r0 goto pc+18",
        "14: (7b) *(u64 *)(r10 -8) = r7",
        "15: (b7) r1 = 8388608",
        "16: (18) r2 = 0x",
        "18: (bf) r3 = r10",
        "19: (07) r3 += -8",
        "20: (b7) r4 = 0",
        "21: (85) call bpf_loop#181",
        "22: (bf) r1 = r6",
        "25: (85) call bpf_skb_set_tstamp#192",
        "26: (b7) r0 = -1",
        "32: (b7) r0 = 2",
        "34: (79) r6 = *(u64 *)(r2 +0)",
        "35: (85) call bpf_ktime_get_ns#5",
        "36: (bf) r1 = r0",
        "37: (b7) r0 = 0",
        "38: (ad) if r1 < r6 goto pc+1",
        "39: (b7) r0 = 1",
    ];

    #[test]
    fn the_kernel_reads_the_program_as_it_is_meant() {
        let Ok(counters) = SharedCounters::new(2) else {
            assert!(!rustix::process::geteuid().is_root(), "root may load programs");
            return;
        };
        for (wait, lines) in [(Wait::MayGoto, MAY_GOTO.as_slice()), (Wait::Callback, CALLBACK.as_slice())] {
            let listing = bpf::listing(&spin(0x0102_0304_0506_0708, counters.number(), wait)).unwrap();
            for line in BEFORE.iter().chain(lines) {
                assert!(listing.lines().any(|read| read.contains(line)), "{line} is not in\n{listing}");
            }
        }
    }
}
