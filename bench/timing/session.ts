/** Measures the stretches of one session: a tunnel that stays up through them, or a plain sender for each. */
import { CaptureRun, type Arrivals } from "../../lab/host/capture.js";
import { errorsBySlot, fitGrid } from "../../lab/figures/grid.js";
import type { NetnsPair } from "../../lab/host/netns.js";
import { stolenSeconds } from "../../lab/figures/stats.js";
import { udpSink, type Pinged } from "../../lab/host/traffic.js";
import { yardstick, type Measured } from "../../lab/host/yardstick.js";
import { sleep } from "../lib/bench.js";
import { PORT, Tunnel } from "../lib/tunnel.js";
import { carriedBetween, type Carried, type Told } from "./carried.js";
import { begin, BLOCKABLE, type Scene } from "./conditions.js";
import { callLateness, type Lateness } from "./figures.js";
import { CHANGE_S, SETTLE_S, type Session } from "./plan.js";
import { glance, useOf, type Glance, type ProgramUse } from "./programs.js";
import type { Condition, Selection } from "./selection.js";

/** Port of the plain sender. */
const BARE_PORT = 1406;
/** How often the client says how late it was, seconds: several times in a stretch, and with slots enough each time. */
const DEVIATION_S = 1;
/** The spinner's pause, us, once in a millisecond: it keeps it off the kernel's real-time throttle. */
const BREATHE_US = 80;
/** The spinner's longest interval, and what is a gap where slots aren't shorter, us. */
const [SPINNER_US, GAP_US] = [1000, 50];
/** What the server allows: whatever is asked for. */
const UNBOUNDED = ["--max-up-speed", "1GiB/s", "--max-down-speed", "1GiB/s"];

/** Told before each stretch. */
export type Progress = (condition: Condition) => void;

/** Of one stretch, as it was measured. */
export interface Measurement {
  /** After the most punctual datagram of the session, by slot, NaN for a missed one. */
  errorsNs: Float64Array;
  /** The one that is measured first. */
  programs: ProgramUse[];
  carried: Carried | null;
  pinged: Pinged | null;
  stolenS: number;
}

/** Every slot of the client's schedule from its first to its last: elapsed = sent + missed. */
export interface Account {
  /** On the wire; 0 where it isn't captured. */
  elapsed: number;
  seen: number;
  /** Datagrams that the server opened. */
  opened: number;
  /** By the client's own counters. */
  sent: number;
  missed: number;
  sendErrors: number;
  stalls: number;
  /** How long both ends took to end. */
  endMs: number;
}

/** What a session gave: its stretches, and of a tunnel the account. */
export interface Measurements {
  measurements: Measurement[];
  account: Account | null;
}

function scene(pair: NetnsPair, tunnel: Tunnel | null, { intervalNs }: Session, selection: Selection): Scene {
  const { length, downIntervalNs, inner, stretchS } = selection;
  return {
    pair,
    tunnel,
    wire: { intervalMs: intervalNs / 1e6, length },
    downIntervalMs: (downIntervalNs ?? intervalNs) / 1e6,
    innerLength: inner,
    stretchS,
  };
}

/** What one look at a running tunnel tells; the ends in this order: client, server. */
interface Look {
  ms: number;
  ends: { events: number; glance: Glance }[];
  stolenS: number;
}

function look({ client, server }: Tunnel): Look {
  const ends = [client, server].map(({ pid, events }) => ({ events: events.length, glance: glance(pid) }));
  return { ms: Date.now(), ends, stolenS: stolenSeconds() };
}

/** What `during` gives, and what the condition tells. */
async function stretch<Value>(
  where: Scene,
  condition: Condition,
  during: () => Promise<Value>,
): Promise<[Value, Told]> {
  const stop = await begin(condition, where);
  const value = await sleep(CHANGE_S * 1000)
    .then(during)
    .catch(async (error: unknown) => {
      await stop();
      throw error;
    });
  return [value, await stop()];
}

/** When datagrams came in for a port while something went on; none where the wire isn't captured. */
async function startCapture(pair: NetnsPair, port: number, { wire }: Selection) {
  const capture = wire ? await CaptureRun.start(pair.b, { udpPort: port, snap: 0, incoming: true }) : null;
  return async (): Promise<Arrivals> => (await capture?.arrivals(port)) ?? { startNs: 0n, timesNs: new Float64Array() };
}

