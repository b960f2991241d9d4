/** The addon's figures as the public interface has them. */
import type { Deviation, TunnelState, TunnelStats } from "../../index.js";
import type { NativeDeviation, NativeStats } from "../native/stats.js";
import type { PacketCounts } from "./packet-hub.js";
import { NO_AGES, NO_PATH, publicPath, type Ages } from "./path-stats.js";

/** Before a tunnel is open. */
export const NO_STATS: NativeStats = {
  slotsSent: 0n,
  slotsMissed: 0n,
  slotsLate: 0n,
  slotsCarrying: 0n,
  slotsCover: 0n,
  slotsHandshake: 0n,
  slotsHedged: 0n,
  slotsEmergency: 0n,
  sendErrors: 0n,
  lastSendErrno: 0,
  innerPacketsSent: 0n,
  innerBytesSent: 0n,
  innerPacketsReceived: 0n,
  innerBytesReceived: 0n,
  queueDrops: 0n,
  malformedInner: 0n,
  innerNotAllowed: 0n,
  innerLinkLocal: 0n,
  innerLooped: 0n,
  deviceErrors: 0n,
  queuedBytes: 0n,
  datagramsReceived: 0n,
  datagramsOpened: 0n,
  openedReplaced: 0n,
  datagramsUnknown: 0n,
  datagramsUnopened: 0n,
  datagramsReplayed: 0n,
  datagramsOverBudget: 0n,
  handshakeFragments: 0n,
  staleInitiations: 0n,
  payloadsLost: 0n,
  blocksDropped: 0n,
  eventsDropped: 0n,
  throttleStalls: 0n,
  burners: 0,
  slotsUnreported: 0n,
  launchesMissed: 0n,
  lastOpenedNs: 0n,
  lateness: [],
  path: NO_PATH,
};

/** Before anything was written or read. */
const NO_PACKETS: PacketCounts = { readerDrops: 0n, writeRefusals: 0n, malformed: 0n };

export function publicStats(
  state: TunnelState,
  native: NativeStats,
  packets: PacketCounts = NO_PACKETS,
  ages: Ages = NO_AGES,
): TunnelStats {
  return {
    state,
    slots: {
      sent: native.slotsSent,
      missed: native.slotsMissed,
      late: native.slotsLate,
      carrying: native.slotsCarrying,
      cover: native.slotsCover,
      handshake: native.slotsHandshake,
      hedged: native.slotsHedged,
      emergency: native.slotsEmergency,
      sendErrors: native.sendErrors,
      lastSendErrno: native.lastSendErrno,
      unreported: native.slotsUnreported,
      launchesMissed: native.launchesMissed,
    },
    inner: {
      packetsSent: native.innerPacketsSent,
      bytesSent: native.innerBytesSent,
      packetsReceived: native.innerPacketsReceived,
      bytesReceived: native.innerBytesReceived,
      queueDrops: native.queueDrops,
      writeRefusals: packets.writeRefusals,
      readerDrops: packets.readerDrops,
      malformed: native.malformedInner + packets.malformed,
      notAllowed: native.innerNotAllowed,
      linkLocal: native.innerLinkLocal,
      looped: native.innerLooped,
      deviceErrors: native.deviceErrors,
      queuedBytes: native.queuedBytes,
    },
    datagrams: {
      received: native.datagramsReceived,
      opened: native.datagramsOpened,
      unknown: native.datagramsUnknown,
      unopened: native.datagramsUnopened,
      replayed: native.datagramsReplayed,
      overBudget: native.datagramsOverBudget,
    },
    path: publicPath(native.path, ages),
    handshake: { fragments: native.handshakeFragments, stale: native.staleInitiations },
    reassembly: { payloadsLost: native.payloadsLost, blocksDropped: native.blocksDropped },
    eventsDropped: native.eventsDropped,
    throttleStalls: native.throttleStalls,
    burners: native.burners,
    lateness: native.lateness.map(({ source, boundsNs, counts, sumNs }) => ({ source, boundsNs, counts, sumNs })),
  };
}

export function publicDeviation(native: NativeDeviation): Deviation {
  return {
    source: native.source,
    count: native.count,
    mean: native.meanNs / 1000,
    stddev: native.stddevNs / 1000,
    p1: native.p1Ns / 1000,
    p50: native.p50Ns / 1000,
    p90: native.p90Ns / 1000,
    p99: native.p99Ns / 1000,
    p999: native.p999Ns / 1000,
    max: native.maxNs / 1000,
    missed: native.missed,
    unreported: native.unreported,
  };
}
