/** The fresh handshake from one end's point of view: Noise by hand, payloads byte by byte. */
import { randomBytes } from "node:crypto";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { sessionOf, type PlainSession } from "./key-schedule.js";
import { x25519, x25519Public } from "./primitives.js";
import { firstMessage, readSecondMessage, Symmetric, type NoiseSecrets } from "./symmetric.js";

export type { NoiseSecrets } from "./symmetric.js";

export const INITIATION_BYTES = { keys: 1344, password: 1296 };
export const RESPONSE_BYTES = 1168;

export interface PlainDirection {
  length: number;
  intervalNs: number;
  jitterNs: number;
  shape: number;
}

export interface PlainSettings {
  aeads: number;
  up: PlainDirection;
  down: PlainDirection;
  clientTimeoutMs: number;
  serverTimeoutMs: number;
}

export interface PlainVerdict {
  verdict: number;
  aeadId: number;
  limit: number;
}

/** "i405/1 fresh" | stamp */
function prologue(stamp: number): Buffer {
  const time = Buffer.alloc(6);
  time.writeUIntBE(stamp, 0, 6);
  return Buffer.concat([Buffer.from("i405/1 fresh"), time]);
}

function settingsBytes(settings: PlainSettings): Buffer {
  const out = Buffer.alloc(64);
  out[0] = settings.aeads;
  let at = 2;
  for (const way of [settings.up, settings.down]) {
    out.writeUInt16BE(way.length, at);
    out.writeBigUInt64BE(BigInt(way.intervalNs), at + 2);
    out.writeBigUInt64BE(BigInt(way.jitterNs), at + 10);
    out[at + 18] = way.shape;
    at += 19;
  }
  out.writeUInt32BE(settings.clientTimeoutMs, 40);
  out.writeUInt32BE(settings.serverTimeoutMs, 44);
  return out;
}

function settingsFrom(bytes: Buffer): PlainSettings {
  const way = (at: number) => ({
    length: bytes.readUInt16BE(at),
    intervalNs: Number(bytes.readBigUInt64BE(at + 2)),
    jitterNs: Number(bytes.readBigUInt64BE(at + 10)),
    shape: bytes[at + 18]!,
  });
  return {
    aeads: bytes[0]!,
    up: way(2),
    down: way(21),
    clientTimeoutMs: bytes.readUInt32BE(40),
    serverTimeoutMs: bytes.readUInt32BE(44),
  };
}

/** The client's half: -> initiation, <- response. */
export class PlainInitiator {
  readonly message: Buffer;
  readonly #secrets: NoiseSecrets;
  readonly #noise: Symmetric;
  readonly #ephemeral = randomBytes(32);
  readonly #kem = ml_kem768.keygen();

  constructor(secrets: NoiseSecrets, stamp: number, settings: PlainSettings) {
    this.#secrets = secrets;
    const noise = (this.#noise = new Symmetric(secrets, prologue(stamp)));
    const payload = Buffer.concat([settingsBytes(settings), this.#kem.publicKey]);
    this.message = firstMessage(noise, secrets, this.#ephemeral, payload);
  }

  /** h: what a rekey of the session names it by. */
  finish(response: Buffer): PlainVerdict & { session: PlainSession; h: Buffer } {
    const noise = this.#noise;
    const payload = readSecondMessage(noise, this.#secrets, this.#ephemeral, response);
    const kem = ml_kem768.decapsulate(payload.subarray(32), this.#kem.secretKey);
    const aeadId = payload[1]!;
    const { k1, k2 } = noise.split();
    const session = sessionOf(noise.h, k1, k2, kem, null, aeadId);
    return { verdict: payload[0]!, aeadId, limit: Number(payload.readBigUInt64BE(2)), session, h: noise.h };
  }
}

/** The server's half: reads an initiation, throws if it doesn't verify, answers once. */
export class PlainResponder {
  readonly stamp: number;
  readonly initiation: Buffer;
  readonly settings: PlainSettings;
  /** As they came: everything before the encapsulation key. */
  readonly settingsBytes: Buffer;
  readonly #secrets: NoiseSecrets;
  readonly #noise: Symmetric;
  readonly #clientEphemeral: Buffer;
  readonly #encapsulationKey: Buffer;

  constructor(secrets: NoiseSecrets, stamp: number, initiation: Buffer) {
    this.stamp = stamp;
    this.initiation = initiation;
    this.#secrets = secrets;
    const noise = (this.#noise = new Symmetric(secrets, prologue(stamp)));
    const { statics, psk } = secrets;
    const e = (this.#clientEphemeral = initiation.subarray(0, 32));
    let at = 32;
    if (statics !== null) noise.mixHash(x25519Public(statics.own));
    else noise.mixKeyAndHash(psk);
    noise.mixHash(e);
    noise.mixKey(e);
    if (statics !== null) {
      noise.mixKey(x25519(statics.own, e));
      const peer = noise.open(initiation.subarray(32, 80));
      if (!peer.equals(statics.peer)) throw new Error("another client's static key");
      noise.mixKey(x25519(statics.own, statics.peer));
      at = 80;
    }
    const payload = noise.open(initiation.subarray(at));
    this.settingsBytes = payload.subarray(0, 64);
    this.settings = settingsFrom(this.settingsBytes);
    this.#encapsulationKey = payload.subarray(64);
  }

  respond({ verdict, aeadId, limit }: PlainVerdict): { message: Buffer; session: PlainSession; h: Buffer } {
    const noise = this.#noise;
    const { statics, psk } = this.#secrets;
    const ephemeral = randomBytes(32);
    const e = x25519Public(ephemeral);
    noise.mixHash(e);
    noise.mixKey(e);
    noise.mixKey(x25519(ephemeral, this.#clientEphemeral));
    if (statics !== null) {
      noise.mixKey(x25519(ephemeral, statics.peer));
      noise.mixKeyAndHash(psk);
    }
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(this.#encapsulationKey);
    const head = Buffer.alloc(32);
    head[0] = verdict;
    head[1] = aeadId;
    head.writeBigUInt64BE(BigInt(limit), 2);
    const sealed = noise.seal(Buffer.concat([head, cipherText]));
    const { k1, k2 } = noise.split();
    const session = sessionOf(noise.h, k1, k2, sharedSecret, null, aeadId);
    return { message: Buffer.concat([e, sealed]), session, h: noise.h };
  }
}
