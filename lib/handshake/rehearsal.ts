/**
 * A handshake with oneself, so that the engine has compiled the real one's code before slots begin. A first handshake
 * takes four times as long as a later one. And where timed threads spin on every core, they leave others only about 4 %
 * of the time (docs/real-time.md).
 */
import { generatePrivateKey, publicKey } from "./keys.js";
import { chooseAead, InitiatorHandshake, ResponderHandshake } from "./messages.js";
import { pairingFromKeys, type Pairing } from "./pairing.js";
import type { InitiationSettings } from "./payloads.js";

/** Ours: where the mean interval is shorter, a timed thread that spins leaves others only what it must, ns. */
export const SHORT_SLOTS_NS = 250_000;
/** Ours: after three rounds a handshake takes what it takes from then on (measured: 98, 51, 38, 36 ms). */
const ROUNDS = 3;
/** Ours: no further round once so long has passed, ms. Then something else spins on these cores already. */
const LONG_MS = 300;

let rehearsed = false;

/**
 * Takes 200 ms, once per program; says whether it did. Where timed threads spin on all cores it takes one round. That
 * may be seconds, and the real handshake is shorter by as much. The keys are made for the rehearsal, and nobody keeps
 * them.
 */
export function rehearseHandshake(settings: InitiationSettings): boolean {
  if (rehearsed) return false;
  rehearsed = true;
  const [ofClient, ofServer] = [generatePrivateKey(), generatePrivateKey()];
  const client = pairingFromKeys("client", { privateKey: ofClient, peerPublicKey: publicKey(ofServer) });
  const server = pairingFromKeys("server", { privateKey: ofServer, peerPublicKey: publicKey(ofClient) });
  const startMs = performance.now();
  try {
    for (let stamp = 1; stamp <= ROUNDS && performance.now() - startMs < LONG_MS; stamp += 1) {
      rehearseOnce(client, server, stamp, settings);
    }
  } finally {
    client.destroy();
    server.destroy();
  }
  return true;
}

function rehearseOnce(client: Pairing, server: Pairing, stamp: number, settings: InitiationSettings): void {
  const initiation = new InitiatorHandshake(client, stamp, settings);
  try {
    const answer = new ResponderHandshake(server, stamp, initiation.message);
    const { message, session } = answer.accept(chooseAead(settings.aeads, settings.aeads));
    session.destroy();
    const outcome = initiation.readResponse(message);
    if (outcome.verdict === "accepted") outcome.session.destroy();
  } finally {
    initiation.destroy();
  }
}
