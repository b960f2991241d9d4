/**
 * What the two messages of a fresh handshake carry inside Noise (docs/protocol.md, "Handshake and sessions").
 *
 *     initiation   AEADs, 0, up, down, timeouts, zeros to 64, encapsulation key    1248 bytes
 *     response     verdict, AEAD id, limit, zeros to 32, ciphertext                1120 bytes
 *
 * Integers are big-endian. These bytes are authenticated before they are read here. They may still make no sense.
 */
import type { Wire, WireDirection } from "../../index.js";
import { describe, I405Error, optionError } from "../common/errors.js";
import { requireBytes } from "../common/secrets.js";
import { durationNs } from "../common/units.js";
import { INTERVAL_RANGE_NS, LENGTH_RANGE, TIMEOUT_RANGE } from "../common/wire-bounds.js";
import { AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305, type AeadId } from "../native/protocol-ids.js";

/** Bytes of ML-KEM-768's encapsulation key and ciphertext (FIPS 203, table 3). */
const ENCAPSULATION_KEY_LENGTH = 1184;
export const CIPHERTEXT_LENGTH = 1088;

/** Settings part of the initiation; 48 bytes are in use. */
const SETTINGS_LENGTH = 64;
/** Verdict part of the response; 10 bytes are in use. */
const VERDICT_LENGTH = 32;
export const INITIATION_PAYLOAD_LENGTH = SETTINGS_LENGTH + ENCAPSULATION_KEY_LENGTH;
export const RESPONSE_PAYLOAD_LENGTH = VERDICT_LENGTH + CIPHERTEXT_LENGTH;

const DIRECTION_OFFSETS = { up: 2, down: 21 } as const;
const CLIENT_TIMEOUT_OFFSET = 40;
const SERVER_TIMEOUT_OFFSET = 44;
const SETTINGS_END = 48;
const VERDICT_END = 10;

const MOST_TIMEOUT_MS = durationNs(TIMEOUT_RANGE.max)! / 1e6;

const SHAPES = ["cos4", "uniform"] as const;

/** Bit of an AEAD in the offer. Every offer holds ChaCha20-Poly1305's. */
const OFFER_CHACHA20_POLY1305 = 1 << AEAD_CHACHA20_POLY1305;
export const OFFER_AES_256_GCM = 1 << AEAD_AES_256_GCM;

/** Verdicts in the order of their numbers on the wire. */
export const VERDICTS = ["accepted", "length", "interval", "bandwidth", "notUnderstood"] as const;
export type Verdict = (typeof VERDICTS)[number];
export type Refusal = Exclude<Verdict, "accepted">;

/** What a client asks for. */
export interface InitiationSettings {
  /** Bit 0 ChaCha20-Poly1305, bit 1 AES-256-GCM, as `Addon.aeads()` gives them. */
  aeads: number;
  wire: Wire;
  /** Silence of the server after which the client handshakes anew, in ms. */
  clientTimeoutMs: number;
  /** Silence of the client after which the server ends its schedule, in ms. */
  serverTimeoutMs: number;
}

/** An initiation as read. */
export interface InitiationPayload {
  /** Clipped to the protocol's bounds, so that even a refusal has a schedule to go out on. */
  settings: InitiationSettings;
  /** Whether the settings made sense as they came; otherwise the verdict is `notUnderstood`. */
  understood: boolean;
  encapsulationKey: Uint8Array;
}

/** A response as read. */
export interface ResponsePayload {
  verdict: Verdict;
  aead: AeadId;
  /** The limit that was passed, in bytes, ns or bytes/s after the verdict; 0 if there is none. */
  limit: number;
  ciphertext: Uint8Array;
}

/** @throws {I405Error} `ERR_I405_OPTION`, naming the setting that is out of the protocol's bounds. */
export function encodeInitiation(settings: InitiationSettings, encapsulationKey: Uint8Array): Uint8Array {
  requireBytes("encapsulationKey", encapsulationKey, ENCAPSULATION_KEY_LENGTH);
  const payload = new Uint8Array(INITIATION_PAYLOAD_LENGTH);
  const view = viewOf(payload);
  requireOffer(settings.aeads);
  payload[0] = settings.aeads;
  for (const name of ["up", "down"] as const) {
    const { length, intervalNs, jitterNs, jitterShape } = settings.wire[name];
    const offset = DIRECTION_OFFSETS[name];
    requireInteger(`${name}.length`, length, LENGTH_RANGE.min, LENGTH_RANGE.max);
    requireInteger(`${name}.intervalNs`, intervalNs, INTERVAL_RANGE_NS.min, INTERVAL_RANGE_NS.max);
    requireInteger(`${name}.jitterNs`, jitterNs, 0, intervalNs);
    view.setUint16(offset, length);
    view.setBigUint64(offset + 2, BigInt(intervalNs));
    view.setBigUint64(offset + 10, BigInt(jitterNs));
    payload[offset + 18] = shapeId(`${name}.jitterShape`, jitterShape);
  }
  requireInteger("clientTimeoutMs", settings.clientTimeoutMs, 1, MOST_TIMEOUT_MS);
  requireInteger("serverTimeoutMs", settings.serverTimeoutMs, 1, MOST_TIMEOUT_MS);
  view.setUint32(CLIENT_TIMEOUT_OFFSET, settings.clientTimeoutMs);
  view.setUint32(SERVER_TIMEOUT_OFFSET, settings.serverTimeoutMs);
  payload.set(encapsulationKey, SETTINGS_LENGTH);
  return payload;
}

