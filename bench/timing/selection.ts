/** What `bench:timing` is asked to measure: its options, and what their short words stand for. */
import { parseArgs } from "node:util";
import { durationNs } from "../../lib/common/units.js";

const POLL_MODES = ["sleepy", "dozy", "spinny"] as const;

/** What goes on during a stretch, beside `idle`. */
export const CONDITIONS = [
  ...(["carrying", "busy", "memory", "disk", "interrupts", "second"] as const),
  ...(["pings", "tcp", "blocked"] as const),
];
export type Condition = "idle" | (typeof CONDITIONS)[number];

/** Conditions that a plain sender has nothing like. */
export const OF_TUNNELS: readonly Condition[] = ["pings", "tcp", "blocked"];

/** The plain nanosleep sender that stands beside the poll modes. */
export const BARE = "bare sleep";

/** An end of a tunnel: what is measured is the client. */
export interface Sender {
  /** As it was asked for, `dozy+burner`; or {@link BARE}. */
  name: string;
  /** Null: no tunnel, the plain sender. */
  pollMode: string | null;
  /** Further flags of its command line. */
  flags: string[];
}

/** A {@link Sender} that is a tunnel's end. */
export type End = Sender & { pollMode: string };

export interface Selection {
  senders: Sender[];
  conditions: Condition[];
  intervalsNs: number[];
  /** Length of a stretch, seconds. */
  stretchS: number;
  rounds: number;
  /** Core of the client's timed thread; null: not pinned. */
  cpu: number | null;
  /** IP length of a datagram. */
  length: number;
  /** From the server to the client; null: the same. */
  downIntervalNs: number | null;
  /** IP length of the packets of a load. */
  inner: number;
  /** Half width of the jitter that n95 is computed for, as a share of the interval. */
  jitterShare: number;
  /** The other end, whose datagrams are not looked at. */
  server: End;
  /** Whether the wire is captured. */
  wire: boolean;
  json: string | null;
  svg: string | null;
}

/** What a person has asked for can't be; without a message they asked for help. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Words behind a `+` that are short for flags. */
const SHORT: Readonly<Record<string, readonly string[]>> = {
  burner: ["--burner", "cpu"],
  hedged: ["--dispatchers", "2"],
};

