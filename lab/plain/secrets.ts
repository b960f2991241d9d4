/** What the two plain ends know before they talk, from what a user would give them. */
import type { NoiseSecrets } from "./handshake.js";
import { INITIATION_BYTES } from "./handshake.js";
import { pairingOfKeys, pairingOfPassword, type PlainPairing } from "./key-schedule.js";
import { x25519Public } from "./primitives.js";
import type { WrapKeys } from "./wire.js";

export interface PlainSecrets {
  up: WrapKeys;
  down: WrapKeys;
  noise: NoiseSecrets;
  initiationBytes: number;
}

function wrapKeys(pairing: PlainPairing): { up: WrapKeys; down: WrapKeys } {
  return {
    up: { wrap: pairing.wrapUp, mask: pairing.maskUp },
    down: { wrap: pairing.wrapDown, mask: pairing.maskDown },
  };
}

export function secretsOfPassword(password: string): PlainSecrets {
  const pairing = pairingOfPassword(password);
  return {
    ...wrapKeys(pairing),
    noise: { psk: pairing.noisePsk, statics: null },
    initiationBytes: INITIATION_BYTES.password,
  };
}

/** Keys in base64; `presharedKey` null: none. */
export function secretsOfKeys(
  role: "client" | "server",
  keys: { client: string; server: string; presharedKey: string | null },
): PlainSecrets {
  const client = Buffer.from(keys.client, "base64");
  const server = Buffer.from(keys.server, "base64");
  const psk = keys.presharedKey === null ? null : Buffer.from(keys.presharedKey, "base64");
  const [own, peer] = role === "client" ? [client, server] : [server, client];
  return {
    ...wrapKeys(pairingOfKeys(client, server, psk)),
    noise: { psk: psk ?? Buffer.alloc(32), statics: { own, peer: x25519Public(peer) } },
    initiationBytes: INITIATION_BYTES.keys,
  };
}
