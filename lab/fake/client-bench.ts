/** A client's machine alone, with handshakes that are answered as a test wants it. */
import { ClientMachine, type ClientConfig } from "../../lib/session/client-machine.js";
import type { Attempt } from "../../lib/session/client-paths.js";
import type { ClientPath, Paths } from "../../lib/session/client-paths.js";
import type { RekeyAttempt } from "../../lib/session/client-rekey.js";
import type { ResponseOutcome } from "../../lib/handshake/messages.js";
import { SessionKeys, type SessionRoot } from "../../lib/handshake/session-keys.js";
import { attemptNs } from "../../lib/session/times.js";
import { Surroundings } from "./surroundings.js";

export const SERVER = "192.0.2.1:1405";
const direction = { length: 500, intervalNs: 10e6, jitterNs: 0, jitterShape: "cos4" as const };
export const wire = { up: direction, down: { ...direction, intervalNs: 20e6 } };
export const REKEY_MS = 120_000;
export const REPEAT_NS = 200e6;
export const up = { datagramLength: 472, intervalNs: 10e6, jitterNs: 0, shape: "cos4" as const };

export function keys(mark: number): SessionKeys {
  const one = () => ({ key: new Uint8Array(32).fill(mark), iv: new Uint8Array(12), mask: new Uint8Array(32) });
  return new SessionKeys(1, one(), one(), new Uint8Array(32).fill(mark), new Uint8Array(32));
}

interface FakeAttempt extends Attempt {
  destroyed: boolean;
}

interface FakeRekey extends RekeyAttempt {
  root: SessionRoot;
  destroyed: boolean;
}

export class ClientBench {
  readonly around = new Surroundings();
  readonly attempts: FakeAttempt[] = [];
  readonly rekeys: FakeRekey[] = [];
  /** What reading a rekey's response gives or throws. */
  rekeyed: () => SessionKeys = () => keys(8);
  /** What reading a response gives or throws. */
  outcome: () => ResponseOutcome = () => ({ verdict: "accepted", session: keys(7) });
  readonly machine: ClientMachine;

  /** @param paths Made from the one path that there is otherwise. */
  constructor(paths?: (only: ClientPath) => Paths) {
    const config: ClientConfig = {
      endpoint: SERVER,
      wire,
      up,
      clientTimeoutMs: 10_000,
      attemptNs: attemptNs(
        { ...up, messageLength: 1344 },
        { datagramLength: 472, intervalNs: 20e6, messageLength: 1168 },
      ),
      rekeyNs: REKEY_MS * 1e6,
      repeatNs: REPEAT_NS,
      rekey: (root) => {
        const attempt: FakeRekey = {
          message: Uint8Array.of(100 + this.rekeys.length),
          root,
          destroyed: false,
          readResponse: () => this.rekeyed(),
          destroy() {
            this.destroyed = true;
          },
        };
        this.rekeys.push(attempt);
        return attempt;
      },
      initiate: (stamp) => {
        const attempt: FakeAttempt = {
          message: Uint8Array.of(this.attempts.length),
          stamp,
          destroyed: false,
          readResponse: () => this.outcome(),
          destroy() {
            this.destroyed = true;
          },
        };
        this.attempts.push(attempt);
        return attempt;
      },
    };
    if (paths !== undefined) config.paths = paths(config);
    this.machine = new ClientMachine(this.around, config);
  }

  /** What the machine's commands have left in force. */
  get addon(): Surroundings["native"] {
    return this.around.native;
  }

  get stamps(): number[] {
    return this.attempts.map(({ stamp }) => stamp);
  }

  respond(stamp = this.stamps.at(-1)!): void {
    this.machine.handle({
      type: "handshake",
      kind: 2,
      version: 1,
      stamp,
      message: new Uint8Array(1168),
      source: SERVER,
      datagramLength: 472,
      receivedNs: this.around.time.nowNs,
    });
  }

  /** Up, with the start looked at already. */
  connect(): void {
    this.machine.start();
    this.respond();
    this.addon.changes();
    this.around.reports.length = 0;
  }

  opened(generation: number): void {
    this.addon.opened(generation);
    this.machine.handle({ type: "opened", generation, source: SERVER, receivedNs: this.around.time.nowNs });
  }

  /** A control block came under this generation. */
  control(generation: number, kind: number, body = Uint8Array.of(0)): void {
    this.machine.handle({ type: "control", generation, kind, body });
  }
}
