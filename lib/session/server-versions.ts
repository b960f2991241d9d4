/** What a client of another version of the protocol is told: which versions are spoken here. */
import { PROTOCOL_VERSION } from "../handshake/messages.js";
import type { Clock } from "../native/clock.js";
import type { NativeEvent } from "../native/events.js";
import { KIND_WRONG_VERSION } from "../native/protocol-ids.js";
import type { NativeTiming } from "../native/tunnel.js";
import type { Pending } from "./server-answers.js";
import { firstDeadlineNs } from "./times.js";

/** The protocol's: the versions are told in so many slots of this interval. No jitter, so that they can be counted. */
const VERSION_SLOTS = 20;
const VERSION_INTERVAL_NS = 100e6;

/** The answer, in datagrams of the length that came. */
export function versionAnswer(
  { stamp, source, datagramLength, receivedNs }: Extract<NativeEvent, { type: "otherVersion" }>,
  clock: Clock,
): { pending: Pending; timing: NativeTiming; first: bigint } {
  const intervalNs = VERSION_INTERVAL_NS;
  const timing: NativeTiming = { datagramLength, intervalNs, jitterNs: 0, shape: "cos4" };
  const direction = { length: datagramLength, intervalNs, jitterNs: 0, jitterShape: "cos4" } as const;
  const first = firstDeadlineNs(receivedNs, clock.monotonicNs(), direction);
  // Half an interval after the last of them.
  const endNs = first + BigInt((VERSION_SLOTS - 0.5) * VERSION_INTERVAL_NS);
  const message = Uint8Array.of(PROTOCOL_VERSION, PROTOCOL_VERSION);
  return { pending: { kind: KIND_WRONG_VERSION, stamp, message, source, endNs, offered: null }, timing, first };
}
