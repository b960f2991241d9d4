/** Session keys on their way into the core. */
import type { SessionKeys } from "../handshake/session-keys.js";
import type { NativeTunnel } from "../native/tunnel.js";

/** Datagrams of the other end. */
interface Received {
  /** Bytes. */
  length: number;
  /** Mean, nanoseconds. */
  intervalNs: number;
}

/** Gives each set of keys its number, one above all before. */
export class Generations {
  readonly #native: NativeTunnel;
  readonly #role: "client" | "server";
  #newest = 0;

  constructor(native: NativeTunnel, role: "client" | "server") {
    this.#native = native;
    this.#role = role;
  }

  /** Installs keys for receiving. The core has copies; these are zeroed. */
  install(keys: SessionKeys, { length, intervalNs }: Received): number {
    const generation = (this.#newest += 1);
    const both = keys.forRole(this.#role);
    this.#native.install({
      generation,
      aead: keys.aead,
      ...both,
      receiveLength: length,
      receiveIntervalNs: intervalNs,
    });
    keys.destroy();
    return generation;
  }
}
