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
  /** First deadline; null: one drawn interval from now. A running schedule ends when this one begins. */
  firstDeadlineNs: bigint | null;
  endpoint: string;
}

export interface NativeDirectionKeys {
  key: Uint8Array;
  iv: Uint8Array;
  mask: Uint8Array;
}

export interface NativeSession {
  /** A generation is installed once, and each is above those before. */
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
  /** 1: every slot carries a fragment. 8: every eighth slot does, and the others go on with the older session. */
  every: number;
  /**
   * Where to send it. A server sends it to where the initiation with this stamp came from, or here if that isn't known.
   * A client always sends it to its server.
   */
  endpoint: string;
}

/** A control block that is repeated, under whatever session slots are sent under, until another takes its place. */
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
  /** Ends the schedule at that instant; null takes the end back. */
  endAt(instantNs: bigint | null): void;
  /** Carries this handshake message in the carousel, in place of the one before. */
  offer(offer: NativeOffer): void;
  stopOffer(): void;
  /** Client: only responses with these stamps are handed over. */
  expectStamps(stamps: number[]): void;
  /** Installs a session's keys for receiving. */
  install(session: NativeSession): void;
  /** Sends under it from the next slot on, with a newest-stamp block until a datagram has opened under it. */
  sendUnder(generation: number, announceStamp: number | null): void;
  /** Zeroes the generation's keys. If slots were sent under it, a throwaway key takes over. */
  forget(generation: number): void;
  moveEndpoint(endpoint: string): void;
  /**
   * Server: a datagram from `source` confirmed this generation. This challenges `source`, the sources that the response
   * went to, and whatever else datagrams under that generation come from, in turns. `believed` follows when one of them
   * answers.
   */
  ask(generation: number, source: string): void;
  /** Server: the sources of the newest initiation, if it has this stamp, the likeliest first. */
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
  /** Repeats this control block in place of the one before; null: repeats none. */
  repeatControl(control: NativeControl | null): void;
  /** Puts a close block into the next 8 slots; then `closeSent` follows. */
  sendClose(): void;
  /** In-process device: copies an inner packet in. False: there was no room, and it was not taken; wait for `drain`. */
  write(packet: Uint8Array): boolean;
  stats(): NativeStats;
  /** The figures since the last call. */
  deviation(): NativeDeviation;
  /** Ends every thread and releases socket and device; `closed` follows. Idempotent. */
  close(): void;
  /** Whether the tunnel keeps the event loop alive. */
  ref(): void;
  unref(): void;
}
