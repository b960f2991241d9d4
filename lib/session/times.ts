/**
 * Times of handshakes and sessions that follow from the wire (docs/protocol.md, "Handshake and sessions"). All in
 * nanoseconds.
 */
import type { Wire, WireDirection } from "../../index.js";
import { drawInterval } from "./jitter.js";

/** Nonce, head and tag of a handshake datagram, bytes. */
const WRAP_OVERHEAD = 44;

/** The protocol's: `attempt` is this much and four rounds of the carousels. */
const ATTEMPT_BASE_NS = 5e9;
const ATTEMPT_ROUNDS = 4;
/** The protocol's: a session is alive if something opened within this time or this many slots. */
const ALIVE_NS = 1e9;
const ALIVE_SLOTS = 8;
/** The protocol's: how long a replaced session's key still opens. */
const RETENTION_NS = 10e9;
const RETENTION_SLOTS = 8;
/** The protocol's: age at which a session is due for a new key, and how much longer it may live without one. */
const REKEY_NS = 120e9;
const REKEY_SLOTS = 4096;
/**
 * The protocol's: least age at which a rekey is due. A rekey's messages at the shortest slots, and first repetitions,
 * fit into it many times.
 */
const LEAST_REKEY_NS = 1e9;
const LEAST_REKEY_SLOTS = 64;
const EXPIRY_FACTOR = 1.5;
/** The protocol's: slots of either direction after which a rekey is due whatever its age. */
const REKEY_COUNT = 2 ** 26;
/** The protocol's: time from one copy of a rekey's message to the next. */
const REPEAT_NS = 200e6;
const REPEAT_SLOTS = 4;
/**
 * The protocol's: time from the initiation's arrival to a start, which tells nothing of how long the answer took to
 * make.
 */
const START_STEP_NS = 500_000_000n;

/** Datagrams that a handshake message takes in slots of this UDP payload length. */
export function fragmentCount(datagramLength: number, messageLength: number): number {
  return Math.ceil(messageLength / (datagramLength - WRAP_OVERHEAD));
}

/** UDP payload bytes of one direction, as its carousel's message takes them. */
export interface CarouselLoad {
  datagramLength: number;
  intervalNs: number;
  messageLength: number;
}

/** How long an attempt lasts: 5 s + 4 x (fragments x mean interval, both directions summed). */
export function attemptNs(...loads: CarouselLoad[]): number {
  let roundNs = 0;
  for (const { datagramLength, intervalNs, messageLength } of loads) {
    roundNs += fragmentCount(datagramLength, messageLength) * intervalNs;
  }
  return ATTEMPT_BASE_NS + ATTEMPT_ROUNDS * roundNs;
}

function slowerIntervalNs({ up, down }: Wire): number {
  return Math.max(up.intervalNs, down.intervalNs);
}

/** Within this time of its last opened datagram, a session counts as alive. */
export function aliveNs(wire: Wire): number {
  return Math.max(ALIVE_NS, ALIVE_SLOTS * slowerIntervalNs(wire));
}

/** After the first datagram under a new key, the old one still opens this long. */
export function retentionNs(wire: Wire): number {
  return Math.max(RETENTION_NS, RETENTION_SLOTS * slowerIntervalNs(wire));
}

/**
 * Age, by CLOCK_BOOTTIME, at which a session is due for new keys. It bounds counters too, because in the long run no
 * direction builds more than one datagram per mean interval.
 */
export function rekeyNs(wire: Wire): number {
  const fasterIntervalNs = Math.min(wire.up.intervalNs, wire.down.intervalNs);
  return Math.min(Math.max(REKEY_NS, REKEY_SLOTS * slowerIntervalNs(wire)), REKEY_COUNT * fasterIntervalNs);
}

/** Age below which a session gets no new keys. */
export function leastRekeyNs(wire: Wire): number {
  return Math.max(LEAST_REKEY_NS, LEAST_REKEY_SLOTS * slowerIntervalNs(wire));
}

/** From one copy of a rekey's message to the next, in slots of this mean interval. */
export function repeatNs(intervalNs: number): number {
  return Math.max(REPEAT_NS, REPEAT_SLOTS * intervalNs);
}

/** Age, by CLOCK_BOOTTIME, at which a session's keys are zeroed. */
export function expiryNs(wire: Wire): number {
  return EXPIRY_FACTOR * Math.max(REKEY_NS, REKEY_SLOTS * slowerIntervalNs(wire));
}

/**
 * A server's first deadline: a base and one drawn interval. The base is 500 ms after the initiation came. If the
 * verdict comes later than that, it is the next multiple of 500 ms.
 */
export function firstDeadlineNs(receivedNs: bigint, nowNs: bigint, down: Omit<WireDirection, "length">): bigint {
  let base = receivedNs + START_STEP_NS;
  if (base <= nowNs) base += ((nowNs - base) / START_STEP_NS + 1n) * START_STEP_NS;
  return base + BigInt(drawInterval(down));
}
