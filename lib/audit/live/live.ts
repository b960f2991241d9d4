/** Audits a tunnel that it runs itself, and answers the audits of others. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AnswerOptions, AuditResponder, LiveAuditOptions } from "../../../types/audit.js";
import { I405Error } from "../../common/errors.js";
import { I405Tunnel, type ConnectOptions, type Connection } from "../../index.js";
import type { Remarks, Source } from "../analyse.js";
import { collect } from "../capture/collect.js";
import { captureError } from "../capture/errors.js";
import { openCaptureFile } from "../capture/file.js";
import type { Subject } from "../compare.js";
import type { Observation } from "../observation.js";
import { checkStretches } from "../stretches.js";
import { directionRemarks, subjectOf } from "../subject.js";
import { auditWarning, type AuditWarning } from "../warnings.js";
import { answerOn } from "./answering.js";
import { Asking } from "./asking.js";
import { CONDITIONS, planOf, type ConditionName } from "./conditions.js";
import { runExperiment, type Experiment, type ObservedAt } from "./experiment.js";
import { startLoad } from "./load.js";
import { readAnswerOptions, readLiveOptions, type ParsedLiveOptions } from "./options.js";
import { startWireCapture, tcpdumpProblem, type WireCapture } from "./wire-capture.js";

/** What was seen, ready for `analyse`. */
export interface LiveFindings {
  source: Source;
  subjects: Subject[];
  remarks: Remarks;
}

export async function watchTunnel(options: LiveAuditOptions): Promise<LiveFindings> {
  const parsed = readLiveOptions(options);
  const { onProgress } = parsed;
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, ...(parsed.signal === null ? [] : [parsed.signal])]);
  const tunnel = new I405Tunnel(parsed.tunnel);
  tunnel.on("warning", ({ message, remedy }) => onProgress(`${message}. ${remedy}`));
  let failure: Error | null = null;
  tunnel.on("error", (error) => {
    failure = error;
    over.abort();
  });
  let asking: Asking | null = null;
  let capturing: Capturing | null = null;
  try {
    onProgress("connecting");
    const connection = await connect(tunnel, parsed.against, signal);
    asking = new Asking(tunnel, signal);
    const answers = await asking.answers();
    const observedAt = observedFrom(parsed, answers);
    const names = answers ? parsed.conditions : withoutOtherEnd(parsed.conditions, onProgress);
    const plan = planOf(names, parsed.totalS, parsed.stretchS, Date.now() >>> 0);
    capturing = await beginCapture(parsed, connection);
    const experiment = await runExperiment(plan, {
      ...{ tunnel, connection, startLoad, observedAt, onProgress, signal },
      ...{ asking: answers ? asking : null, monotonicNs: () => process.hrtime.bigint() },
    });
    throwIf(failure);
    const warnings: AuditWarning[] = [];
    if (capturing !== null) {
      const { dropped } = await capturing.capture.stop();
      if (dropped > 0) onProgress(`tcpdump was too slow for ${dropped} packets, whose headers nobody has seen`);
      warnings.push(...addHeaders(experiment, capturing.file, portOf(connection)));
    }
    const found = findingsOf(experiment, connection, observedAt);
    return { ...found, remarks: { ...found.remarks, warnings: [...warnings, ...found.remarks.warnings] } };
  } finally {
    asking?.close();
    await capturing?.capture.stop().catch(() => undefined);
    if (capturing !== null) rmSync(capturing.folder, { recursive: true, force: true });
    await tunnel.close().catch(() => undefined);
  }
}

