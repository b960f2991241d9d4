/** A server's machine alone, with a handshake that answers as a test wants it. */
import type { Wire } from "../../index.js";
import { I405Error } from "../../lib/common/errors.js";
import { FloorKeeper } from "../../lib/handshake/floor.js";
import type { InitiationSettings, Refusal } from "../../lib/handshake/payloads.js";
import { ServerMachine, type ServerConfig } from "../../lib/session/server-machine.js";
import type { AeadId } from "../../lib/native/protocol-ids.js";
import { SessionKeys, type SessionRoot } from "../../lib/handshake/session-keys.js";
import type { StampStore } from "../../lib/handshake/stamps.js";
import { judgeWire } from "../../lib/session/wire-settings.js";
import { Surroundings } from "./surroundings.js";

export const CLIENT = "198.51.100.1:5000";
export const ELSEWHERE = "198.51.100.2:6000";
const LIMITS = { maxRateUp: 1e6, maxRateDown: 1e6, minIntervalNs: 1e6, maxLength: 1500, maxServerTimeoutMs: 3_600_000 };
export const ATTEMPT_NS = 6e9;
export const MS = 1_000_000n;

/** No jitter, so that a drawn interval is the mean. */
export function wireOf(downIntervalNs = 10e6, length = 500): Wire {
  const direction = { length, intervalNs: 10e6, jitterNs: 0, jitterShape: "cos4" as const };
  return { up: direction, down: { ...direction, intervalNs: downIntervalNs } };
}

function keysOf(aead: AeadId): SessionKeys {
  const one = () => ({ key: new Uint8Array(32).fill(9), iv: new Uint8Array(12), mask: new Uint8Array(32) });
  return new SessionKeys(aead, one(), one(), new Uint8Array(32).fill(8), new Uint8Array(32));
}

export class ServerBench {
  readonly around = new Surroundings();
  settings: InitiationSettings = { aeads: 3, wire: wireOf(), clientTimeoutMs: 10_000, serverTimeoutMs: 20_000 };
  understood = true;
  /** What judging throws. */
  judged: Error | null = null;
  /** Initiations that were read, and of those what is not destroyed yet. */
  read = { all: 0, left: 0 };
  /** What was answered last. */
  answered: [string, ...unknown[]] = ["nothing"];
  readonly keys: SessionKeys[] = [];
  /** What rekeys were answered from. */
  readonly rekeys: SessionRoot[] = [];
  readonly machine: ServerMachine;
  #stamp = 1000;

  constructor(lingerNs = 0, aeads = 3, ownStart: ServerConfig["ownStart"] = null, store: StampStore | null = null) {
    this.machine = new ServerMachine(this.around, {
      aeads,
      floor: new FloorKeeper(this.around.clock, store),
      maxServerTimeoutMs: LIMITS.maxServerTimeoutMs,
      drawLingerNs: () => lingerNs,
      ownStart,
      read: (_stamp, message) => {
        if (message[0] === 0xff) throw new I405Error("ERR_I405_HANDSHAKE", "does not authenticate");
        this.read.all += 1;
        this.read.left += 1;
        return {
          settings: this.settings,
          understood: this.understood,
          accept: (aead) => {
            this.answered = ["accepted", aead];
            this.keys.push(keysOf(aead));
            return { message: Uint8Array.of(0), session: this.keys.at(-1)! };
          },
          refuse: (verdict: Refusal, limit: number) => {
            this.answered = [verdict, limit];
            return Uint8Array.of(1);
          },
          destroy: () => {
            this.read.left -= 1;
          },
        };
      },
      rekey: (root, initiation) => {
        if (initiation[0] === 0xff) throw new I405Error("ERR_I405_HANDSHAKE", "does not authenticate");
        this.rekeys.push(root);
        return { message: Uint8Array.of(2), session: keysOf(root.aead) };
      },
      judge: (wire, source) => {
        if (this.judged !== null) throw this.judged;
        return judgeWire(wire, LIMITS, source === ELSEWHERE ? 400 : 1500);
      },
      attemptNs: () => ATTEMPT_NS,
    });
    this.machine.start();
  }

  /** What the machine's commands have left in force. */
  get addon(): Surroundings["native"] {
    return this.around.native;
  }

  get now(): bigint {
    return this.around.time.nowNs;
  }

  /** A whole initiation came just now. Its stamp. */
  initiate(source = CLIENT, message = Uint8Array.of(0)): number {
    this.#stamp += 1;
    const event = { kind: 1, version: 1, stamp: this.#stamp, message, source, datagramLength: 472 } as const;
    this.machine.handle({ type: "handshake", ...event, receivedNs: this.now });
    return this.#stamp;
  }

  /** The first datagram under a generation; where the client is asked then, it answers. */
  opened(generation: number, source = CLIENT): void {
    this.confirmed(generation, source);
    if (this.addon.inForce.asked?.generation === generation) this.believed(generation, source);
  }

  /** The same, and it doesn't answer. */
  confirmed(generation: number, source = CLIENT): void {
    this.addon.counters.lastOpenedNs = this.now;
    this.addon.opened(generation);
    this.machine.handle({ type: "opened", generation, source, receivedNs: this.now });
  }

  believed(confirmed: number | null, source = CLIENT): void {
    this.addon.believed(confirmed, source);
    this.machine.handle({ type: "believed", confirmed, source });
  }

  scheduleEnded(): void {
    this.addon.scheduleEnded();
    this.machine.handle({ type: "scheduleEnded" });
  }

  /** A control block came under this generation. */
  control(generation: number, kind: number, body = Uint8Array.of(0)): void {
    this.machine.handle({ type: "control", generation, kind, body });
  }

  /** Up, with the start looked at already. */
  async connect(): Promise<void> {
    this.initiate();
    await this.around.time.pass(600);
    this.opened(1);
    this.addon.changes();
    this.around.reports.length = 0;
  }

  /** Something opens every 100 ms. */
  async traffic(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      this.addon.counters.lastOpenedNs = this.now;
      await this.around.time.pass(100);
    }
  }
}
