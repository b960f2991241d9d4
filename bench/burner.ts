/** Burners: lateness on the wire with each kind, idle and busy; idle time of the core; speed of other programs; power. */
import { availableParallelism } from "node:os";
import { startBurner, startWork, work, type BurnerKind } from "../lab/host/burner.js";
import { CaptureRun } from "../lab/host/capture.js";
import { fitGrid } from "../lab/figures/grid.js";
import type { NetnsPair } from "../lab/host/netns.js";
import { here, type Program } from "../lab/host/program.js";
import { coreTicks, percentile, summarize, trim } from "../lab/figures/stats.js";
import { withPair, sleep } from "./lib/bench.js";
import { joules } from "./lib/energy.js";
import { runLoads } from "./lib/load.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { PORT, SERVER, Tunnel } from "./lib/tunnel.js";

const options = readOptions({
  seconds: 15,
  rounds: 3,
  intervalMs: 1,
  length: 1500,
  inner: 1400,
  cpu: 1,
  modes: "sleepy,dozy",
  kinds: "pause,spin,memory,vector",
});
const report = new Report(options.json);
const intervalNs = options.intervalMs * 1e6;
const kinds = ["off", ...options.kinds.split(",")];
/** Handshake and first slots are not part of a stretch, in seconds. */
const SETTLE_S = 1;
/** Pairs of turns in a round of the other programs' speed. A burner takes a second to notice whom it holds back. */
const TURNS = 3;
const wire = { interval: `${options.intervalMs}ms`, length: options.length, jitter: "0" };

type Values = Map<string, number[]>;

function keep(values: Values, key: string, more: readonly number[]): void {
  values.set(key, [...(values.get(key) ?? []), ...more]);
}

/** Something that goes on while a burner of that kind, or none, is on the core. */
async function beside<Value>(kind: string, during: () => Promise<Value>): Promise<Value> {
  const burner = kind === "off" ? null : await startBurner(here, kind as BurnerKind, options.cpu);
  try {
    return await during();
  } finally {
    await burner?.stop();
  }
}

/** With an ordinary program on every core that leaves it no time. */
async function whileBusy(during: () => Promise<unknown>): Promise<void> {
  const seconds = options.seconds + 2;
  const others: Program[] = Array.from({ length: availableParallelism() }, (_, cpu) =>
    startWork(here, { cpu, seconds }),
  );
  try {
    await Promise.all(others.map((other) => other.event("ready")));
    await during();
  } finally {
    await Promise.all(others.map((other) => other.stop()));
  }
}

const lateness: Values = new Map();
const missed: Values = new Map();

async function latenessRound(pair: NetnsPair, mode: string): Promise<void> {
  const tunnel = await Tunnel.start(pair, {
    wire,
    clientMode: mode,
    clientCpu: options.cpu,
    serverMode: "sleepy",
    clientFlags: ["--burner", "off"],
  });
  await sleep(SETTLE_S * 1000);
  const stretch = async (key: string) => {
    const capture = await CaptureRun.start(pair.b, { udpPort: PORT, snap: 0 });
    await sleep(options.seconds * 1000);
    const { packets } = await capture.stop();
    const arrivals = packets.filter(({ direction, destinationPort }) => direction === "in" && destinationPort === PORT);
    const fit = fitGrid(
      arrivals.map(({ timeNs }) => timeNs),
      intervalNs,
    );
    keep(lateness, key, fit.latenessNs);
    keep(missed, key, [fit.missed]);
  };
  for (const kind of kinds) {
    await beside(kind, () => stretch([mode, kind, "idle"].join("\t")));
    await beside(kind, () => whileBusy(() => stretch([mode, kind, "busy"].join("\t"))));
  }
  await tunnel.stop();
}

