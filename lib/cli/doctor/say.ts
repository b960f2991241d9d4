/** How the doctor says what it found and what it did, and how it ends. */
import type { Found, Severity } from "../../doctor/finding.js";
import type { Step } from "../../doctor/fix.js";
import { parseList } from "../../doctor/parse.js";
import { recommend } from "../../doctor/recommend.js";
import { renderReport } from "../../doctor/render.js";
import { buildReport, type Measured } from "../../doctor/report.js";
import type { Hands, Target } from "../../doctor/system.js";
import { EXIT_MACHINE, EXIT_OK, EXIT_PROBLEM, EXIT_WARNING } from "../exit-codes.js";
import type { Io } from "../io.js";
import type { Log } from "../plain-log.js";

/** Columns where there is no terminal. */
const DEFAULT_COLUMNS = 100;

const EXITS: Readonly<Record<Severity, number>> = {
  ok: EXIT_OK,
  note: EXIT_OK,
  warning: EXIT_WARNING,
  problem: EXIT_PROBLEM,
};

/** @returns the exit code */
export function sayReport(
  findings: readonly Found[],
  measured: Measured,
  target: Target,
  hands: Hands,
  io: Io,
  log: Log,
): number {
  const isolated = parseList(hands.readFile("/sys/devices/system/cpu/isolated") ?? "");
  const recommendation = recommend({
    ...{ target, measurements: measured.measurements, cores: hands.cores.length },
    isVirtual: findings.some(({ check, severity }) => check === "hypervisor" && severity !== "ok"),
    isIsolated: isolated.includes(target.cpu),
    mtu: routeMtu(hands, target),
  });
  const report = buildReport({
    ...{ uid: hands.uid, cores: hands.cores, target, findings, ...measured, recommendation },
    unseen: [...hands.unseen].sort(),
  });
  const terminal = io.terminal();
  const style = {
    colours: terminal !== null && (io.environment.NO_COLOR ?? "") === "",
    columns: terminal?.columns ?? DEFAULT_COLUMNS,
  };
  log.say("doctor", report, renderReport(report, style));
  return EXITS[report.worst];
}

/** MTU of the route to the peer, or else of the interface. undefined: neither is known. */
function routeMtu(hands: Hands, { peer, egress }: Target): number | undefined {
  try {
    if (peer !== undefined && hands.natives !== null) return hands.natives.routeMtu(peer.address);
  } catch {
    // The check of the path has said it.
  }
  const text = egress === undefined ? undefined : hands.readFile(`/sys/class/net/${egress}/mtu`);
  return text === undefined ? undefined : Number(text);
}

const WORDS = {
  done: "done",
  already: "is so already",
  would: "would be done",
  failed: "FAILED",
  gone: "is gone",
} as const;

/** `fixed` or `undone`, a line for each setting. @returns the exit code */
export function saySteps(event: "fixed" | "undone", steps: readonly Step[], log: Log): number {
  const nothing = event === "undone" ? "nothing to undo" : "nothing to mend that could be put back again";
  const lines = steps.map(
    ({ check, setting, outcome, detail }) => `${WORDS[outcome]}: [${check}] ${setting}: ${detail}`,
  );
  log.say(event, { steps }, lines.length === 0 ? nothing : lines.join("\n"));
  return steps.some(({ outcome }) => outcome === "failed") ? EXIT_MACHINE : EXIT_OK;
}