/** A tunnel through all stretches: its schedule without jitter is one grid, so stretches share their origin. */
async function tunnelSession(
  pair: NetnsPair,
  session: Session,
  selection: Selection,
  progress: Progress,
): Promise<Measurements> {
  const { intervalNs, sender } = session;
  const { length, server, stretchS } = selection;
  const arrivals = await startCapture(pair, PORT, selection);
  const tunnel = await Tunnel.start(pair, {
    wire: { interval: `${intervalNs}ns`, length, jitter: "0" },
    down: { interval: `${selection.downIntervalNs ?? intervalNs}ns`, length, jitter: "0" },
    clientMode: sender.pollMode ?? undefined,
    clientCpu: sender.flags.includes("--cpu") ? undefined : (selection.cpu ?? undefined),
    clientFlags: sender.flags,
    clientNode: session.stretches.includes("blocked") ? BLOCKABLE : [],
    serverMode: server.pollMode,
    serverFlags: [...UNBOUNDED, ...server.flags],
    deviation: `${Math.min(DEVIATION_S, stretchS / 4)}s`,
  });
  const looks: { before: Look; after: Look; told: Told }[] = [];
  const end = async () => {
    const startMs = performance.now();
    const stats = await tunnel.stop();
    return { ...stats, endMs: performance.now() - startMs };
  };
  let ended: Awaited<ReturnType<typeof end>>;
  try {
    await sleep(SETTLE_S * 1000);
    const where = scene(pair, tunnel, session, selection);
    for (const condition of session.stretches) {
      progress(condition);
      const [inside, told] = await stretch(where, condition, async () => {
        const before = look(tunnel);
        await sleep(stretchS * 1000);
        return { before, after: look(tunnel) };
      });
      looks.push({ ...inside, told });
    }
  } finally {
    ended = await end();
  }
  const { startNs, timesNs } = await arrivals();
  const fit = fitGrid(timesNs, intervalNs);
  const errorsNs = errorsBySlot(fit);
  const originNs = (timesNs[0] ?? 0) - (fit.latenessNs[0] ?? 0);
  const slotAt = (ns: number) => Math.max(Math.ceil((ns - Number(startNs) - originNs) / intervalNs), 0);
  const between = (fromNs: number, toNs: number) => errorsNs.slice(slotAt(fromNs), slotAt(toNs));
  const outerBytes = (fromNs: number, toNs: number) =>
    between(fromNs, toNs).filter((error) => !Number.isNaN(error)).length * length;
  const measurements = looks.map(({ before, after, told }): Measurement => {
    const [fromNs, toNs] = [before.ms * 1e6, after.ms * 1e6];
    const programs = [tunnel.client, tunnel.server].map((program, end) => {
      const [first, last] = [before.ends[end]!, after.ends[end]!];
      // The first one tells of slots before the stretch, too.
      const said = Tunnel.deviations(program, first.events, last.events).slice(1);
      return useOf(end === 0 ? "client" : "server", first.glance, last.glance, callLateness(said));
    });
    return {
      errorsNs: between(fromNs, toNs),
      programs,
      carried: carriedBetween(told, [fromNs, toNs], outerBytes),
      pinged: told.pinged ?? null,
      stolenS: after.stolenS - before.stolenS,
    };
  });
  const { client, server: other, endMs } = ended;
  const { sent, missed, sendErrors } = client.slots;
  const seen = { elapsed: fit.slots, seen: fit.latenessNs.length, opened: other.datagrams.opened };
  return { measurements, account: { ...seen, sent, missed, sendErrors, stalls: client.throttleStalls, endMs } };
}

function bareCall({ latenessUs, sent, missed }: Measured): Lateness {
  const { stddev, p1, p50, p90, p99, p999, max } = latenessUs;
  return { sd: stddev, sdUntrimmed: stddev, p1, p50, p90, p99, p999, max, sent, missed };
}

/** A plain sender per stretch, since it tells its lateness at its end; each stretch has an origin of its own. */
async function bareSession(
  pair: NetnsPair,
  session: Session,
  selection: Selection,
  progress: Progress,
): Promise<Measurements> {
  const measurements: Measurement[] = [];
  const where = scene(pair, null, session, selection);
  // Without a listener ICMP comes back, and the next send fails with it instead of sending.
  const sink = await udpSink(pair.b, { listen: `${pair.b.ipv4}:${BARE_PORT}` });
  for (const condition of session.stretches) {
    progress(condition);
    await stretch(where, condition, async () => {
      const arrivals = await startCapture(pair, BARE_PORT, selection);
      const [stolen, before] = [stolenSeconds(), glance(sink.program.pid)];
      const measured = await yardstick(pair.a, "sleep", {
        intervalUs: session.intervalNs / 1000,
        seconds: selection.stretchS,
        to: `${pair.b.ipv4}:${BARE_PORT}`,
        length: selection.length,
        cpu: selection.cpu ?? undefined,
        fifo: true,
      });
      const receiver = useOf("receiver", before, glance(sink.program.pid));
      const threads = { yardstick: measured.cpuShare };
      const { timesNs } = await arrivals();
      measurements.push({
        errorsNs: errorsBySlot(fitGrid(timesNs, session.intervalNs)),
        programs: [{ name: "sender", call: bareCall(measured), threads, resident: null, grown: null }, receiver],
        carried: null,
        pinged: null,
        stolenS: stolenSeconds() - stolen,
      });
    });
  }
  await sink.stop();
  return { measurements, account: null };
}

/** Measures the stretches of a session, in order. */
export async function runSession(
  pair: NetnsPair,
  session: Session,
  selection: Selection,
  progress: Progress,
): Promise<Measurements> {
  return await (session.sender.pollMode === null ? bareSession : tunnelSession)(pair, session, selection, progress);
}

/** What the machine itself takes away: a bare SCHED_FIFO spinner on the same core, its slots at most 1 ms long. */
export async function spin(pair: NetnsPair, { intervalNs }: Session, selection: Selection): Promise<Measured> {
  const intervalUs = Math.min(intervalNs / 1000, SPINNER_US);
  return await yardstick(pair.a, "spin", {
    intervalUs,
    gapUs: Math.min(intervalUs, GAP_US),
    breatheUs: BREATHE_US,
    fifo: true,
    seconds: selection.stretchS,
    cpu: selection.cpu ?? undefined,
  });
}