/** The core's idle time while a spinny tunnel with its own burner is on it, and without one. */
async function idleShares(pair: NetnsPair): Promise<void> {
  const load = { from: pair.a, at: pair.b, to: `${SERVER}:9000`, wire: options, innerLength: options.inner };
  for (const burner of ["off", "cpu"]) {
    const tunnel = await Tunnel.start(pair, {
      wire,
      clientMode: "spinny",
      clientCpu: options.cpu,
      serverMode: "sleepy",
      clientFlags: ["--burner", burner],
    });
    await sleep(SETTLE_S * 1000);
    for (const [condition, during] of [
      ["quiet", () => sleep(options.seconds * 1000)],
      ["saturated", () => runLoads([{ ...load, factor: 2, seconds: options.seconds }])],
    ] as const) {
      const [before, energy, start] = [coreTicks(options.cpu), joules(), performance.now()];
      await during();
      const after = coreTicks(options.cpu);
      const watts = energy === null ? null : ((joules() ?? 0) - energy) / ((performance.now() - start) / 1000);
      report.add({
        mode: "spinny",
        burner,
        condition,
        idlePercent: rounded((100 * (after.idle - before.idle)) / (after.all - before.all), 3),
        watts: watts === null ? null : rounded(watts, 2),
      });
    }
    await tunnel.stop();
  }
}

/** Speed beside a burner as a part of the speed without one, of each pair of turns. */
const speeds: Values = new Map();

/**
 * An ordinary program on the burner's core: one that always works and one that rests between, also of another session.
 * With and without a burner right after each other, each first in turn: the machine's own speed wanders by 30 %.
 */
async function speedRound(round: number): Promise<void> {
  for (const kind of kinds.slice(1)) {
    for (const [session, before] of [
      ["the burner's", []],
      ["another", ["setsid", "--wait"]],
    ] as const) {
      for (const [program, restUs] of [
        ["always works", 0],
        ["works 1 ms, rests 1 ms", 1000],
      ] as const) {
        const settings = { cpu: options.cpu, seconds: options.seconds / TURNS, workUs: 1000, restUs };
        const speed = async (of: string) => {
          const { rounds, seconds } = await beside(of, () => work(here, settings, before));
          return rounds / seconds;
        };
        for (let turn = 0; turn < TURNS; turn += 1) {
          const order = (round + turn) % 2 === 0 ? ["off", kind] : [kind, "off"];
          const found = new Map<string, number>();
          for (const each of order) found.set(each, await speed(each));
          keep(speeds, [program, session, kind].join("\t"), [found.get(kind)! / found.get("off")!]);
        }
      }
    }
  }
}

const modes = options.modes.split(",").filter((mode) => mode !== "");
const minutes =
  (options.seconds * (options.rounds * (kinds.length * 2 * modes.length + (kinds.length - 1) * 8) + 4) +
    5 * options.rounds) /
  60;
report.progress(`about ${minutes.toFixed(0)} minutes`);
if (joules() === null) report.progress("no power figures: /sys/class/powercap has no counter of this machine's");
await withPair(async (pair) => {
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const mode of modes) {
      report.progress(`round ${round} of ${options.rounds}: lateness in ${mode}`);
      await latenessRound(pair, mode);
    }
    report.progress(`round ${round} of ${options.rounds}: speed of other programs`);
    await speedRound(round);
  }
  const us = (ns: number) => rounded(ns / 1000, 2);
  for (const [key, values] of lateness) {
    const [mode = "", burner = "", condition = ""] = key.split("\t");
    const [all, trimmed] = [summarize(values), summarize(trim(values))];
    const lost = missed.get(key)!.reduce((sum, count) => sum + count, 0);
    const figures = { p50: us(all.p50), p90: us(all.p90), p99: us(all.p99), p999: us(all.p999), sd: us(all.stddev) };
    report.add({ mode, burner, condition, ...figures, trimmedSd: us(trimmed.stddev), missed: lost });
  }
  report.table("Lateness on the wire, us after the most punctual datagram of each stretch; sd trimmed at p99.9 beside");
  for (const [key, ratios] of speeds) {
    const [program = "", session = "", burner = ""] = key.split("\t");
    const percent = (share: number) => rounded(100 * percentile(ratios, share), 1);
    const [low, middle, high] = [0.25, 0.5, 0.75].map(percent);
    report.add({ program, session, burner, pairs: ratios.length, p25: low!, median: middle!, p75: high! });
  }
  report.table("What an ordinary program on the same core gets done, percent of what it does without a burner");
  report.progress("idle time");
  await idleShares(pair);
  report.table("Idle time of the core of a spinny tunnel, and power of the processor");
});