/** Reads an authenticated initiation's payload. */
export function decodeInitiation(payload: Uint8Array): InitiationPayload {
  requireBytes("payload", payload, INITIATION_PAYLOAD_LENGTH);
  const view = viewOf(payload);
  const up = decodeDirection(view, DIRECTION_OFFSETS.up);
  const down = decodeDirection(view, DIRECTION_OFFSETS.down);
  const clientTimeoutMs = view.getUint32(CLIENT_TIMEOUT_OFFSET);
  const serverTimeoutMs = view.getUint32(SERVER_TIMEOUT_OFFSET);
  const aeads = payload[0]!;
  const understood =
    (aeads & OFFER_CHACHA20_POLY1305) !== 0 &&
    payload[1] === 0 &&
    up.sensible &&
    down.sensible &&
    clientTimeoutMs > 0 &&
    serverTimeoutMs > 0 &&
    allZero(payload.subarray(SETTINGS_END, SETTINGS_LENGTH));
  const settings: InitiationSettings = {
    aeads,
    wire: { up: up.direction, down: down.direction },
    clientTimeoutMs: clipTimeout(clientTimeoutMs),
    serverTimeoutMs: clipTimeout(serverTimeoutMs),
  };
  return { settings, understood, encapsulationKey: new Uint8Array(payload.subarray(SETTINGS_LENGTH)) };
}

/** A response's payload. A refusal has AEAD 0 and a ciphertext of zeros, which nobody reads. */
export function encodeResponse({ verdict, aead, limit, ciphertext }: ResponsePayload): Uint8Array {
  requireBytes("ciphertext", ciphertext, CIPHERTEXT_LENGTH);
  requireInteger("limit", limit, 0, Number.MAX_SAFE_INTEGER);
  const payload = new Uint8Array(RESPONSE_PAYLOAD_LENGTH);
  payload[0] = VERDICTS.indexOf(verdict);
  payload[1] = aead;
  viewOf(payload).setBigUint64(2, BigInt(limit));
  payload.set(ciphertext, VERDICT_LENGTH);
  return payload;
}

/**
 * Reads an authenticated response's payload.
 * @throws {I405Error} `ERR_I405_RESPONSE` for what this version doesn't know.
 */
export function decodeResponse(payload: Uint8Array): ResponsePayload {
  requireBytes("payload", payload, RESPONSE_PAYLOAD_LENGTH);
  const verdict = VERDICTS[payload[0]!];
  const aead = payload[1];
  if (
    verdict === undefined ||
    (aead !== AEAD_CHACHA20_POLY1305 && aead !== AEAD_AES_256_GCM) ||
    !allZero(payload.subarray(VERDICT_END, VERDICT_LENGTH))
  ) {
    throw new I405Error("ERR_I405_RESPONSE", "The server's response is genuine, but not one that this version knows");
  }
  const limit = clip(viewOf(payload).getBigUint64(2), 0, Number.MAX_SAFE_INTEGER);
  return { verdict, aead, limit, ciphertext: new Uint8Array(payload.subarray(VERDICT_LENGTH)) };
}

function decodeDirection(view: DataView, offset: number): { direction: WireDirection; sensible: boolean } {
  const length = view.getUint16(offset);
  const interval = view.getBigUint64(offset + 2);
  const jitter = view.getBigUint64(offset + 10);
  const shape = SHAPES[view.getUint8(offset + 18)];
  const intervalNs = clip(interval, INTERVAL_RANGE_NS.min, INTERVAL_RANGE_NS.max);
  const direction: WireDirection = {
    length: Math.max(length, LENGTH_RANGE.min),
    intervalNs,
    jitterNs: clip(jitter, 0, intervalNs),
    jitterShape: shape ?? "cos4",
  };
  const sensible =
    length === direction.length &&
    interval === BigInt(intervalNs) &&
    jitter === BigInt(direction.jitterNs) &&
    shape !== undefined;
  return { direction, sensible };
}

function requireInteger(option: string, value: unknown, min: number, max: number): asserts value is number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return;
  throw optionError({ option, came: describe(value), expected: `a whole number, ${min} to ${max}` });
}

function requireOffer(aeads: number): void {
  requireInteger("aeads", aeads, 0, 255);
  if ((aeads & OFFER_CHACHA20_POLY1305) !== 0) return;
  throw optionError({ option: "aeads", came: describe(aeads), expected: "bit 0, ChaCha20-Poly1305, to be set" });
}

function shapeId(option: string, shape: string): number {
  const id = (SHAPES as readonly string[]).indexOf(shape);
  if (id >= 0) return id;
  throw optionError({ option, came: describe(shape), expected: '"cos4" or "uniform"' });
}

function clip(value: bigint, min: number, max: number): number {
  return value < BigInt(min) ? min : value > BigInt(max) ? max : Number(value);
}

function clipTimeout(ms: number): number {
  return Math.min(Math.max(ms, 1), MOST_TIMEOUT_MS);
}

function allZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