/** The signal ends the attempt; later it ends the watching, and the tunnel is closed in order. */
async function connect(tunnel: I405Tunnel, options: ConnectOptions, signal: AbortSignal): Promise<Connection> {
  const attempt = new AbortController();
  const abort = () => attempt.abort();
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    return await tunnel.connect({ ...options, signal: attempt.signal });
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** A tunnel that failed leaves nothing to report: what was seen of it ends somewhere in a stretch. */
function throwIf(failure: Error | null): void {
  if (failure !== null) throw failure;
}

/** Listens, and answers audits until it is closed. */
export async function answerAudits(options: AnswerOptions): Promise<AuditResponder> {
  const { listen, tunnel: tunnelOptions } = readAnswerOptions(options);
  const tunnel = new I405Tunnel(tunnelOptions);
  tunnel.on("error", () => undefined);
  const end = answerOn(tunnel);
  try {
    await tunnel.listen(listen);
  } catch (error) {
    end();
    throw error;
  }
  return {
    tunnel,
    close: async () => {
      end();
      await tunnel.close();
    },
  };
}

function observedFrom({ observedAt, onProgress }: ParsedLiveOptions, answers: boolean): ObservedAt {
  if (answers) return observedAt ?? "peer";
  if (observedAt !== null && observedAt !== "peer") return observedAt;
  onProgress(
    "the other end doesn't answer audits (run `i405 audit --listen-addr` there): sends are observed at the call, " +
      "and nothing is asked of the other direction",
  );
  return "call";
}

function withoutOtherEnd(names: readonly ConditionName[], onProgress: (what: string) => void): ConditionName[] {
  const kept = names.filter((name) => CONDITIONS[name].up !== "nothing" || CONDITIONS[name].down === "nothing");
  const left = names.filter((name) => !kept.includes(name));
  if (left.length > 0) onProgress(`left out, because the other end would have to send: ${left.join(", ")}`);
  return kept;
}

interface Capturing {
  capture: WireCapture;
  folder: string;
  file: string;
}

/** Header fields and bytes are seen on the wire alone; without a capture the report says nothing of them. */
async function beginCapture(parsed: ParsedLiveOptions, connection: Connection): Promise<Capturing | null> {
  if (parsed.capture === null) return null;
  const problem = tcpdumpProblem();
  if (problem !== null) {
    parsed.onProgress(`header fields and bytes are not looked at: ${problem}`);
    return null;
  }
  const folder = mkdtempSync(join(tmpdir(), "i405-audit-"));
  const file = join(folder, "wire.pcap");
  const [device = "any", namespace] = parsed.capture.split("/").reverse();
  const inside = namespace === undefined ? [] : ["ip", "netns", "exec", namespace];
  const command = (argv: readonly string[]) => [...inside, ...argv];
  try {
    return { folder, file, capture: await startWireCapture({ device, command, port: portOf(connection), file }) };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

function portOf({ endpoint }: Connection): number {
  return Number(endpoint.slice(endpoint.lastIndexOf(":") + 1));
}

/** What of a capture the tunnel itself can't see. The rest of the report doesn't depend on it. */
function addHeaders({ observations, spans }: Experiment, file: string, port: number): AuditWarning[] {
  if (spans.length === 0) return [];
  const capture = openCaptureFile(file);
  try {
    const stretches = checkStretches(spans, "stretches");
    const captured = collect(capture, stretches, { port });
    for (const { direction, headers, fragments, bytes } of captured.observations) {
      const observation = observations.find((each) => each.direction === direction);
      if (observation === undefined) continue;
      [observation.headers, observation.bytes] = [headers, bytes];
      if (fragments !== undefined) observation.fragments = fragments;
    }
    return captured.warnings;
  } catch (error) {
    if (!(error instanceof I405Error)) throw error;
    const message = `header fields and bytes were not looked at: ${error.message}`;
    return [auditWarning("I405_AUDIT_CAPTURE", message, "Capture on the interface that the tunnel's datagrams take")];
  } finally {
    capture.close();
  }
}

function findingsOf(experiment: Experiment, connection: Connection, observedAt: ObservedAt): LiveFindings {
  const { observations, spans } = experiment;
  const { wire, endpoint } = connection;
  const subjects = observations.flatMap((observation: Observation) => {
    const { intervalNs, jitterNs, jitterShape } = observation.direction === "up" ? wire.up : wire.down;
    return subjectOf(observation, { intervalNs, jitterNs, shape: jitterShape }, undefined) ?? [];
  });
  const what = `the tunnel to ${endpoint}`;
  if (subjects.length === 0) throw captureError(what, "it has no direction with 200 gaps", "Watch for longer");
  const datagrams = observations.flatMap(({ seen }) => seen).reduce((sum, { timesNs }) => sum + timesNs.length, 0);
  return {
    subjects,
    source: {
      ...{ file: what, format: "observations", observedAt, port: portOf(connection), cutOff: false, resolutionNs: 1 },
      ...{ fromS: spans[0]!.from, seconds: spans.at(-1)!.to - spans[0]!.from },
      ...{ packets: datagrams, otherPackets: experiment.dropped, endpoints: null, otherFlows: [], copies: 0 },
    },
    remarks: directionRemarks(observations, subjects),
  };
}
