/** A machine in memory: files by path, folders as they follow from them, and commands that answer. */
import type { NativeClockCorrection, NativePermissions, NativeRefusal } from "../../lib/native/probes.js";
import type { Check, Finding } from "../../lib/doctor/finding.js";
import type { Hands, Ran, Target } from "../../lib/doctor/system.js";

export interface FakeMachine {
  files?: Record<string, string>;
  links?: Record<string, string>;
  /** By the whole command line, or by the program alone. What isn't here is not installed. */
  commands?: Record<string, string | Ran | ((command: readonly string[]) => string | Ran)>;
  cores?: readonly number[];
  uid?: number;
  permissions?: NativePermissions;
  clock?: NativeClockCorrection;
  /** Why the kernel can't spin. */
  kernelSpin?: NativeRefusal;
  mtu?: number;
  /** No addon. */
  bare?: boolean;
  /** There, but not for this user. */
  denied?: readonly string[];
  /** Writing them fails. */
  readOnly?: readonly string[];
}

export class FakeHands implements Hands {
  readonly files: Map<string, string>;
  readonly unseen = new Set<string>();
  readonly commands: string[] = [];
  /** `path=text`, in order. */
  readonly writes: string[] = [];
  readonly uid: number;
  readonly pid = 4242;
  readonly cores: readonly number[];
  readonly natives: Hands["natives"];
  readonly readOnly: Set<string>;

  constructor(readonly machine: FakeMachine = {}) {
    this.files = new Map(Object.entries(machine.files ?? {}));
    this.uid = machine.uid ?? 0;
    this.cores = machine.cores ?? [0, 1];
    this.readOnly = new Set(machine.readOnly);
    const { permissions = { fifoErrno: 0, memoryErrno: 0 }, mtu = 1500 } = machine;
    const { clock = { frequencyPpm: 0, tickUs: 10_000, status: 0 } } = machine;
    this.natives =
      machine.bare === true
        ? null
        : {
            permissions: () => permissions,
            clock: () => clock,
            kernelSpin: () => machine.kernelSpin ?? null,
            routeMtu: () => mtu,
          };
  }

  #isDenied(path: string): boolean {
    const denied = this.machine.denied?.includes(path) === true;
    if (denied) this.unseen.add(path);
    return denied;
  }

  readFile = (path: string): string | undefined => (this.#isDenied(path) ? undefined : this.files.get(path)?.trim());

  readDir = (path: string): readonly string[] => {
    if (this.#isDenied(path)) return [];
    const inside = [...this.files.keys()].filter((file) => file.startsWith(`${path}/`));
    return [...new Set(inside.map((file) => file.slice(path.length + 1).split("/")[0]!))].sort();
  };

  readLink = (path: string): string | undefined => this.machine.links?.[path];

  run = (command: readonly string[]): Ran | undefined => {
    const line = command.join(" ");
    this.commands.push(line);
    const known = this.machine.commands?.[line] ?? this.machine.commands?.[command[0]!];
    if (known === undefined) return undefined;
    const answer = typeof known === "function" ? known(command) : known;
    return typeof answer === "string" ? { status: 0, stdout: answer, stderr: "" } : answer;
  };

  writeFile = (path: string, text: string): void => {
    if (this.readOnly.has(path)) throw new Error(`EACCES: permission denied, open '${path}'`);
    this.writes.push(`${path}=${text}`);
    const before = this.files.get(path) ?? "";
    // A file of choices goes on listing them, with another one marked.
    const isChoice = new RegExp(`\\b${text}\\b`).test(before) && /[([]/.test(before);
    if (isChoice) this.files.set(path, before.replace(/[()]/g, "").replace(new RegExp(`\\b${text}\\b`), `(${text})`));
    else this.files.set(path, `${text}\n`);
  };
}

export const TARGET: Target = { egress: "eth0", cpu: 1, peer: undefined, rate: 102_400 };

/** What a check says of a machine. */
export function lookWith(check: Check, machine: FakeMachine = {}, target: Partial<Target> = {}): Finding[] {
  return check.look(new FakeHands(machine), { ...TARGET, ...target });
}

/** `severity: what` of each finding. */
export function said(findings: readonly Finding[]): string[] {
  return findings.map(({ severity, what }) => `${severity}: ${what}`);
}
