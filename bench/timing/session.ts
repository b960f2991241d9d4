/** Measures the stretches of one session: a tunnel that stays up through them, or a plain sender for each. */
import { CaptureRun } from "../../lab/host/capture.js";
import { errorsBySlot, fitGrid } from "../../lab/figures/grid.js";
import type { NetnsPair } from "../../lab/host/netns.js";
import { stolenSeconds, threadCpu } from "../../lab/figures/stats.js";
import { udpSink } from "../../lab/host/traffic.js";
import { yardstick, type Measured } from "../../lab/host/yardstick.js";
import { sleep } from "../lib/bench.js";
import { PORT, Tunnel } from "../lib/tunnel.js";
import { begin, type Scene } from "./conditions.js";
import { callLateness, type Lateness, type Measurement } from "./figures.js";
import { CHANGE_S, SETTLE_S, type Session } from "./plan.js";
import type { Condition, Selection } from "./selection.js";

/** Port of the plain sender. */
const BARE_PORT = 1406;
/** How often the client says how late it was, seconds: several times in a stretch, and with slots enough each time. */
const DEVIATION_S = 1;
/** The spinner's interval, us, and its pause, which keeps it off the kernel's real-time throttle. */
const SPINNER = { intervalUs: 1000, breatheUs: 80, fifo: true };

/** Told before each stretch. */
export type Progress = (condition: Condition) => void;

function scene(pair: NetnsPair, tunnel: Tunnel | null, session: Session, selection: Selection): Scene {
  return {
    pair,
    tunnel,
    wire: { intervalMs: session.intervalNs / 1e6, length: selection.length },
    cpu: selection.cpu,
    seconds: selection.stretchS + 30,
  };
}

function cpuSeconds(pid: number): number {
  return threadCpu(pid).reduce((sum, { seconds }) => sum + seconds, 0);
}

/** What one look at a running client tells. */
function look({ client }: Tunnel) {
  return { ms: Date.now(), events: client.events.length, cpuS: cpuSeconds(client.pid), stolenS: stolenSeconds() };
}

async function stretch(where: Scene, condition: Condition, during: () => Promise<void>): Promise<void> {
  const stop = await begin(condition, where);
  try {
    await sleep(CHANGE_S * 1000);
    await during();
  } finally {
    await stop();
  }
}

/** A tunnel through all stretches: its schedule without jitter is one grid, so stretches share their origin. */
async function tunnelSession(pair: NetnsPair, session: Session, selection: Selection, progress: Progress) {
  const { intervalNs, sender } = session;
  const capture = await CaptureRun.start(pair.b, { udpPort: PORT, snap: 0 });
  const tunnel = await Tunnel.start(pair, {
    wire: { interval: `${intervalNs}ns`, length: selection.length, jitter: "0" },
    clientMode: sender.pollMode ?? undefined,
    clientCpu: sender.flags.includes("--cpu") ? undefined : (selection.cpu ?? undefined),
    clientFlags: sender.flags,
    serverMode: selection.serverMode,
    deviation: `${Math.min(DEVIATION_S, selection.stretchS / 4)}s`,
  });
  const looks: [ReturnType<typeof look>, ReturnType<typeof look>][] = [];
  try {
    await sleep(SETTLE_S * 1000);
    const where = scene(pair, tunnel, session, selection);
    for (const condition of session.stretches) {
      progress(condition);
      await stretch(where, condition, async () => {
        const before = look(tunnel);
        await sleep(selection.stretchS * 1000);
        looks.push([before, look(tunnel)]);
      });
    }
  } finally {
    await tunnel.stop();
  }
  const { startNs, timesNs } = await capture.arrivals(PORT);
  const fit = fitGrid(timesNs, intervalNs);
  const errorsNs = errorsBySlot(fit);
  const originNs = (timesNs[0] ?? 0) - (fit.latenessNs[0] ?? 0);
  const slotAt = (ms: number) => Math.max(Math.ceil((ms * 1e6 - Number(startNs) - originNs) / intervalNs), 0);
  return looks.map(([before, after]): Measurement => {
    const inside = errorsNs.slice(slotAt(before.ms), slotAt(after.ms));
    const sent = inside.filter((error) => !Number.isNaN(error)).length;
    return {
      errorsNs: inside,
      // The first one tells of slots before the stretch, too.
      call: callLateness(Tunnel.deviations(tunnel.client, before.events, after.events).slice(1)),
      cpuUsPerSlot: ((after.cpuS - before.cpuS) * 1e6) / sent,
      stolenS: after.stolenS - before.stolenS,
    };
  });
}

function bareCall({ latenessUs, missed }: Measured): Lateness {
  const { stddev, p1, p50, p90, p99, p999, max } = latenessUs;
  return { sd: stddev, sdUntrimmed: stddev, p1, p50, p90, p99, p999, max, missed };
}

/** A plain sender per stretch, since it tells its lateness at its end; each stretch has an origin of its own. */
async function bareSession(pair: NetnsPair, session: Session, selection: Selection, progress: Progress) {
  const measurements: Measurement[] = [];
  const where = scene(pair, null, session, selection);
  // Without a listener ICMP comes back, and the next send fails with it instead of sending.
  const sink = await udpSink(pair.b, { listen: `${pair.b.ipv4}:${BARE_PORT}` });
  for (const condition of session.stretches) {
    progress(condition);
    await stretch(where, condition, async () => {
      const capture = await CaptureRun.start(pair.b, { udpPort: BARE_PORT, snap: 0 });
      const stolen = stolenSeconds();
      const measured = await yardstick(pair.a, "sleep", {
        intervalUs: session.intervalNs / 1000,
        seconds: selection.stretchS,
        to: `${pair.b.ipv4}:${BARE_PORT}`,
        length: selection.length,
        cpu: selection.cpu ?? undefined,
        fifo: true,
      });
      const { timesNs } = await capture.arrivals(BARE_PORT);
      measurements.push({
        errorsNs: errorsBySlot(fitGrid(timesNs, session.intervalNs)),
        call: bareCall(measured),
        cpuUsPerSlot: (measured.cpuShare * measured.seconds * 1e6) / measured.sent,
        stolenS: stolenSeconds() - stolen,
      });
    });
  }
  await sink.stop();
  return measurements;
}

/** Measures the stretches of a session, in order. */
export async function runSession(pair: NetnsPair, session: Session, selection: Selection, progress: Progress) {
  return await (session.sender.pollMode === null ? bareSession : tunnelSession)(pair, session, selection, progress);
}

/** What the machine itself takes away: a bare SCHED_FIFO spinner on the same core. */
export async function spin(pair: NetnsPair, selection: Selection): Promise<Measured> {
  return await yardstick(pair.a, "spin", {
    ...SPINNER,
    seconds: selection.stretchS,
    cpu: selection.cpu ?? undefined,
  });
}
