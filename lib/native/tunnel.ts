/** The commands to an open tunnel of the addon, and what they take. */
import type { JitterShapeName } from "./options.js";
import type { AeadId, HandshakeKind } from "./protocol-ids.js";
import type { NativeDeviation, NativeStats } from "./stats.js";

/** A direction's schedule as it is on the wire. */
export interface NativeTiming {
  /** UDP payload bytes: IP length - 28 over IPv4, - 48 over IPv6. */
  datagramLength: number;
  intervalNs: number;
  jitterNs: number;
  shape: JitterShapeName;
}

export interface NativeSchedule extends NativeTiming {
  /** First deadline; null: one drawn interval from now. A running schedule ends as this one begins. */
  firstDeadlineNs: bigint | null;
  endpoint: string;
}

export interface NativeDirectionKeys {
  key: Uint8Array;
  iv: Uint8Array;
  mask: Uint8Array;
}

export interface NativeSession {
  /** A generation is installed once, and only upwards. */
  generation: number;
  aead: AeadId;
  send: NativeDirectionKeys;
  receive: NativeDirectionKeys;
  receiveLength: number;
  /** Mean interval of the other side, for the plausibility of counters and the lost-packet timer. */
  receiveIntervalNs: number;
}

export interface NativeOffer {
  kind: HandshakeKind;
  /** Version in the head of each fragment. */
  version: number;
  stamp: number;
  message: Uint8Array;
  /** 1: every slot carries a fragment; 8: every eighth, the others go on with the older session. */
  every: number;
  /**
   * Where to send it. A server sends it to where the initiation with this stamp came from, or here if that isn't known.
   * A client always sends it to its server.
   */
  endpoint: string;
}

/** A control block that is said under whatever session is sent under, until another takes its place. */
export interface NativeControl {
  kind: number;
  body: Uint8Array;
  /** Time from one copy to the next, rounded up to whole slots. The first copy is in the next slot with room for it. */
  everyNs: number;
}

/** One open tunnel: a socket, a device, and at most one schedule. Errors thrown carry `code` and a message. */
export interface NativeTunnel {
  localAddress(): string;
  /** Name of the TUN device, null for packets. */
  deviceName(): string | null;
  startSchedule(schedule: NativeSchedule): void;
  /** End the schedule at that instant; null takes it back. */
  endAt(instantNs: bigint | null): void;
  /** Carry this handshake message in a carousel in place of the one before. */
  offer(offer: NativeOffer): void;
  stopOffer(): void;
  /** Client: only responses with these stamps are handed over. */
  expectStamps(stamps: number[]): void;
  /** Install for receiving. */
  install(session: NativeSession): void;
  /** Send under it from the next slot on; with a newest-stamp block until a datagram opened under it. */
  sendUnder(generation: number, announceStamp: number | null): void;
  /** Zero the generation's keys; if it was being sent under, a throwaway key takes over. */
  forget(generation: number): void;
  moveEndpoint(endpoint: string): void;
  /**
   * Server: a datagram from `source` confirmed this generation. This challenges `source`, the sources that the response
   * went to, and whatever else datagrams under that generation come from, in turns. `believed` follows when one of them
   * answers.
   */
  ask(generation: number, source: string): void;
  /** Server: where the newest initiation came from, if it has this stamp, likeliest first. */
  handshakeSources(stamp: number): string[];
  /**
   * Client: from the next slot on, the server is there and datagrams have this UDP length. The deadlines go on as they
   * were. A message in the carousel has to be offered again.
   */
  redirect(endpoint: string, datagramLength: number): void;
  /**
   * Restarts the measurement of silence. `silent` follows once no datagram has opened for this long, not counting those
   * under a replaced key. null: off.
   */
  watchSilence(timeoutNs: number | null): void;
  /** Say this control block again and again in place of the one before; null: no more. */
  repeatControl(control: NativeControl | null): void;
  /** A close block in the next 8 slots, then `closeSent`. */
  sendClose(): void;
  /** In-process device: copies an inner packet in. False: it did not fit and was not taken; wait for `drain`. */
  write(packet: Uint8Array): boolean;
  stats(): NativeStats;
  /** Since the last call. */
  deviation(): NativeDeviation;
  /** Ends every thread and releases socket and device; `closed` follows. Idempotent. */
  close(): void;
  /** Whether the tunnel keeps the event loop alive. */
  ref(): void;
  unref(): void;
}
