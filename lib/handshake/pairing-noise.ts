/** The Noise handshake of a pairing, the same for a fresh handshake and a rekey: pattern, static keys, psk. */
import { timingSafeEqual } from "node:crypto";
import { HandshakeState } from "./noise/handshakestate.js";
import { authenticationError } from "./noise/suite.js";
import type { Pairing } from "./pairing.js";

/** @param ephemeralPrivateKey For tests; undefined: a fresh one. */
export function noiseState(
  { noise }: Pairing,
  role: "initiator" | "responder",
  prologue: Uint8Array,
  ephemeralPrivateKey: Uint8Array | undefined,
): HandshakeState {
  const common = { role, prologue, psks: [noise.psk], ephemeralPrivateKey };
  if (noise.pattern === "NNpsk0") return new HandshakeState({ pattern: "NNpsk0", ...common });
  const { staticPrivateKey, peerPublicKey } = noise;
  // Only IK's initiator knows the other's static key beforehand; the responder learns it and checks it.
  const known = role === "initiator" ? { remoteStaticPublicKey: peerPublicKey } : {};
  return new HandshakeState({ pattern: "IKpsk2", staticPrivateKey, ...known, ...common });
}

/**
 * The responder refuses a static key that isn't the pairing's, however well it authenticates.
 * @throws {I405Error} `ERR_I405_HANDSHAKE`
 */
export function requirePeer({ noise }: Pairing, state: HandshakeState): void {
  if (noise.pattern === "NNpsk0") return;
  const { remoteStatic } = state;
  if (remoteStatic === null || !timingSafeEqual(remoteStatic, noise.peerPublicKey)) throw authenticationError();
}
