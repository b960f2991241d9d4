//! Whose the datagrams are that nothing opens: the peer's while a handshake with it is under way, else a stranger's.

use crate::support::{MS, Receiver, S, address};

const CLIENT: u8 = 1;
const SERVER: u8 = 1;
const STRANGER: u8 = 2;
/// Under no key: a sender without a session covers with what looks like this.
const COVER: [u8; 1472] = [0x5a; 1472];

/// `[unknown, unopened, over_budget]`.
fn counted(receiver: &Receiver) -> [u64; 3] {
    let counters = receiver.counters();
    [counters.unknown, counters.unopened, counters.over_budget]
}

#[test]
fn a_servers_client_while_it_asks_and_for_ten_seconds() {
    let mut receiver = Receiver::server();
    receiver.receive(address(CLIENT), &COVER);
    assert_eq!(counted(&receiver), [1, 0, 0], "nobody has asked yet");
    for fragment in receiver.initiation(5_000, 1472) {
        receiver.receive(address(CLIENT), &fragment);
    }
    receiver.receive(address(CLIENT), &COVER);
    receiver.receive(address(STRANGER), &COVER);
    assert_eq!(counted(&receiver), [2, 1, 0]);
    // More copies in a millisecond than are opened of anybody's.
    receiver.now_ns += MS;
    for _ in 0..20 {
        for fragment in receiver.initiation(5_000, 1472) {
            receiver.receive(address(CLIENT), &fragment);
        }
    }
    assert_eq!(counted(&receiver), [2, 16, 0]);
    receiver.now_ns += 10 * S;
    receiver.receive(address(CLIENT), &COVER);
    assert_eq!(counted(&receiver), [3, 16, 0]);
}

#[test]
fn who_says_an_old_initiation_again_is_a_stranger() {
    let mut receiver = Receiver::server();
    for fragment in receiver.initiation(1, 1472) {
        receiver.receive(address(STRANGER), &fragment);
    }
    assert_eq!(receiver.counters().stale, 1);
    receiver.receive(address(STRANGER), &COVER);
    assert_eq!(counted(&receiver), [1, 0, 0]);
}

#[test]
fn a_clients_server_while_it_waits_for_an_answer() {
    let mut receiver = Receiver::client(address(SERVER));
    receiver.receive(address(SERVER), &COVER);
    receiver.inbound.expect_stamps([Some(7), None]);
    receiver.receive(address(SERVER), &COVER);
    receiver.receive(address(STRANGER), &COVER);
    assert_eq!(counted(&receiver), [2, 1, 0]);
    receiver.inbound.expect_stamps([None; 2]);
    receiver.receive(address(SERVER), &COVER);
    assert_eq!(counted(&receiver), [3, 1, 0], "no answer came either");
}
