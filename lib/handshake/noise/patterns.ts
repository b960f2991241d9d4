/**
 * Handshake patterns (Noise rev 34 sections 7 and 9): a table of the plain ones, and the psk modifiers, which are
 * applied to them by name.
 */
import { stateError, SUITE_NAME } from "./suite.js";

export type Token = "e" | "s" | "ee" | "es" | "se" | "ss" | "psk";

export interface HandshakePattern {
  /** With modifiers, as in the protocol name. */
  readonly name: string;
  /** Whose static keys the other side knows beforehand, in the order in which they are hashed. */
  readonly preMessages: { readonly initiator: boolean; readonly responder: boolean };
  /** Tokens of each message; the initiator writes the first. */
  readonly messages: readonly (readonly Token[])[];
  /** How many psk tokens there are. */
  readonly psks: number;
}

interface PlainPattern {
  readonly initiatorKnown: boolean;
  readonly responderKnown: boolean;
  readonly messages: readonly (readonly Token[])[];
}

/** Sections 7.5 and 7.6. */
const PLAIN_PATTERNS: Readonly<Record<string, PlainPattern>> = {
  NN: { initiatorKnown: false, responderKnown: false, messages: [["e"], ["e", "ee"]] },
  KK: {
    initiatorKnown: true,
    responderKnown: true,
    messages: [
      ["e", "es", "ss"],
      ["e", "ee", "se"],
    ],
  },
  IK: {
    initiatorKnown: false,
    responderKnown: true,
    messages: [
      ["e", "es", "s", "ss"],
      ["e", "ee", "se"],
    ],
  },
  XX: {
    initiatorKnown: false,
    responderKnown: false,
    messages: [["e"], ["e", "ee", "s", "es"], ["s", "se"]],
  },
};

/** Names of the plain patterns. */
export const PATTERN_NAMES: readonly string[] = Object.keys(PLAIN_PATTERNS);

/**
 * A pattern by its name: `IK`, `IKpsk2`, `XXpsk0+psk3`.
 * @throws {I405Error} `ERR_I405_NOISE` if there is none of this name.
 */
export function handshakePattern(name: string): HandshakePattern {
  const [, base = "", modifiers = ""] = /^([A-Z]+)((?:psk[0-9](?:\+psk[0-9])*)?)$/.exec(name) ?? [];
  const plain = Object.hasOwn(PLAIN_PATTERNS, base) ? PLAIN_PATTERNS[base] : undefined;
  if (plain === undefined) throw stateError(`There is no Noise pattern of the name ${JSON.stringify(name)} here`);
  const messages = plain.messages.map((tokens) => [...tokens]);
  const places = modifiers === "" ? [] : modifiers.split("+").map((modifier) => Number(modifier.slice("psk".length)));
  for (const [index, place] of places.entries()) {
    const message = messages[Math.max(place - 1, 0)];
    if (message === undefined || places.indexOf(place) !== index) {
      throw stateError(`psk${place} has no place in the Noise pattern ${base}`);
    }
    // Section 9.3: psk0 stands before the first message's tokens, pskN behind those of message N.
    if (place === 0) message.unshift("psk");
    else message.push("psk");
  }
  return {
    name,
    preMessages: { initiator: plain.initiatorKnown, responder: plain.responderKnown },
    messages,
    psks: places.length,
  };
}

/** The protocol name that is hashed first (section 8). */
export function protocolName(pattern: HandshakePattern): string {
  return `Noise_${pattern.name}_${SUITE_NAME}`;
}

/** Whether this side needs a static key of its own, and has to know the other's beforehand. */
export function staticKeys(pattern: HandshakePattern, initiator: boolean): { own: boolean; remote: boolean } {
  const { preMessages } = pattern;
  const ownKnown = initiator ? preMessages.initiator : preMessages.responder;
  const sends = pattern.messages.some((tokens, index) => tokens.includes("s") && (index % 2 === 0) === initiator);
  return { own: ownKnown || sends, remote: initiator ? preMessages.responder : preMessages.initiator };
}
