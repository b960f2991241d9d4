/** Numbers of the protocol (docs/protocol.md) that the addon and the machines name to each other. */

/** AEAD ids as on the wire (docs/protocol.md). */
export const AEAD_CHACHA20_POLY1305 = 0;
export const AEAD_AES_256_GCM = 1;
export type AeadId = typeof AEAD_CHACHA20_POLY1305 | typeof AEAD_AES_256_GCM;

export const KIND_INITIATION = 1;
export const KIND_RESPONSE = 2;
export const KIND_WRONG_VERSION = 3;
export type HandshakeKind = typeof KIND_INITIATION | typeof KIND_RESPONSE | typeof KIND_WRONG_VERSION;

/** Control blocks of the data payload that TypeScript hears of. */
export const CONTROL_REKEY_INITIATION = 1;
export const CONTROL_REKEY_RESPONSE = 2;
export const CONTROL_NEWEST_STAMP = 3;
export const CONTROL_CLOSE = 4;
