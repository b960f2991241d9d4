//! The rings that every tunnel has, by who holds which end.

use std::sync::Arc;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::report::departures::Departures;
use crate::report::recorder::Recorder;
use crate::rings::command::{COMMAND_CAPACITY, IngressCommand, ReceiveCommand, SendCommand, TRASH_CAPACITY, Trash};
use crate::rings::event::ReceiverEvent;
use crate::rings::queue::{Gate, QueueConsumer, QueueProducer, queue};
use crate::rings::record::SlotRecord;
use crate::rings::report_in::{REPORT_CAPACITY, ReportIn};

/// Receiver events that may wait for the reporter, which looks every 10 ms. Handshakes are rare, but a process that was
/// stopped finds all that the socket kept for it at once, and a rekey that nobody answered repeats itself five times a
/// second: this is 100 s of that. Memory is taken as it is used, 1.4 KiB each.
const EVENT_CAPACITY: usize = 512;

/// The control side's.
pub struct ControlEnds {
    pub(crate) send: Producer<SendCommand>,
    pub(crate) receive: Producer<ReceiveCommand>,
    pub(crate) ingress: Producer<IngressCommand>,
}

/// Of whoever builds slots.
pub struct SendingEnds {
    pub(crate) commands: Consumer<SendCommand>,
    pub(crate) queue: QueueConsumer,
    pub(crate) trash: Producer<Trash>,
}

/// Of whoever receives.
pub struct ReceivingEnds {
    pub(crate) commands: Consumer<ReceiveCommand>,
    pub(crate) events: Producer<ReceiverEvent>,
    pub(crate) reports: Producer<ReportIn>,
    pub(crate) trash: Producer<Trash>,
}

/// Of whoever reads the interface; with the packet device the control side's.
pub struct IngressEnds {
    pub(crate) commands: Consumer<IngressCommand>,
    pub(crate) queue: QueueProducer,
}

/// The reporter's. Rings that not every tunnel has are added by who makes their other end.
pub struct ReporterEnds {
    pub(crate) events: Consumer<ReceiverEvent>,
    pub(crate) reports: Consumer<ReportIn>,
    pub(crate) trash: [Consumer<Trash>; 2],
    /// One of each dispatcher.
    pub(crate) records: Vec<Consumer<SlotRecord>>,
    pub(crate) packets: Option<Consumer<u8>>,
    pub(crate) departures: Option<Departures>,
    pub(crate) recorder: Option<Recorder>,
}

/// All of them.
pub struct RingEnds {
    /// Whether packets may wait in the queue.
    pub(crate) gate: Arc<Gate>,
    pub(crate) control: ControlEnds,
    pub(crate) sending: SendingEnds,
    pub(crate) receiving: ReceivingEnds,
    pub(crate) ingress: IngressEnds,
    pub(crate) reporter: ReporterEnds,
}

impl RingEnds {
    /// Empty rings.
    pub fn new() -> Self {
        let gate = Gate::new();
        let (send, send_commands) = RingBuffer::new(COMMAND_CAPACITY);
        let (receive, receive_commands) = RingBuffer::new(COMMAND_CAPACITY);
        let (ingress, ingress_commands) = RingBuffer::new(COMMAND_CAPACITY);
        let (sending_trash, trash_of_sending) = RingBuffer::new(TRASH_CAPACITY);
        let (receiving_trash, trash_of_receiving) = RingBuffer::new(COMMAND_CAPACITY);
        let (event, events) = RingBuffer::new(EVENT_CAPACITY);
        let (report, reports) = RingBuffer::new(REPORT_CAPACITY);
        let (queue_in, queue_out) = queue(0, Arc::clone(&gate));
        RingEnds {
            gate,
            control: ControlEnds { send, receive, ingress },
            sending: SendingEnds { commands: send_commands, queue: queue_out, trash: sending_trash },
            receiving: ReceivingEnds {
                commands: receive_commands,
                events: event,
                reports: report,
                trash: receiving_trash,
            },
            ingress: IngressEnds { commands: ingress_commands, queue: queue_in },
            reporter: ReporterEnds {
                events,
                reports,
                trash: [trash_of_sending, trash_of_receiving],
                records: Vec::new(),
                packets: None,
                departures: None,
                recorder: None,
            },
        }
    }
}
