/**
 * Runs stretches of different conditions on a tunnel that is up, and remembers what an observer saw of each.
 *
 * 1. the condition begins: load, inner traffic at both ends, or a blocked event loop
 * 2. after a moment the stretch: nothing of the audit's own goes through the tunnel
 * 3. the condition ends, and what the other end remembers of it is fetched
 */
import { setTimeout as delay } from "node:timers/promises";
import { I405Error } from "../../common/errors.js";
import type { Connection, I405Tunnel } from "../../index.js";
import type { Observation, Seen } from "../observation.js";
import type { Asking } from "./asking.js";
import { type AskingTunnel } from "./asking.js";
import { CONDITIONS, OVERHEAD_S, type Condition, type ConditionName, type Plan } from "./conditions.js";
import { arrivalsOf, seenIn, type Span } from "./joining.js";
import type { Load, LoadKind } from "./load.js";
import { longestInner } from "./packets.js";
import { startPattern } from "./patterns.js";
import { Recorder, type RecordedTunnel } from "./recorder.js";
import type { Records } from "./series.js";

/** From where sends are observed. */
export type ObservedAt = "peer" | "call" | "software" | "hardware";

export type ExperimentTunnel = AskingTunnel & RecordedTunnel & Pick<I405Tunnel, "write">;

export interface ExperimentParts {
  tunnel: ExperimentTunnel;
  connection: Connection;
  monotonicNs: () => bigint;
  startLoad: (kind: LoadKind) => Promise<Load>;
  observedAt: ObservedAt;
  /** Null: the other end doesn't answer audits. */
  asking: Asking | null;
  onProgress: (what: string) => void;
  /** Ends it; what there is until then counts. */
  signal: AbortSignal;
}

export interface Experiment {
  observations: Observation[];
  /** When what was, by the wall clock. */
  spans: Span[];
  /** Slots of which nobody could tell. */
  dropped: number;
}

/** How long a condition goes on before its stretch begins, ms. */
const SETTLE_MS = 1000;
/** How long the event loop is blocked at once, ms. */
const BLOCK_MS = 1000;
/** How long the newest records may take to come, ms. */
const MOST_BEHIND_MS = 3000;

export async function runExperiment(plan: Plan, parts: ExperimentParts): Promise<Experiment> {
  const { tunnel, connection, monotonicNs, asking, onProgress, signal } = parts;
  const originNs = monotonicNs();
  const nowNs = () => Number(monotonicNs() - originNs);
  const recorder = new Recorder(tunnel, originNs, nowNs);
  const [up, down]: [Observation, Observation] = [observationOf("up"), observationOf("down")];
  const inner: Float64Array[] = [];
  const spans: Span[] = [];
  const startedS = nowNs() / 1e9;
  try {
    for (const [index, name] of plan.order.entries()) {
      if (signal.aborted) break;
      const condition = CONDITIONS[name];
      onProgress(progressOf(plan, index, name, nowNs() / 1e9 - startedS));
      const seen = await stretch(index, condition);
      if (seen === null) break;
      spans.push(seen.span);
      up.seen.push(seen.up);
      if (seen.down !== null) down.seen.push(seen.down);
      inner.push(seen.innerNs);
    }
  } catch (error) {
    // Somebody ended it in the middle of a question: what was seen before still counts.
    if (!signal.aborted || spans.length === 0) throw error;
  } finally {
    recorder.close();
  }
  up.innerNs = Float64Array.from(inner.flatMap((each) => Array.from(each)));
  return { observations: [up, down].filter(({ seen }) => seen.length > 0), spans, dropped: recorder.dropped };

  /** Null: it was ended before it was over. */
  async function stretch(index: number, condition: Condition) {
    const longest = longestInner(connection.wire.up);
    recorder.begin();
    await asking?.start(index, condition.down, index);
    const load = condition.load === null ? null : await parts.startLoad(condition.load);
    const write = (packet: Uint8Array) => {
      // A tunnel that has failed takes nothing, and its failure ends the experiment.
      const taken = !signal.aborted && tunnel.write(packet);
      if (taken) recorder.innerPacket();
      return taken;
    };
    const endPattern = startPattern(condition.up, "client", index, { write, longest });
    const span: Span = { label: condition.label, fromNs: 0, toNs: 0, from: 0, to: 0 };
    try {
      await pause(SETTLE_MS);
      [span.fromNs, span.from] = [nowNs(), Date.now() / 1000];
      if (condition.blocked) await blocked(plan.stretchS * 1000);
      else await pause(plan.stretchS * 1000);
      [span.toNs, span.to] = [nowNs(), Date.now() / 1000];
    } finally {
      endPattern();
      await load?.stop();
    }
    if (signal.aborted) return null;
    for (let waitedMs = 0; recorder.newestNs < span.toNs && waitedMs < MOST_BEHIND_MS; waitedMs += 20) await delay(20);
    const done = await asking?.stop(index);
    const innerNs = recorder.innerNs();
    // More slots come while the other end is asked.
    const [slots, arrivals] = [recorder.slots(), recorder.arrivals()];
    const [called, left] = [recorder.called(), recorder.left()];
    const [theirArrivals, theirSlots] =
      done === undefined
        ? [null, null]
        : [await asking!.fetch(index, "arrivals", done.arrivals), await asking!.fetch(index, "slots", done.slots)];
    const atPeer = () => {
      if (theirArrivals === null) throw new I405Error("ERR_I405_AUDIT_PEER", "the other end told nothing");
      return arrivalsOf(slots, theirArrivals.columns());
    };
    const sights = { peer: atPeer, call: () => called, software: () => left, hardware: () => left };
    const twoClocks = parts.observedAt === "peer";
    const upSeen = seenIn(slots, sights[parts.observedAt](), span, { twoClocks, local: "deadlines" });
    return { span, innerNs, up: upSeen, down: downSeen(span, arrivals, theirSlots?.columns() ?? null) };
  }

  function downSeen(span: Span, arrivals: Records, theirSlots: Records | null): Seen | null {
    if (theirSlots !== null) {
      return seenIn(theirSlots, arrivalsOf(theirSlots, arrivals), span, { twoClocks: true, local: "sights" });
    }
    const times = arrivals.timeNs.filter((at) => at >= span.fromNs && at < span.toNs).sort();
    return times.length === 0 ? null : { label: span.label, fromNs: span.fromNs, toNs: span.toNs, timesNs: times };
  }

  async function pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal }).catch(() => undefined);
  }

  /** Stands still as a program in a long computation does, but without using the core; a signal is heard in between. */
  async function blocked(ms: number): Promise<void> {
    const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));
    const until = nowNs() + ms * 1e6;
    while (nowNs() < until && !signal.aborted) {
      Atomics.wait(nobodyWakes, 0, 0, Math.min(BLOCK_MS, (until - nowNs()) / 1e6));
      await delay(1);
    }
  }
}

function observationOf(direction: string): Observation {
  return { direction, seen: [], headers: [], bytes: [] };
}

function progressOf({ order, stretchS }: Plan, index: number, name: ConditionName, passedS: number): string {
  const each = index === 0 ? stretchS + OVERHEAD_S : passedS / index;
  const leftS = Math.round(each * (order.length - index));
  const left = leftS >= 60 ? `${Math.floor(leftS / 60)} min ${leftS % 60} s` : `${leftS} s`;
  return `${index + 1} of ${order.length}, ${CONDITIONS[name].label}; ${left} left`;
}
