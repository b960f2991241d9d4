/**
 * A handshake with oneself, so that the engine has compiled the real one's code before slots begin. Where timed threads spin
 * on every core, they leave others about 4 % of the time (docs/real-time.md), and a first handshake takes four times what a
 * later one does.
 */
import { generatePrivateKey, publicKey } from "./keys.js";
import { chooseAead, InitiatorHandshake, ResponderHandshake } from "./messages.js";
import { pairingFromKeys } from "./pairing.js";
import type { InitiationSettings } from "./payloads.js";

/** Ours: where the mean interval is shorter, a timed thread that spins leaves others only what it must, ns. */
export const SHORT_SLOTS_NS = 250_000;
/** Ours: after three rounds a handshake takes what it takes from then on (measured: 98, 51, 38, 36 ms). */
const ROUNDS = 3;

let rehearsed = false;

/** Takes 200 ms, once per program; says whether it did. Its keys are made for it and kept by nobody. */
export function rehearseHandshake(settings: InitiationSettings): boolean {
  if (rehearsed) return false;
  rehearsed = true;
  const [ofClient, ofServer] = [generatePrivateKey(), generatePrivateKey()];
  const client = pairingFromKeys("client", { privateKey: ofClient, peerPublicKey: publicKey(ofServer) });
  const server = pairingFromKeys("server", { privateKey: ofServer, peerPublicKey: publicKey(ofClient) });
  for (let stamp = 1; stamp <= ROUNDS; stamp += 1) {
    const initiation = new InitiatorHandshake(client, stamp, settings);
    const answer = new ResponderHandshake(server, stamp, initiation.message);
    const { message, session } = answer.accept(chooseAead(settings.aeads, settings.aeads));
    session.destroy();
    const outcome = initiation.readResponse(message);
    if (outcome.verdict === "accepted") outcome.session.destroy();
  }
  client.destroy();
  server.destroy();
  return true;
}