const OPTIONS = {
  modes: { type: "string", default: "sleepy,dozy,dozy+burner,spinny" },
  conditions: { type: "string", default: "carrying,busy" },
  intervals: { type: "string", default: "1ms" },
  stretch: { type: "string", default: "10" },
  rounds: { type: "string", default: "2" },
  cpu: { type: "string", default: "1" },
  length: { type: "string", default: "1500" },
  "down-interval": { type: "string" },
  inner: { type: "string", default: "1400" },
  "jitter-share": { type: "string", default: "0.5" },
  "server-mode": { type: "string", default: "sleepy" },
  compare: { type: "string" },
  "no-wire": { type: "boolean", default: false },
  json: { type: "string" },
  svg: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

/** Names of all options. */
export const OPTION_NAMES: readonly string[] = Object.keys(OPTIONS);

export const USAGE = `npm run bench:timing -- [option ...]

  --modes LIST         sleepy, dozy, spinny; each with further flags of the client behind it (${OPTIONS.modes.default}):
                       dozy+burner (--burner cpu), dozy+hedged (--dispatchers 2), dozy+burner=all+cpu=0,1
  --conditions LIST    beside idle: ${CONDITIONS.join(", ")}; or all (${OPTIONS.conditions.default})
  --intervals LIST     mean intervals, 10us to 1s; or all: 10ms,1ms,100us (${OPTIONS.intervals.default})
  --stretch SECONDS    length of a stretch, 1 or more (${OPTIONS.stretch.default})
  --rounds NUMBER      stretches of each condition (${OPTIONS.rounds.default})
  --compare sleep      measure a plain nanosleep sender beside the modes
  --cpu CORE|none      core of the client's timed thread (${OPTIONS.cpu.default})
  --length BYTES       IP length of each datagram (${OPTIONS.length.default})
  --down-interval TIME mean interval from the server to the client (that of --intervals)
  --inner BYTES        IP length of the packets that carrying fills slots with (${OPTIONS.inner.default})
  --jitter-share SHARE half width of the jitter that n95 is for, as a share of the interval (${OPTIONS["jitter-share"].default})
  --server-mode MODE   poll mode of the other end, and flags behind it (${OPTIONS["server-mode"].default})
  --no-wire            don't capture: where slots are so short that the capture takes the cores from both ends
  --json FILE          every figure
  --svg FILE           the distributions`;

/** An end from `dozy+burner+cpu=0`. */
export function parseSender(text: string, option = "modes"): End {
  const [pollMode = "", ...extras] = text.split("+");
  if (!POLL_MODES.some((mode) => mode === pollMode)) {
    throw new UsageError(
      `--${option}: got "${text}", expected ${POLL_MODES.join(", ")}, with +FLAG or +FLAG=VALUE behind it`,
    );
  }
  const flags = extras.flatMap((extra) => {
    const [name = "", value] = extra.split("=", 2);
    if (value !== undefined) return [`--${name}`, value];
    return SHORT[name] ?? [`--${name}`];
  });
  return { name: text, pollMode, flags };
}

function list(text: string): string[] {
  return text.split(",").filter((part) => part !== "");
}

function conditions(text: string): Condition[] {
  const wanted = text === "all" ? [...CONDITIONS] : list(text).filter((word) => word !== "idle");
  return wanted.map((word) => {
    const known = CONDITIONS.find((condition) => condition === word);
    if (known === undefined)
      throw new UsageError(`--conditions: got "${word}", expected ${CONDITIONS.join(", ")} or all`);
    return known;
  });
}

function interval(text: string, option: string): number {
  const ns = durationNs(text);
  if (ns === null || ns < 10_000 || ns > 1e9) {
    throw new UsageError(`--${option}: got "${text}", expected durations of "10us" to "1s"`);
  }
  return ns;
}

/** Reads the command line. @throws {UsageError} naming what came and what was expected; without text for `--help` */
export function parseSelection(argv: readonly string[]): Selection {
  const { values } = (() => {
    try {
      return parseArgs({ args: [...argv], options: OPTIONS });
    } catch (error) {
      throw new UsageError((error as Error).message);
    }
  })();
  if (values.help) throw new UsageError("");
  type Numbers = "stretch" | "rounds" | "length" | "inner" | "jitter-share" | "cpu";
  const number = (name: Numbers, least: number, whole: boolean) => {
    const value = values[name].trim() === "" ? NaN : Number(values[name]);
    if (value >= least && value < Infinity && (!whole || Number.isInteger(value))) return value;
    throw new UsageError(`--${name}: got "${values[name]}", expected a ${whole ? "whole " : ""}number from ${least}`);
  };
  if (values.compare !== undefined && values.compare !== "sleep") {
    throw new UsageError(`--compare: got "${values.compare}", expected sleep`);
  }
  const bare: Sender[] = values.compare === undefined ? [] : [{ name: BARE, pollMode: null, flags: [] }];
  return {
    // A flag's value may hold commas: only one in front of a poll mode, or of what should be one, ends an entry.
    senders: [
      ...values.modes
        .split(/,(?=[a-z])/)
        .filter(Boolean)
        .map((text) => parseSender(text)),
      ...bare,
    ],
    conditions: conditions(values.conditions),
    intervalsNs: list(values.intervals === "all" ? "10ms,1ms,100us" : values.intervals).map((text) =>
      interval(text, "intervals"),
    ),
    stretchS: number("stretch", 1, false),
    rounds: number("rounds", 1, true),
    cpu: values.cpu === "none" ? null : number("cpu", 0, true),
    length: number("length", 100, true),
    downIntervalNs: values["down-interval"] === undefined ? null : interval(values["down-interval"], "down-interval"),
    inner: number("inner", 60, true),
    jitterShare: number("jitter-share", 0.001, false),
    server: parseSender(values["server-mode"], "server-mode"),
    wire: !values["no-wire"],
    json: values.json ?? null,
    svg: values.svg ?? null,
  };
}
