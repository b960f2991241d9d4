/**
 * `i405/audit`: how many intervals an observer needs to tell conditions of a tunnel apart. Its contract is
 * types/audit.d.ts.
 *
 * What is compared was observed before, either in a capture or by live/. Only live/ runs a tunnel and knows of it.
 * Reading order: observation.ts, capture/, schedule.ts, grid.ts, n95-of.ts, effects/, compare.ts, analyse.ts,
 * verdict.ts, text.ts, html/, and live/ from its live.ts.
 */
import type { AnswerOptions, Audit, AuditOptions, AuditResponder, LiveAuditOptions } from "../../types/audit.js";
import { analyse, type Remarks, type Running, type Source } from "./analyse.js";
import { collect, readTimes, type Collected } from "./capture/collect.js";
import { endpointText } from "./capture/endpoints.js";
import { captureError } from "./capture/errors.js";
import { openCapture } from "./capture/file.js";
import type { Subject } from "./compare.js";
import { readAuditOptions, type ParsedOptions } from "./options.js";
import { directionRemarks, subjectOf } from "./subject.js";
import { span } from "./verdict.js";
import { textOf } from "./text.js";

export type * from "../../types/audit.js";

/** Other flows that a report lists. */
const MOST_FLOWS = 20;

export async function audit(options: AuditOptions | LiveAuditOptions): Promise<Audit> {
  // Given nothing of either, it is a capture that is missing.
  if ((options as LiveAuditOptions | undefined)?.against === undefined)
    return await auditCapture(options as AuditOptions);
  const live = options as LiveAuditOptions;
  // Captures are audited without the addon.
  const { watchTunnel } = await import("./live/live.js");
  const { source, subjects, remarks } = await watchTunnel(live);
  // The signal has ended the watching: what was seen is compared all the same.
  return await auditOf(source, subjects, { onProgress: live.onProgress ?? (() => undefined) }, remarks);
}

export async function answerAudits(options: AnswerOptions): Promise<AuditResponder> {
  return await (await import("./live/live.js")).answerAudits(options);
}

async function auditCapture(options: AuditOptions): Promise<Audit> {
  const parsed = readAuditOptions(options);
  const { pcap, stretches, schedule, assumeJitterNs, onProgress } = parsed;
  const collected = await readCapture(parsed);
  const { file, flow, others, observations } = collected;
  const [client, server] = [endpointText(flow.client), endpointText(flow.server)];
  const seconds = stretches.at(-1)!.to - stretches[0]!.from;
  onProgress(
    `${file.packets} packets in ${span(seconds)}, of which the tunnel's are those between ${client} and ${server}`,
  );
  const assumed =
    assumeJitterNs === undefined ? undefined : { jitterNs: assumeJitterNs, shape: schedule.shape ?? ("cos4" as const) };
  const subjects = observations.flatMap((observation) => subjectOf(observation, schedule, assumed) ?? []);
  if (subjects.length === 0) {
    throw captureError(pcap, "no direction has 200 gaps inside the stretches", "Watch for longer");
  }
  const [first] = stretches;
  const source: Source = {
    file: pcap,
    format: file.format,
    observedAt: "capture",
    fromS: first!.from,
    seconds,
    packets: file.packets,
    otherPackets: others,
    cutOff: file.cutOff,
    resolutionNs: file.resolutionNs,
    port: flow.server.port || null,
    endpoints: { client, server },
    otherFlows: collected.otherFlows.slice(0, MOST_FLOWS),
    copies: collected.copies,
  };
  const { warnings, untold } = directionRemarks(observations, subjects);
  return auditOf(source, subjects, parsed, { warnings: [...collected.warnings, ...warnings], untold });
}

async function readCapture(options: ParsedOptions): Promise<Collected> {
  const { pcap, stretches, port, endpoints, innerPcap, onProgress, signal } = options;
  onProgress(`reading ${pcap}`);
  const capture = await openCapture(pcap, signal, onProgress);
  let collected: Collected;
  try {
    collected = collect(capture, stretches, { port, endpoints });
  } finally {
    capture.close();
  }
  const up = collected.observations.find(({ direction }) => direction === "up");
  if (innerPcap === undefined || up === undefined) return collected;
  const inner = await openCapture(innerPcap, signal, onProgress);
  try {
    up.innerNs = readTimes(inner, collected.file.originS);
  } finally {
    inner.close();
  }
  return collected;
}

/** The same for what was seen some other way. */
export async function auditOf(
  source: Source,
  subjects: readonly Subject[],
  running: Running,
  remarks?: Remarks,
): Promise<Audit> {
  const report = await analyse(source, subjects, running, remarks);
  return {
    report,
    text: () => textOf(report),
    html: async () => (await import("./html/page.js")).pageOf(report, subjects),
  };
}
