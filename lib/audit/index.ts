/**
 * `i405/audit`: how many intervals an observer needs to tell conditions of a tunnel apart. Its contract is
 * types/audit.d.ts.
 *
 * What is compared was seen before: in a capture, or in live/, which alone runs a tunnel and knows of it. Reading order:
 * observation.ts, capture/, schedule.ts, grid.ts, n95-of.ts, effects/, compare.ts, analyse.ts, verdict.ts, text.ts, html/,
 * and live/ from its live.ts.
 */
import type { AnswerOptions, Audit, AuditOptions, AuditResponder, LiveAuditOptions } from "../../types/audit.js";
import { analyse, type Running, type Source } from "./analyse.js";
import { collect, readTimes } from "./capture/collect.js";
import { captureError } from "./capture/errors.js";
import type { Subject } from "./compare.js";
import { readAuditOptions } from "./options.js";
import { subjectOf } from "./subject.js";
import { textOf } from "./text.js";

export type * from "../../types/audit.js";

export async function audit(options: AuditOptions | LiveAuditOptions): Promise<Audit> {
  // Given nothing of either, it is a capture that is missing.
  if ((options as LiveAuditOptions | undefined)?.against === undefined)
    return await auditCapture(options as AuditOptions);
  const live = options as LiveAuditOptions;
  // Captures are audited without the addon.
  const { watchTunnel } = await import("./live/live.js");
  const { source, subjects } = await watchTunnel(live);
  // The signal has ended the watching: what was seen is compared all the same.
  return await auditOf(source, subjects, { onProgress: live.onProgress ?? (() => undefined) });
}

export async function answerAudits(options: AnswerOptions): Promise<AuditResponder> {
  return await (await import("./live/live.js")).answerAudits(options);
}

async function auditCapture(options: AuditOptions): Promise<Audit> {
  const parsed = readAuditOptions(options);
  const { pcap, stretches, port, schedule, assumeJitterNs, innerPcap, onProgress } = parsed;
  onProgress(`reading ${pcap}`);
  const { file, flow, others, observations } = collect(pcap, stretches, port);
  if (innerPcap !== undefined) {
    for (const observation of observations) {
      if (observation.direction === "up") observation.innerNs = readTimes(innerPcap, file.originS);
    }
  }
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
    seconds: stretches.at(-1)!.to - first!.from,
    packets: file.packets,
    otherPackets: others,
    cutOff: file.cutOff,
    resolutionNs: file.resolutionNs,
    port: flow.port,
  };
  return auditOf(source, subjects, parsed);
}

/** The same for what was seen some other way. */
export async function auditOf(source: Source, subjects: readonly Subject[], running: Running): Promise<Audit> {
  const report = await analyse(source, subjects, running);
  return {
    report,
    text: () => textOf(report),
    html: async () => (await import("./html/page.js")).pageOf(report, subjects),
  };
}
