/**
 * Two clients with one secret at one server: each one's handshake takes the session from the other, for ever. The
 * protocol allows each of these handshakes, so each end looks for what one client alone would not bring about.
 */
import type { Wire } from "../../index.js";
import { Timers } from "../native/clock.js";
import type { MachineContext } from "./machine.js";
import { retentionNs } from "./times.js";
import { sharedSecret, takenOver } from "./warnings.js";

/** At most one warning in this time. */
const WARNING_NS = 60_000_000_000n;
/** Datagrams that were under way when a session was replaced have arrived after this time, or so many intervals. */
const SETTLE_NS = 1e9;
const SETTLE_SLOTS = 2;
/** After that, so many datagrams under the replaced key mean that its client goes on. */
const GOES_ON = 4;
const LOOK_MS = 500;
/** The replaced key opens for a while only. It is watched for this part of that while. */
const LOOK_PART = 0.9;

class OncePerMinute {
  #lastNs: bigint | null = null;

  allow(nowNs: bigint): boolean {
    if (this.#lastNs !== null && nowNs - this.#lastNs < WARNING_NS) return false;
    this.#lastNs = nowNs;
    return true;
  }
}

/**
 * The server's watch. Once a client has a new session, it sends nothing under the old key, wherever it moved and
 * however it restarted. If somebody does send under it, that is another client.
 */
export class ReplacedWatch {
  readonly #context: MachineContext;
  readonly #timers: Timers<"look">;
  readonly #limit = new OncePerMinute();
  #endpoint: string | null = null;

  constructor(context: MachineContext) {
    this.#context = context;
    this.#timers = new Timers(context.clock);
  }

  /** A session was confirmed from here. `replaced`: it took the place of one that was up. */
  confirmed(endpoint: string, replaced: boolean, wire: Wire): void {
    const before = this.#endpoint;
    this.#endpoint = endpoint;
    this.#timers.clear("look");
    if (!replaced || before === null || before === endpoint) return;
    const settleNs = Math.max(SETTLE_NS, SETTLE_SLOTS * wire.up.intervalNs);
    const { clock, native } = this.#context;
    const untilNs = clock.monotonicNs() + BigInt(Math.round(LOOK_PART * retentionNs(wire)));
    this.#timers.set("look", settleNs / 1e6, () => {
      this.#look(before, native.stats().openedReplaced, untilNs);
    });
  }

  /** The session goes on from here. */
  moved(endpoint: string): void {
    this.#endpoint = endpoint;
  }

  stop(): void {
    this.#timers.clearAll();
  }

  #look(before: string, settled: bigint, untilNs: bigint): void {
    const { clock, native, report } = this.#context;
    const nowNs = clock.monotonicNs();
    if (native.stats().openedReplaced - settled >= BigInt(GOES_ON)) {
      if (this.#endpoint !== null && this.#limit.allow(nowNs)) report.warning(sharedSecret(before, this.#endpoint));
    } else if (nowNs < untilNs) {
      this.#timers.set("look", LOOK_MS, () => {
        this.#look(before, settled, untilNs);
      });
    }
  }
}

/** How many sessions in a row count, each of which fell silent soon and had a successor at once. */
const TAKEN_IN_A_ROW = 3;
/** "Soon" is within so many timeouts. If two clients take turns, it is two timeouts. */
const SOON_TIMEOUTS = 4;
/** "At once" is within this time beside what the carousels need. */
const AT_ONCE_NS = 2e9;
/** The part of an attempt that isn't the carousels'. */
const ATTEMPT_BASE_NS = 5e9;

/**
 * The client's watch. It only sees a server that falls silent and then answers at once when it is asked, again and
 * again. If a path fails and comes back, the server answers at once only by chance.
 */
export class TakenOverWatch {
  readonly #context: MachineContext;
  readonly #soonNs: number;
  readonly #limit = new OncePerMinute();
  #connectedNs: bigint | null = null;
  #silentNs: bigint | null = null;
  #inARow = 0;

  constructor(context: MachineContext, clientTimeoutMs: number) {
    this.#context = context;
    this.#soonNs = SOON_TIMEOUTS * clientTimeoutMs * 1e6;
  }

  /** The session's peer is silent, and an attempt begins. */
  silent(): void {
    const nowNs = this.#context.clock.boottimeNs();
    const soon = this.#connectedNs !== null && Number(nowNs - this.#connectedNs) <= this.#soonNs;
    if (!soon) this.#inARow = 0;
    this.#silentNs = nowNs;
  }

  /** It is there again without another session. */
  heard(): void {
    this.#silentNs = null;
    this.#inARow = 0;
  }

  /** There is a session; `attemptNs`: how long its attempt could have lasted. */
  connected(endpoint: string, attemptNs: number): void {
    const { clock, report } = this.#context;
    const nowNs = clock.boottimeNs();
    const most = AT_ONCE_NS + attemptNs - ATTEMPT_BASE_NS;
    const atOnce = this.#silentNs !== null && Number(nowNs - this.#silentNs) <= most;
    this.#inARow = atOnce ? this.#inARow + 1 : 0;
    this.#silentNs = null;
    this.#connectedNs = nowNs;
    if (this.#inARow >= TAKEN_IN_A_ROW && this.#limit.allow(nowNs)) report.warning(takenOver(endpoint, this.#inARow));
  }
}
