/** What a check found, and what can be done about it. */
import type { System, Target } from "./system.js";

/** From good to bad. `note`: worth knowing. `warning`: costs lateness or leaks. `problem`: spoils the purpose. */
const SEVERITIES = ["ok", "note", "warning", "problem"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One setting that `--fix` changes and `--undo` puts back. */
export type Change =
  | {
      kind: "file";
      path: string;
      value: string;
      /** The file lists every choice and marks the one in force: `none (full)`, `[always] never`. */
      choice?: boolean;
      /** File with the part of the value that is in effect, which the kernel picks anew with every write. */
      effective?: string;
    }
  | {
      kind: "command";
      /** Names the setting: the same twice is the same setting. */
      setting: string;
      apply: readonly string[];
      /** Puts back what was there when it was looked at. */
      undo: readonly string[];
    };

export interface Fix {
  changes: readonly Change[];
  /** Why a plain `--fix` doesn't do it: it has to be asked for by the check's name. */
  onlyIfAsked?: string;
}

export interface Finding {
  severity: Severity;
  /** What was found, in one line. */
  what: string;
  /** What it costs in lateness, or shows to an observer. */
  cost?: string;
  /** Where it was read or how it was measured, and what was there. */
  evidence: string;
  /** Commands, one a line, that change it. */
  remedy?: readonly string[];
  /** What to do, where no command says it. */
  advice?: string;
  fix?: Fix;
}

export type Group = "scheduling" | "cores" | "machine" | "clocks" | "network" | "memory";

/** One look at the machine. */
export interface Check {
  /** Stable, kebab case: in `--json`, and what `--fix` takes. */
  id: string;
  title: string;
  group: Group;
  look(system: System, target: Target): Finding[];
}

/** A finding and whose it is. */
export interface Found extends Finding {
  check: string;
  title: string;
  group: Group;
}

export function isWorse(one: Severity, other: Severity): boolean {
  return SEVERITIES.indexOf(one) > SEVERITIES.indexOf(other);
}

/** The worst of them; `ok` of none. */
export function worstOf(findings: readonly { severity: Severity }[]): Severity {
  return findings.reduce<Severity>((worst, { severity }) => (isWorse(severity, worst) ? severity : worst), "ok");
}

/** Writing a file as a command that one can type. */
function writeCommand({ path, value }: { path: string; value: string }): string {
  return `echo ${value} | sudo tee ${path}`;
}

/** The remedy of a fix whose changes are commands or writes. */
export function remedyOf(changes: readonly Change[]): string[] {
  return changes.map((change) => (change.kind === "file" ? writeCommand(change) : `sudo ${change.apply.join(" ")}`));
}
