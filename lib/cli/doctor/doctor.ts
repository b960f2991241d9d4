/** `i405 doctor`: looks, measures, reports; with `--fix` and `--undo` it changes settings and puts them back. */
import { lookup } from "node:dns/promises";
import { familyOf, formatHostAndPort } from "../../common/address-text.js";
import { I405Error } from "../../common/errors.js";
import type { HostPort } from "../../common/option-readers.js";
import { lookAt } from "../../doctor/checks.js";
import { stolenMs } from "../../doctor/checks/hypervisor.js";
import { findEgress } from "../../doctor/egress.js";
import type { Found } from "../../doctor/finding.js";
import { applyFixes, selectFixes, undoFixes } from "../../doctor/fix.js";
import { quietestCores } from "../../doctor/interrupts.js";
import { underLoad } from "../../doctor/load.js";
import { measure } from "../../doctor/measure.js";
import { measuredFindings } from "../../doctor/measured.js";
import { realSystem } from "../../doctor/real-system.js";
import type { Measured } from "../../doctor/report.js";
import type { Hands, Target } from "../../doctor/system.js";
import { undoFile, undoPath } from "../../doctor/undo-file.js";
import { measureUplink, uplinkFinding } from "../../doctor/uplink.js";
import { loadAddon } from "../../native/loader.js";
import { EXIT_OK, exitCodeOf } from "../exit-codes.js";
import { explainError } from "../explain.js";
import { plainLog, type Log } from "../plain-log.js";
import { usageError } from "../settings.js";
import type { World } from "../world.js";
import { readDoctorOptions, type DoctorFlags, type DoctorOptions } from "./options.js";
import type { DoctorParts } from "./parts.js";
import { sayReport, saySteps } from "./say.js";

/** Cores that are measured: the chosen one and one to compare it with. */
const MEASURED_CORES = 2;

export async function runDoctor(flags: DoctorFlags, world: World): Promise<number> {
  const log = plainLog(world.io, flags.json === true, "i405 doctor");
  try {
    const options = readDoctorOptions(flags);
    const parts = world.doctor ?? (await realParts(world, options));
    if (options.undo) return saySteps("undone", undoFixes(parts.hands, parts.undo, options.dryRun), log);
    return await examine(options, parts, world, log);
  } catch (error) {
    if (world.stop.isRequested()) return EXIT_OK;
    const explained = explainError(error);
    log.fail(explained);
    return exitCodeOf(explained.code);
  }
}

async function realParts({ io }: World, options: DoctorOptions): Promise<DoctorParts> {
  const addon = await loadAddon().catch((error: unknown) => error as Error);
  const hands = realSystem(addon instanceof Error ? null : addon);
  const bootId = hands.readFile("/proc/sys/kernel/random/boot_id") ?? "unknown";
  const undo = undoFile(options.undoFile ?? undoPath(hands.uid, io.environment), bootId);
  if (addon instanceof Error) return { hands, tools: null, undo, addonFailure: addon.message };
  return { hands, tools: { probes: addon.probes, underLoad }, undo };
}

async function examine(options: DoctorOptions, parts: DoctorParts, world: World, log: Log): Promise<number> {
  const { hands } = parts;
  const target = await findTarget(options, hands);
  // Before measuring, whose own load would show.
  const findings = [...addonFinding(parts), ...lookAt(hands, target)];
  if (options.fix !== undefined) {
    const changes = selectFixes(findings, options.fix);
    return saySteps("fixed", applyFixes(hands, parts.undo, changes, options.dryRun), log);
  }
  // A stretch may last half a minute, and nobody waits that long for a command to end.
  const measured = await Promise.race([measureAll(options, target, parts, world), world.stop.requested]);
  if (measured === undefined || world.stop.isRequested()) return EXIT_OK;
  if (measured.measurements !== null) findings.push(...measuredFindings(measured.measurements));
  if (measured.uplink !== null) findings.push(uplinkFinding(measured.uplink, target.egress));
  return sayReport(findings, measured, target, hands, world.io, log);
}

/** @throws {I405Error} `ERR_I405_USAGE` for a core that isn't allowed, `ERR_I405_RESOLVE` */
async function findTarget({ cpu, peer: given, rate }: DoctorOptions, hands: Hands): Promise<Target> {
  if (cpu !== undefined && !hands.cores.includes(cpu)) {
    throw usageError("cpu", `--cpu: got ${cpu}, expected one of the allowed cores, ${hands.cores.join(", ")}`);
  }
  const peer = given === undefined ? undefined : await resolve(given);
  const egress = findEgress(hands, peer?.address);
  return { egress, cpu: cpu ?? quietestCores(hands)[0] ?? 0, peer, rate };
}

/** What was asked for and can be had. */
async function measureAll(
  { seconds, cpu, uplink, json }: DoctorOptions,
  target: Target,
  { hands, tools }: DoctorParts,
  { io, stop }: World,
): Promise<Measured> {
  const measured: Measured = { measurements: null, uplink: null };
  if (tools === null) return measured;
  const isStopped = () => stop.isRequested();
  const onProgress = (text: string) => {
    if (!json) io.err(`i405 doctor: ${text}\n`);
  };
  if (seconds > 0) {
    const cpus = cpu === undefined ? quietestCores(hands).slice(0, MEASURED_CORES) : [cpu];
    const stolen = (core: number) => stolenMs(hands, core);
    const request = { cpus, cores: hands.cores.length, seconds, isStopped, onProgress, stolenMs: stolen };
    measured.measurements = (await measure(tools, request)) ?? null;
  }
  if (uplink && target.peer !== undefined && !isStopped()) {
    onProgress("measuring the uplink");
    measured.uplink = await measureUplink(
      tools.probes,
      formatHostAndPort(target.peer.address, target.peer.port),
      target.cpu,
      isStopped,
    );
  }
  return measured;
}

function addonFinding({ addonFailure }: DoctorParts): Found[] {
  if (addonFailure === undefined) return [];
  const what = "the addon doesn't load: nothing could be measured or tried";
  return [{ check: "addon", title: "addon", group: "scheduling", severity: "problem", what, evidence: addonFailure }];
}

async function resolve({ host, port }: HostPort): Promise<{ address: string; port: number }> {
  if (familyOf(host) !== 0) return { address: host, port };
  try {
    return { address: (await lookup(host)).address, port };
  } catch (cause) {
    const message = `--peer: no address for "${host}" (${(cause as Error).message}). Check the name and DNS`;
    throw new I405Error("ERR_I405_RESOLVE", message, { option: "peer", cause });
  }
}
