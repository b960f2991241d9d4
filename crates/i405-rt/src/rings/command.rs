//! What the control side tells the timed threads. Wait-free rings; everything is allocated before and freed after.

use i405_proto::challenge::Challenges;
use i405_proto::endpoint::Endpoint;
use i405_proto::inbound::ReceivingKey;
use i405_proto::outbound::{HandshakeCopy, RepeatedControl, SendingSession};
use i405_proto::report::Heard;
use i405_proto::schedule::Schedule;
use i405_proto::seal::Sealer;
use rtrb::Consumer;

use crate::platform::launch::Launch;
use crate::rings::queue::{QueueConsumer, QueueProducer};

/// Commands that may wait for a timed thread, far more than the handshake machine ever has under way.
pub const COMMAND_CAPACITY: usize = 256;
/// Things that may wait to be freed: handshake copies of several reporter periods at the shortest slots.
pub const TRASH_CAPACITY: usize = 8192;

/// A schedule to begin with.
pub struct Start {
    pub(crate) schedule: Schedule,
    /// Where slots are built, and where they leave from.
    pub(crate) buffers: [Box<[u8]>; 2],
    /// Further buffers of that length, where dispatchers hand slots to each other.
    pub(crate) spares: Vec<Box<[u8]>>,
    pub(crate) endpoint: Endpoint,
    pub(crate) end_at_ns: Option<u64>,
    /// Goes on with the deadlines of the schedule that runs, from its next slot on; only length and address change.
    pub(crate) continues: bool,
    /// How slots get launch times; None: they leave at the call.
    pub(crate) launch: Option<Launch>,
}

/// The dispatcher's end of a carousel; the reporter refills it.
pub struct Copies {
    pub(crate) ring: Consumer<HandshakeCopy>,
    /// Every how many slots one is due.
    pub(crate) every: u32,
}

/// For the thread that dispatches.
pub enum SendCommand {
    Start(Box<Start>),
    /// A larger waiting queue, behind the ones before it.
    Queue(Box<QueueConsumer>),
    EndAt(Option<u64>),
    Carousel(Option<Box<Copies>>),
    Session(Option<Box<SendingSession>>),
    Throwaway(Box<Sealer>),
    Endpoint(Endpoint),
    /// Who is challenged from the next data slot on.
    Challenge(Box<Challenges>),
    SayClose,
    RepeatControl(Option<Box<RepeatedControl>>),
    /// A report of this is to be said.
    Report(Heard),
    /// How slots get launch times from the next one on.
    Launch(Option<Launch>),
    #[cfg(test)]
    Panic,
}

/// For the thread that receives.
pub enum ReceiveCommand {
    Install(Box<ReceivingKey>),
    SetCurrent(u32),
    Forget(u32),
    Endpoint(Endpoint),
    /// Server: this generation is confirmed, by a datagram from there.
    Ask(u32, Endpoint),
    ExpectStamps([Option<u64>; 2]),
}

/// For the thread that reads the device.
pub enum IngressCommand {
    Queue(Box<QueueProducer>),
}

/// What timed threads are done with and somebody else frees (and wipes).
#[allow(clippy::large_enum_variant, reason = "the common one is the small one; boxing it would allocate")]
pub enum Trash {
    Copy(#[allow(dead_code, reason = "kept to be dropped elsewhere")] HandshakeCopy),
    /// Either it has begun, and holds the buffers of the schedule before, or another took its place before it began.
    Start(#[allow(dead_code, reason = "kept to be dropped elsewhere")] Box<Start>),
    Queue(#[allow(dead_code, reason = "kept to be dropped elsewhere")] Box<QueueConsumer>),
    Datagram(#[allow(dead_code, reason = "kept to be dropped elsewhere")] Box<[u8]>),
    Copies(#[allow(dead_code, reason = "kept to be dropped elsewhere")] Box<Copies>),
    Session(#[allow(dead_code, reason = "kept to be dropped elsewhere")] Box<SendingSession>),
    Control(#[allow(dead_code, reason = "kept to be dropped elsewhere")] Box<RepeatedControl>),
    Challenges(#[allow(dead_code, reason = "kept to be dropped elsewhere")] Box<Challenges>),
    Key(#[allow(dead_code, reason = "kept to be dropped elsewhere")] Box<ReceivingKey>),
}
