/** A child process that speaks JSON lines, as the test programs and `i405 --json` do. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** One line of a program's output. */
export interface ProgramEvent {
  event: string;
  [field: string]: unknown;
}

/** How a program ended. */
export interface ProgramExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** Where programs run: a network namespace, or right here. */
export interface Place {
  /** The argument vector that runs `argv` in this place. */
  command(argv: readonly string[]): string[];
}

/** The network that this process itself is in. */
export const here: Place = { command: (argv) => [...argv] };

/** A program gets this long, and its own `--seconds`, to say what it is waited for; only a broken one takes longer. */
const PATIENCE_MS = 120_000;

/** After SIGTERM a program gets this long before SIGKILL. */
const GRACE_MS = 5_000;

function parse(line: string): ProgramEvent | null {
  if (!line.startsWith("{")) return null;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "event" in value ? (value as ProgramEvent) : null;
  } catch {
    return null;
  }
}

/** What each thread of a process is doing, as far as the kernel says: name, state, where it waits, its kernel stack. */
function threadsOf(pid: number): string {
  const look = (file: string) => {
    try {
      return readFileSync(file, "utf8").trim();
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const task = `/proc/${pid}/task`;
  if (!existsSync(task)) return "no threads";
  const threads = readdirSync(task).map((thread) => {
    const state = /^State:.*$/m.exec(look(`${task}/${thread}/status`))?.[0] ?? "";
    const of = (file: string) => look(`${task}/${thread}/${file}`);
    return `thread ${thread} ${of("comm")} ${state} in ${of("wchan")}\n${of("stack")}`;
  });
  return [`groups ${look(`/proc/${pid}/cgroup`)}`, ...threads].join("\n");
}

/** A running program. Its events are kept, so that none is missed by waiting late. */
export class Program {
  readonly events: ProgramEvent[] = [];
  /** Everything on stdout, events included. */
  readonly lines: string[] = [];
  readonly #ended: Promise<ProgramExit>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #name: string;
  readonly #patienceMs: number;
  #stderr = "";
  #exited: ProgramExit | null = null;
  #waiters = new Set<() => void>();

  constructor(place: Place, argv: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    const [command, ...rest] = place.command(argv);
    this.#name = argv.slice(0, 2).join(" ");
    const asked = argv.indexOf("--seconds");
    this.#patienceMs = PATIENCE_MS + (asked < 0 ? 0 : Number(argv[asked + 1]) * 1000);
    this.#child = spawn(command!, rest, { env: { ...process.env, ...environment } });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    // Writing to a program that has ended is no reason to fail: its exit says what matters.
    this.#child.stdin.on("error", () => undefined);
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.lines.push(line);
      const event = parse(line);
      if (event) this.events.push(event);
      this.#wake();
    });
    this.#ended = new Promise((resolve) => {
      const ended = (code: number | null, signal: NodeJS.Signals | null) => {
        this.#exited = { code, signal };
        this.#wake();
        resolve(this.#exited);
      };
      this.#child.once("close", ended);
      this.#child.once("error", (error) => {
        this.#stderr += error.message;
        ended(null, null);
      });
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#name} did not start: ${this.#stderr}`);
    return this.#child.pid;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** How it ends. One that doesn't is killed, and what its threads were at is told. */
  get exit(): Promise<ProgramExit> {
    return this.exitWithin(this.#patienceMs);
  }

  /** {@link exit}, with a patience of its own. */
  async exitWithin(ms: number): Promise<ProgramExit> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const said = [...this.lines.slice(-5), this.#stderr.trim(), threadsOf(this.pid)].join("\n");
        this.#child.kill("SIGKILL");
        reject(new Error(`${this.#name}: still running after ${ms / 1000} s\n${said}`));
      }, ms);
    });
    try {
      return await Promise.race([this.#ended, tooLate]);
    } finally {
      clearTimeout(timer);
    }
  }

  get running(): boolean {
    return this.#exited === null;
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  /** The first value that `look` finds, now or after a later line; fails when the program ends without it. */
  async until<T>(what: string, look: () => T | undefined): Promise<T> {
    return await new Promise<T>((resolve, reject) => {
      const finish = (act: () => void) => {
        clearTimeout(timer);
        this.#waiters.delete(check);
        act();
      };
      const fail = (why: string) => {
        const said = [...this.lines.slice(-5), this.#stderr.trim()].join("\n");
        finish(() => reject(new Error(`${this.#name}: ${why} before ${what}\n${said}`)));
      };
      const timer = setTimeout(() => fail("nothing came"), this.#patienceMs);
      const check = () => {
        const found = look();
        if (found !== undefined) finish(() => resolve(found));
        else if (this.#exited) fail(`ended (${JSON.stringify(this.#exited)})`);
      };
      this.#waiters.add(check);
      check();
    });
  }

  /** The first event of that name, from the `from`-th event on. */
  async event<T = ProgramEvent>(name: string, from = 0): Promise<T> {
    return (await this.until(name, () => this.events.slice(from).find(({ event }) => event === name))) as T;
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  endInput(): void {
    this.#child.stdin.end();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** SIGTERM, and SIGKILL for what ignores it. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<ProgramExit> {
    if (this.#exited) return this.#exited;
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), GRACE_MS);
    try {
      return await this.exit;
    } finally {
      clearTimeout(timer);
    }
  }
}

type FlagValue = string | number | boolean | readonly (string | number)[] | undefined;

/** `{ to: "x", meanMs: 5, list: true }` as `--to x --mean-ms 5 --list`; what is undefined or false is left out. */
export function flags<T extends { [K in keyof T]: FlagValue }>(options: T): string[] {
  return Object.entries<FlagValue>(options).flatMap(([key, value]) => {
    if (value === undefined || value === false) return [];
    const flag = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value === true) return [flag];
    return [flag, typeof value === "object" ? value.join(",") : String(value)];
  });
}
