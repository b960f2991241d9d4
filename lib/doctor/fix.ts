/**
 * `--fix` and `--undo`. Before a setting is changed, its value is recorded. A recorded value is never overwritten, so
 * that two fixes in a row are still undone to the first value. An entry leaves the record only when the setting is as
 * it was.
 */
import type { Change, Found } from "./finding.js";
import { chosen } from "./parse.js";
import type { Hands } from "./system.js";
import type { FileBefore, UndoEntry, UndoFile } from "./undo-file.js";

export type Outcome = "done" | "already" | "would" | "failed" | "gone";

/** What became of one setting. */
export interface Step {
  check: string;
  setting: string;
  outcome: Outcome;
  /** Value before and after, or the reason of a failure. */
  detail: string;
}

/** What `--fix` was given: true for what needs no consent, or names of checks; `all` stands for what true does. */
export type Wanted = true | readonly string[];

/** The changes that are asked for, in the order of the findings. */
export function selectFixes(findings: readonly Found[], wanted: Wanted): { check: string; change: Change }[] {
  return findings.flatMap(({ check, fix }) => {
    if (fix === undefined) return [];
    const ordinary = wanted === true || wanted.includes("all");
    const isAsked = wanted !== true && wanted.includes(check);
    if (!isAsked && (!ordinary || fix.onlyIfAsked !== undefined)) return [];
    return fix.changes.map((change) => ({ check, change }));
  });
}

function settingOf(change: Change): string {
  return change.kind === "file" ? change.path : change.setting;
}

/** Value of a file as one would write it back. */
function valueOf(hands: Hands, path: string, choice: boolean): string | undefined {
  const text = hands.readFile(path);
  return text !== undefined && choice ? chosen(text) : text;
}

/** Carries the changes out; goes on after a failure. @throws {I405Error} if the record can't be kept. */
export function applyFixes(
  hands: Hands,
  file: UndoFile,
  changes: readonly { check: string; change: Change }[],
  dryRun = false,
): Step[] {
  return changes.map(({ check, change }) => {
    const setting = settingOf(change);
    const step = (outcome: Outcome, detail: string): Step => ({ check, setting, outcome, detail });
    if (dryRun) return step("would", change.kind === "file" ? `write ${change.value}` : change.apply.join(" "));
    const before = beforeOf(hands, change);
    if (before === undefined) return step("gone", "can't be read any more");
    if (before.kind === "file" && change.kind === "file" && before.text === change.value) {
      return step("already", change.value);
    }
    const recorded = file.read();
    const isNew = !recorded.some((entry) => entry.setting === setting);
    // The record comes first: a setting that was changed and not recorded could not be put back.
    if (isNew) file.write([...recorded, { setting, check, before }]);
    const failure = carryOut(hands, change);
    if (failure === null) return step("done", describeChange(change, before));
    const unchanged = before.kind === "file" && valueOf(hands, before.path, before.choice) === before.text;
    if (isNew && unchanged) file.write(recorded);
    return step("failed", failure);
  });
}

function beforeOf(hands: Hands, change: Change): UndoEntry["before"] | undefined {
  if (change.kind === "command") return { kind: "command", command: [...change.undo] };
  const choice = change.choice === true;
  const text = valueOf(hands, change.path, choice);
  if (text === undefined) return undefined;
  const effective = change.effective === undefined ? undefined : hands.readFile(change.effective);
  return { kind: "file", path: change.path, text, choice, ...(effective === undefined ? {} : { effective }) };
}

function describeChange(change: Change, before: UndoEntry["before"]): string {
  if (change.kind === "command") return change.apply.join(" ");
  return `${before.kind === "file" ? before.text : "?"} -> ${change.value}`;
}

/** Null, or why it failed. */
function carryOut(hands: Hands, change: Change): string | null {
  return change.kind === "file" ? write(hands, change.path, change.value) : run(hands, change.apply);
}

function write(hands: Hands, path: string, text: string): string | null {
  try {
    hands.writeFile(path, text);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function restore(hands: Hands, { path, text, effective }: FileBefore): string | null {
  // This is only a wish. The value itself is set next, and is what counts.
  if (effective !== undefined && effective !== "") write(hands, path, effective);
  return write(hands, path, text);
}

function run(hands: Hands, command: readonly string[]): string | null {
  const ran = hands.run(command);
  if (ran === undefined) return `${command[0] ?? ""} is missing`;
  return ran.status === 0 ? null : (ran.stderr.trim().split("\n")[0] ?? "") || `exit code ${ran.status}`;
}

/** Puts everything back, the last change first; what fails stays recorded. @throws {I405Error} as the record does. */
export function undoFixes(hands: Hands, file: UndoFile, dryRun = false): Step[] {
  return [...file.read()].reverse().map((entry) => {
    const { setting, check, before } = entry;
    const step = (outcome: Outcome, detail: string): Step => ({ check, setting, outcome, detail });
    const forget = () => file.write(file.read().filter((other) => other.setting !== setting));
    if (dryRun) return step("would", before.kind === "file" ? `write ${before.text}` : before.command.join(" "));
    if (before.kind === "command") {
      const failure = run(hands, before.command);
      if (failure !== null) return step("failed", failure);
      forget();
      return step("done", before.command.join(" "));
    }
    const now = valueOf(hands, before.path, before.choice);
    if (now === undefined && !hands.unseen.has(before.path)) {
      // A device that was taken out took its settings along.
      forget();
      return step("gone", "is not there any more");
    }
    const failure = now === before.text ? null : restore(hands, before);
    if (failure !== null) return step("failed", failure);
    const after = valueOf(hands, before.path, before.choice);
    if (after !== before.text) return step("failed", `is ${after ?? "unreadable"}, not ${before.text}`);
    forget();
    return step("done", `${now ?? "?"} -> ${before.text}`);
  });
}
