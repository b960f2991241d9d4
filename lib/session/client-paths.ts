/**
 * The paths that a client's attempts take: addresses, which are looked up again while nobody answers; lengths, of those
 * that the interface takes; and what an initiation along a path asks for. The ladder (`endpoint-ladder.ts`) says which
 * path is next.
 */
import type { Wire, WireDirection } from "../../index.js";
import type { ResponseOutcome } from "../handshake/messages.js";
import { formatAddress, type SocketAddress } from "../names/resolve.js";
import type { Clock } from "../native/clock.js";
import type { NativeTiming } from "../native/tunnel.js";
import { EndpointLadder, type Rung } from "./endpoint-ladder.js";
import { timingOf } from "./wire-settings.js";

/** One initiation under way; `InitiatorHandshake` is one. */
export interface Attempt {
  readonly message: Uint8Array;
  readonly stamp: number;
  readResponse(message: Uint8Array): ResponseOutcome;
  destroy(): void;
}

/** One attempt's path. */
export interface ClientPath {
  /** The server, as the addon takes it. */
  endpoint: string;
  wire: Wire;
  up: NativeTiming;
  /** How long an attempt lasts, ns. */
  attemptNs: number;
  /** Its place in the ladder. */
  rung?: Rung;
  initiate(stamp: number): Attempt;
}

/** Says where a client's next attempt goes. */
export interface Paths {
  /** `lost`: the first attempt after a session that was heard. It takes the path that was answered last. */
  next(after: "lost" | "unanswered"): ClientPath;
  /** A session is up along this path. How long to stay before {@link climb}, ms; null: it has the configured length. */
  answered(path: ClientPath): number | null;
  /**
   * The configured length, to the address that answered. If nobody answers this time, the next climb is twice as far
   * away.
   */
  climb(): ClientPath;
  /** The server takes no more than this, IP bytes. False: nothing can be done about it. */
  shorten(limit: number): boolean;
}

/**
 * Ours: how long a client stays with a shorter length, ms. It doubles each time that the configured one isn't answered.
 */
const CLIMB_MS = 10 * 60_000;
const LONGEST_CLIMB_MS = 24 * 3_600_000;

export interface PathParts {
  clock: Clock;
  /** At least one, best first. */
  addresses: readonly SocketAddress[];
  /** As configured. */
  wire: Wire;
  /** MTU of the interface towards an address, IP bytes; throws where there is no route. */
  routeMtu(address: string): number;
  /** The addresses that the names have now. null: there is no name. */
  lookUp: (() => Promise<SocketAddress[]>) | null;
  attemptNs(up: NativeTiming, down: NativeTiming): number;
  initiate(wire: Wire, stamp: number): Attempt;
}

export class ClientPaths implements Paths {
  readonly #parts: PathParts;
  readonly #ladder: EndpointLadder;
  #last: ClientPath | null = null;
  #lookingUp = false;
  /** When to climb, CLOCK_BOOTTIME: sessions may come and go meanwhile. */
  #climbAtNs: bigint | null = null;
  #climbMs = CLIMB_MS;
  #everAnswered = false;

  constructor(parts: PathParts) {
    this.#parts = parts;
    this.#ladder = new EndpointLadder(parts.addresses, Math.max(parts.wire.up.length, parts.wire.down.length));
  }

  /** The path of the very first attempt. */
  first(): ClientPath {
    return (this.#last = this.#path(this.#ladder.next((rung) => this.#carries(rung))));
  }

  next(after: "lost" | "unanswered"): ClientPath {
    if (after === "lost") this.#ladder.begin();
    this.#lookUpAgain();
    // Without a network, an unanswered attempt proves nothing, and would only cost the length.
    const reachable = this.#ladder.addresses.some(({ address }) => this.#mtuTowards(address) > 0);
    if (!reachable && this.#last !== null) return this.#last;
    const due = this.#climbAtNs !== null && this.#parts.clock.boottimeNs() >= this.#climbAtNs;
    return after === "lost" && due ? (this.#last = this.climb()) : this.first();
  }

  answered(path: ClientPath): number | null {
    const { rung } = path;
    if (rung === undefined) return null;
    this.#everAnswered = true;
    this.#ladder.answered(rung);
    if (rung.length >= this.#ladder.top) {
      this.#climbMs = CLIMB_MS;
      this.#climbAtNs = null;
      return null;
    }
    const nowNs = this.#parts.clock.boottimeNs();
    this.#climbAtNs ??= nowNs + BigInt(this.#climbMs) * 1_000_000n;
    return Math.max(0, Number((this.#climbAtNs - nowNs) / 1_000_000n));
  }

  climb(): ClientPath {
    this.#climbAtNs = null;
    this.#climbMs = Math.min(2 * this.#climbMs, LONGEST_CLIMB_MS);
    return this.#path(this.#ladder.climb());
  }

  /**
   * A length that was never granted is refused: its user has to see why. One that was granted can only have met a
   * narrower path.
   */
  shorten(limit: number): boolean {
    return this.#everAnswered && this.#ladder.shorten(limit);
  }

  /** Looks names up for a later attempt; this one doesn't wait for the answer. */
  #lookUpAgain(): void {
    const { lookUp } = this.#parts;
    if (lookUp === null || this.#lookingUp) return;
    this.#lookingUp = true;
    lookUp()
      .then(
        (addresses) => {
          this.#ladder.replace(addresses);
        },
        // The old addresses are better than none.
        () => undefined,
      )
      .finally(() => {
        this.#lookingUp = false;
      });
  }

  #carries({ address, length }: Rung): boolean {
    return Math.min(length, this.#parts.wire.up.length) <= this.#mtuTowards(address.address);
  }

  /** IP bytes; 0: there is no way. */
  #mtuTowards(address: string): number {
    try {
      return this.#parts.routeMtu(address);
    } catch {
      return 0;
    }
  }

  #path(rung: Rung): ClientPath {
    const parts = this.#parts;
    const configured = parts.wire;
    const cut = (direction: WireDirection) => ({ ...direction, length: Math.min(direction.length, rung.length) });
    const wire = { up: cut(configured.up), down: cut(configured.down) };
    const { address } = rung.address;
    const up = timingOf(wire.up, address);
    return {
      endpoint: formatAddress(rung.address),
      wire,
      up,
      attemptNs: parts.attemptNs(up, timingOf(wire.down, address)),
      rung,
      initiate: (stamp: number) => parts.initiate(wire, stamp),
    };
  }
}
