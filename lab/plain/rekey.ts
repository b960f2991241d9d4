/** The rekey from one end's point of view: Noise by hand, empty payloads, the chain of the session before. */
import { randomBytes } from "node:crypto";
import { sessionOf, type PlainSession } from "./key-schedule.js";
import { x25519, x25519Public } from "./primitives.js";
import { firstMessage, readSecondMessage, Symmetric, type NoiseSecrets } from "./symmetric.js";

const EMPTY = Buffer.alloc(0);

/** What a rekey needs of the session that it replaces. */
export interface PlainRoot {
  h: Buffer;
  chain: Buffer;
  aeadId: number;
}

/** "i405/1 rekey" | h of the session whose key carries it */
function prologue({ h }: PlainRoot): Buffer {
  return Buffer.concat([Buffer.from("i405/1 rekey"), h]);
}

function next(noise: Symmetric, { chain, aeadId }: PlainRoot): PlainSession {
  const { k1, k2 } = noise.split();
  return sessionOf(noise.h, k1, k2, null, chain, aeadId);
}

/** The client's half. */
export class PlainRekeyInitiator {
  readonly message: Buffer;
  readonly #secrets: NoiseSecrets;
  readonly #root: PlainRoot;
  readonly #noise: Symmetric;
  readonly #ephemeral = randomBytes(32);

  constructor(secrets: NoiseSecrets, root: PlainRoot) {
    this.#secrets = secrets;
    this.#root = root;
    const noise = (this.#noise = new Symmetric(secrets, prologue(root)));
    this.message = firstMessage(noise, secrets, this.#ephemeral, EMPTY);
  }

  /** The new session, and its h for the next rekey. */
  finish(response: Buffer): PlainSession & { h: Buffer } {
    const noise = this.#noise;
    readSecondMessage(noise, this.#secrets, this.#ephemeral, response);
    return { ...next(noise, this.#root), h: noise.h };
  }
}

/** The server's half; throws if the initiation doesn't verify. */
export function plainRekeyAnswer(
  secrets: NoiseSecrets,
  root: PlainRoot,
  initiation: Buffer,
): { message: Buffer; session: PlainSession & { h: Buffer } } {
  const noise = new Symmetric(secrets, prologue(root));
  const { statics, psk } = secrets;
  const theirs = initiation.subarray(0, 32);
  if (statics !== null) noise.mixHash(x25519Public(statics.own));
  else noise.mixKeyAndHash(psk);
  noise.mixHash(theirs);
  noise.mixKey(theirs);
  if (statics !== null) {
    noise.mixKey(x25519(statics.own, theirs));
    const peer = noise.open(initiation.subarray(32, 80));
    if (!peer.equals(statics.peer)) throw new Error("another client's static key");
    noise.mixKey(x25519(statics.own, statics.peer));
  }
  noise.open(initiation.subarray(statics === null ? 32 : 80));
  const ephemeral = randomBytes(32);
  const e = x25519Public(ephemeral);
  noise.mixHash(e);
  noise.mixKey(e);
  noise.mixKey(x25519(ephemeral, theirs));
  if (statics !== null) {
    noise.mixKey(x25519(ephemeral, statics.peer));
    noise.mixKeyAndHash(psk);
  }
  const message = Buffer.concat([e, noise.seal(EMPTY)]);
  return { message, session: { ...next(noise, root), h: noise.h } };
}
