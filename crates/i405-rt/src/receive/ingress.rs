//! Ingress: moves inner packets from the TUN interface into the waiting queue.
//!
//! It always empties the kernel's own queue, where 500 packets would be seven seconds at 100 KiB/s. What the bound of
//! the waiting queue does not let in is dropped and counted.

use std::io;
use std::sync::Arc;

use i405_proto::packer::inner_length;
use rtrb::Consumer;

use crate::platform::device::Tun;
use crate::receive::own_flow::OwnFlow;
use crate::rings::command::IngressCommand;
use crate::rings::queue::QueueProducer;
use crate::rings::stats::Counters;

const LARGEST_PACKET: usize = 65_535;

/// Reads the device and feeds the queue.
pub struct Ingress {
    tun: Arc<Tun>,
    queue: QueueProducer,
    commands: Consumer<IngressCommand>,
    counters: Arc<Counters>,
    own: Arc<OwnFlow>,
    buffer: Box<[u8]>,
}

impl Ingress {
    /// Ready to read.
    pub fn new(
        tun: Arc<Tun>,
        queue: QueueProducer,
        commands: Consumer<IngressCommand>,
        counters: Arc<Counters>,
        own: Arc<OwnFlow>,
    ) -> Self {
        Ingress { tun, queue, commands, counters, own, buffer: vec![0; LARGEST_PACKET].into_boxed_slice() }
    }

    /// The device, for poll.
    pub fn tun(&self) -> Arc<Tun> {
        Arc::clone(&self.tun)
    }

    /// Reads at most one packet. False: there was none, or the device is gone.
    pub fn turn(&mut self) -> bool {
        while let Ok(IngressCommand::Queue(queue)) = self.commands.pop() {
            self.queue = *queue;
        }
        let counters = &self.counters.ingress;
        let length = match self.tun.read(&mut self.buffer) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return false;
            }
            Err(error) => {
                counters.errors.add(1);
                counters.errno.set(error.raw_os_error().unwrap_or(0).unsigned_abs().into());
                return false;
            }
        };
        let packet = &self.buffer[..length];
        if inner_length(packet) != Some(length) {
            counters.malformed.add(1);
        } else if self.own.is_own(packet) {
            counters.looped.add(1);
        } else if !self.queue.push(packet) {
            counters.queue_drops.add(1);
        }
        true
    }
}
