/**
 * Notices at once that routes, rules or addresses of the tunnel are gone, puts them back, and says so. An interface
 * that is set down loses its routes, and a network manager removes what it hasn't made itself.
 *
 * 1. `look` runs at every change that the kernel tells of (rtnetlink, by way of `ip monitor`), and every half minute
 * besides. 2. Whatever is missing is put back by the process that kept the privilege for it (`route-guard.ts`). What
 * can't be put back, for example because the interface is down, is tried again at the next change. 3. If somebody takes
 * them away again and again, the keeper doesn't fight for ever: its pauses grow.
 */
import { spawn, type ChildProcess } from "node:child_process";
import type { ListIp } from "./ip.js";
import { lookOf, type RouteStep } from "./routes.js";

/** How a keeper tells what happens. */
export interface KeeperReport {
  lost(steps: readonly RouteStep[]): void;
  back(steps: readonly RouteStep[]): void;
  /** Once for each loss. */
  refused(step: RouteStep, reason: string): void;
  /** Once in a row of losses. `pauseMs` is the longest time until they are back. */
  contested(pauseMs: number): void;
}

export interface KeeperParts {
  steps: readonly RouteStep[];
  list: ListIp;
  /** Adds one of the steps; the reason why not, or null. */
  putBack(step: number): Promise<string | null>;
  report: KeeperReport;
  nowMs(): number;
  /** Calls once, later; returns what prevents it. */
  after(ms: number, act: () => void): () => void;
}

/** Ours. A change seldom comes alone; checks in a row get this far apart, ms. */
const LOOK_MS = { least: 20, most: 1000 };
/** Without any news, ms. */
const IDLE_LOOK_MS = 30_000;
/**
 * A program that makes the interface anew adds its addresses itself, and would fail if ours were there first: how long
 * it is left alone, ms.
 */
const SETTLE_MS = 300;
/** How many losses in a row are mended at once, and how long without a loss ends the row, ms. */
const FREE_LOSSES = 3;
const CALM_MS = 60_000;
/** Pauses after that, ms: doubled each time. */
const PAUSE_MS = { least: 1000, most: 30_000 };

export class RouteKeeper {
  readonly #parts: KeeperParts;
  #stopped = false;
  #busy = false;
  #again = false;
  #cancel: (() => void) | null = null;
  #dueMs = 0;
  #lookMs = LOOK_MS.least;
  #lastLookMs = -Infinity;
  /** What is gone, and whether a refusal was told. null: all is there. */
  #lost: { steps: Set<number>; told: boolean } | null = null;
  #losses = 0;
  #backAtMs = -Infinity;
  #notBeforeMs = -Infinity;
  #addressesFromMs = -Infinity;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** Something may have changed. */
  look(): void {
    if (this.#stopped) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    const now = this.#parts.nowMs();
    const inRow = now - this.#lastLookMs < 2 * LOOK_MS.most;
    if (!inRow) this.#lookMs = LOOK_MS.least;
    this.#schedule(this.#lookMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  /** Moves the next check forward, never back, because a flood of news must not put it off for ever. */
  #schedule(ms: number): void {
    const atMs = this.#parts.nowMs() + ms;
    if (this.#cancel !== null && this.#dueMs <= atMs) return;
    this.#cancel?.();
    this.#dueMs = atMs;
    this.#cancel = this.#parts.after(ms, () => {
      this.#cancel = null;
      void this.#check();
    });
  }

  async #check(): Promise<void> {
    this.#busy = true;
    this.#again = false;
    try {
      await this.#mend();
    } finally {
      this.#busy = false;
      this.#lastLookMs = this.#parts.nowMs();
      this.#lookMs = Math.min(2 * this.#lookMs, LOOK_MS.most);
      const pause = Math.max(this.#notBeforeMs, this.#addressesFromMs) - this.#lastLookMs;
      const next = this.#hasNews() ? this.#lookMs : this.#lost !== null && pause > 0 ? pause : IDLE_LOOK_MS;
      if (!this.#stopped) this.#schedule(next);
    }
  }

  async #mend(): Promise<void> {
    const { steps, report } = this.#parts;
    const nowMs = () => this.#parts.nowMs();
    const missing = await this.#missing();
    if (missing === null || this.#isStopped()) return;
    if (missing.length > 0) this.#note(missing);
    if (this.#lost === null || nowMs() < this.#notBeforeMs) return;
    let refused: { step: RouteStep; reason: string } | null = null;
    let waits = false;
    for (const at of missing) {
      if (steps[at]!.kind === "address" && nowMs() < this.#addressesFromMs) {
        waits = true;
        continue;
      }
      const reason = await this.#parts.putBack(at);
      if (this.#isStopped()) return;
      if (reason !== null) refused ??= { step: steps[at]!, reason };
    }
    if (refused !== null) {
      if (!this.#lost.told) report.refused(refused.step, refused.reason);
      this.#lost.told = true;
      return;
    }
    if (waits) return;
    report.back([...this.#lost.steps].map((at) => steps[at]!));
    this.#lost = null;
    this.#backAtMs = nowMs();
  }

  /** A loss is said once, and counted. */
  #note(missing: readonly number[]): void {
    const { steps, report } = this.#parts;
    const nowMs = () => this.#parts.nowMs();
    if (this.#lost !== null) {
      for (const at of missing) this.#lost.steps.add(at);
      return;
    }
    this.#lost = { steps: new Set(missing), told: false };
    this.#addressesFromMs = nowMs() + SETTLE_MS;
    report.lost(missing.map((at) => steps[at]!));
    this.#losses = nowMs() - this.#backAtMs < CALM_MS ? this.#losses + 1 : 1;
    const beyond = this.#losses - FREE_LOSSES;
    if (beyond <= 0) return;
    this.#notBeforeMs = nowMs() + Math.min(PAUSE_MS.least * 2 ** (beyond - 1), PAUSE_MS.most);
    if (beyond === 1) report.contested(PAUSE_MS.most);
  }

  /** Numbers of the steps that are not there; null: it can't be told. */
  async #missing(): Promise<number[] | null> {
    const { steps, list } = this.#parts;
    const lists = new Map<string, unknown[] | null>();
    const missing: number[] = [];
    for (const [at, step] of steps.entries()) {
      const look = lookOf(step);
      const name = look.join(" ");
      if (!lists.has(name)) lists.set(name, await list(look));
      const listed = lists.get(name);
      if (listed === null || listed === undefined) return null;
      if (!step.isThere(listed)) missing.push(at);
    }
    return missing;
  }

  /** The compiler takes a field for unchanged across an await. */
  #isStopped(): boolean {
    return this.#stopped;
  }

  #hasNews(): boolean {
    return this.#again;
  }
}

/** Pause until a monitor that ended is started again, ms. */
const MONITOR_AGAIN_MS = 5000;

/** Calls at each change of links, addresses, routes and rules of this network namespace. Returns what ends it. */
export function monitorRoutes(changed: () => void): () => void {
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const start = () => {
    child = spawn("ip", ["monitor", "link", "address", "route", "rule"], {
      env: { PATH: process.env.PATH },
      stdio: ["ignore", "pipe", "ignore"],
    });
    const again = () => {
      if (stopped) return;
      clearTimeout(timer);
      timer = setTimeout(start, MONITOR_AGAIN_MS).unref();
    };
    child.on("error", again);
    child.on("exit", again);
    child.stdout?.on("data", changed);
    child.unref();
    (child.stdout as unknown as { unref?(): void }).unref?.();
    changed();
  };
  start();
  return () => {
    stopped = true;
    clearTimeout(timer);
    child?.kill();
  };
}
