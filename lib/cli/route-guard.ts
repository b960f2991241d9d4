/**
 * Puts routes back and takes them back after this process has given up the privilege for it. What the guard may run is
 * fixed when it is started. So somebody who gets hold of this process later can have it add what `--route` asked for,
 * or remove that, and nothing else.
 *
 * Routes go with the interface that they lead to; rules don't. If this process is killed, the guard takes its rules
 * back as soon as its table is empty. If the table stays full, the next run has taken mark and rules over.
 */
import { startGuard } from "./guard.js";
import { commandOf, type RouteStep } from "./routes.js";

export interface RouteGuard {
  /** Adds one of the steps. Returns the reason why not, or null. */
  putBack(step: number): Promise<string | null>;
  /** Takes everything back and waits for the end of that. */
  takeBack(): void;
  /** The guard is not needed any more. */
  dismiss(): void;
}

/** Longest that the kernel may take over all of them, ms. */
const PATIENCE_MS = 5000;
/** How often to look, a tenth of a second apart, whether the interface of a killed process is gone. */
const LOOKS_AFTER_KILL = 50;

/** @param steps in the order in which they were added; all but addresses are taken back, the last first. */
export function guardRoutes(steps: readonly RouteStep[]): RouteGuard {
  const guard = startGuard(scriptOf(steps), [], { PATH: process.env.PATH });
  const waiting: ((failure: string | null) => void)[] = [];
  let gone = false;
  guard.hear((line) => {
    if (line === null) gone = true;
    const answered = line === null ? waiting.splice(0) : waiting.splice(0, 1);
    for (const answer of answered) answer(line === null ? GONE : line === "done" ? null : line);
  });
  return {
    putBack: (step) => {
      if (gone) return Promise.resolve(GONE);
      guard.say(`put ${step}`);
      return new Promise((resolve) => waiting.push(resolve));
    },
    takeBack: () => {
      guard.say("take back");
      guard.join(PATIENCE_MS);
    },
    dismiss: () => {
      guard.say("leave");
      guard.leave();
    },
  };
}

const GONE = "the process that keeps the privilege for it is gone";

/** For `sh`: one answer line for each `put`, of which `done` means that it is there. */
function scriptOf(steps: readonly RouteStep[]): string {
  const puts = steps.map((step, at) => `    ${at}) ${shell(commandOf(step, "add"))} ;;`);
  const own = [...steps].reverse().filter(({ kind }) => kind !== "address");
  const takes = own.map((step) => `  ${shell(commandOf(step, "del"))} 2>/dev/null`);
  const rules = own.filter(({ kind }) => kind === "rule");
  const claims = steps.filter(({ kind, what }) => kind === "route" && what.includes("table"));
  const afterKill = claims.flatMap(({ family, what }) => [
    "looks=0",
    `while [ $looks -lt ${LOOKS_AFTER_KILL} ]; do`,
    `  if [ -z "$(${shell([`-${family}`, "route", "show", "table", tableOf(what)])} 2>/dev/null)" ]; then`,
    ...rules.filter((rule) => rule.family === family).map((rule) => `    ${shell(commandOf(rule, "del"))} 2>/dev/null`),
    "    break",
    "  fi",
    "  sleep 0.1",
    "  looks=$((looks + 1))",
    "done",
  ]);
  return [
    "put() {",
    '  case "$1" in',
    ...puts,
    "  esac",
    "}",
    "take_back() {",
    ...takes,
    "  true",
    "}",
    "while read -r word which; do",
    '  case "$word" in',
    '    put) if said=$(put "$which" 2>&1); then echo done; else echo "$said" | head -n 1; fi ;;',
    "    take) take_back; exit 0 ;;",
    "    leave) exit 0 ;;",
    "  esac",
    "done",
    // Nobody has asked: the pipe has ended with the process.
    ...afterKill,
  ].join("\n");
}

function tableOf(what: readonly string[]): string {
  return what[what.indexOf("table") + 1] ?? "";
}

function shell(parameters: readonly string[]): string {
  return ["ip", ...parameters].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
}
