/** Counters of a tunnel for what only prints them. */
import type { TunnelStats } from "../index.js";

export const SOME_STATS: TunnelStats = {
  state: "closed",
  slots: {
    sent: 7n,
    missed: 1n,
    late: 0n,
    carrying: 2n,
    cover: 4n,
    handshake: 1n,
    hedged: 0n,
    emergency: 0n,
    sendErrors: 0n,
    lastSendErrno: 0,
    unreported: 0n,
    launchesMissed: 0n,
  },
  inner: {
    packetsSent: 3n,
    bytesSent: 0n,
    packetsReceived: 4n,
    bytesReceived: 0n,
    queueDrops: 5n,
    readerDrops: 0n,
    malformed: 0n,
    deviceErrors: 0n,
    queuedBytes: 0n,
  },
  datagrams: { received: 0n, opened: 0n, unknown: 0n, replayed: 0n, overBudget: 0n },
  handshake: { fragments: 0n, stale: 0n },
  reassembly: { payloadsLost: 0n, blocksDropped: 0n },
  eventsDropped: 0n,
  throttleStalls: 0n,
  burners: 0,
};
