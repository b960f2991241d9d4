/** A relay in front of a server that does what networks and attackers do, and the stranger who writes to a server. */
import { flags, Program, type Place, type ProgramEvent } from "./program.js";
import { testkit } from "./testkit.js";

/** Probabilities are 0..1; `Every: n` hits each n-th datagram. */
export interface Faults {
  drop?: number;
  dropEvery?: number;
  duplicate?: number;
  duplicateEvery?: number;
  /** Share that is held back by `reorderByMs`. */
  reorder?: number;
  reorderByMs?: number;
  /** Share that gets one bit turned. */
  corrupt?: number;
  delayMs?: number;
  delayJitterMs?: number;
  /** Longest IP packet that passes, bytes; what is longer is dropped without a word. 0, the default: any. */
  longest?: number;
}

export interface RelayOptions extends Faults {
  listen: string;
  to: string;
  /** Address towards the server. */
  bind?: string;
  seed?: number;
  seconds?: number;
  /** A capture file of what came in, `in` being up. */
  record?: string;
  /** How many datagrams of each direction can be replayed. Default 10,000. */
  remember?: number;
  /** IPv4 sources, its own or not: what comes from the client is sent under each of them too, at once. */
  copies?: readonly string[];
  /** After so many datagrams upwards the server sees another source port, and nobody is at the old one. */
  rebindAfter?: readonly number[];
}

export interface RelayFigures {
  upReceived: number;
  upSent: number;
  upDropped: number;
  upRemembered: number;
  downReceived: number;
  downSent: number;
  downDropped: number;
  downRemembered: number;
  /** Datagrams that were sent under the sources of {@link Relay.copies}. */
  copies: number;
  /** The source that the server sees. */
  local: string;
}

type Direction = "up" | "down";

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A relay that runs. *Up* is towards the server. */
export class Relay {
  private constructor(
    readonly program: Program,
    readonly local: string,
  ) {}

  static async start(place: Place, options: RelayOptions): Promise<Relay> {
    const program = new Program(place, [testkit("relay"), ...flags(options)]);
    const { local } = await program.event<{ local: string }>("ready");
    return new Relay(program, local);
  }

  async #ask<T>(command: string): Promise<T> {
    const from = this.program.events.length;
    this.program.write(command);
    const answer = await this.program.until<ProgramEvent>(command, () => this.program.events[from]);
    if (answer.event === "refused") throw new Error(String(answer.message));
    return answer as T;
  }

  /** Changes faults while it runs. */
  async set(direction: Direction | "both", faults: Faults): Promise<void> {
    for (const [name, value] of Object.entries(faults)) {
      await this.#ask(`set ${direction} ${kebab(name)} ${String(value)}`);
    }
  }

  /** Random bytes from the socket that the receiver takes for the other side; `length` counts the IP packet. */
  async garbage(direction: Direction, count: number, length: number): Promise<number> {
    return (await this.#ask<{ sent: number }>(`garbage ${direction} ${count} ${length}`)).sent;
  }

  /** What passed before, once more; `first` 0 is the oldest that is remembered. */
  async replay(direction: Direction, first: number, count: number): Promise<number> {
    return (await this.#ask<{ sent: number }>(`replay ${direction} ${first} ${count}`)).sent;
  }

  /** The server sees another source port from now on. */
  async rebind(): Promise<string> {
    return (await this.#ask<{ local: string }>("rebind")).local;
  }

  /**
   * What comes from the client is sent to the server at once under each of these IPv4 sources as well; of the next `count`
   * datagrams, or of all. Null: no more. With a delay upwards the copies are that far ahead.
   */
  async copies(sources: readonly string[] | null, count?: number): Promise<void> {
    await this.#ask(`copies ${sources === null ? "none" : [sources.join(","), count ?? ""].join(" ").trim()}`);
  }

  async figures(): Promise<RelayFigures> {
    return await this.#ask<RelayFigures>("stats");
  }

  async stop(): Promise<RelayFigures> {
    this.program.kill("SIGTERM");
    try {
      return await this.program.event<RelayFigures>("done");
    } finally {
      await this.program.stop();
    }
  }
}

export interface InjectOptions {
  to: string;
  count: number;
  pps?: number;
  bind?: string;
  /** How long answers are waited for after the last datagram. */
  listenMs?: number;
}

export interface Injected {
  sent: number;
  /** Datagrams that came back. */
  answers: number;
  /** ICMP said that nobody listens there. */
  refused: number;
}

async function inject(place: Place, argv: readonly string[]): Promise<Injected> {
  const program = new Program(place, [testkit("inject"), ...argv]);
  try {
    return await program.event<Injected>("done");
  } finally {
    await program.stop();
  }
}

/** Random datagrams of one IP length from a socket of its own. */
export async function injectGarbage(
  place: Place,
  options: InjectOptions & { length: number; seed?: number },
): Promise<Injected> {
  return await inject(place, ["garbage", ...flags(options)]);
}

/** Datagrams of a capture or a relay's record from a socket of its own. */
export async function injectReplay(
  place: Place,
  options: InjectOptions & { file: string; direction: Direction; first?: number },
): Promise<Injected> {
  return await inject(place, ["replay", ...flags(options)]);
}

export interface Forged {
  sent: number;
  /** Refused by this machine's own kernel. */
  unsent: number;
}

export interface ForgeOptions {
  to: string;
  /** `10.0.0.1:1405`, or any address and port of `10.0.0.0/24`; several with commas, in turns at random. */
  from: string;
  count: number;
  pps?: number;
  seed?: number;
}

/** A program, pinned to `core` if one is given, that sends datagrams under source addresses that aren't its own: random ones, or those of a record. */
export function forge(
  place: Place,
  options: ForgeOptions & ({ length: number } | { file: string; direction: Direction; first?: number }),
  core?: number,
): Program {
  const pinned = core === undefined ? [] : ["taskset", "-c", String(core)];
  return new Program(place, [...pinned, testkit("inject"), "forge", ...flags(options)]);
}

/** The same, to its end. */
export async function injectForged(place: Place, options: Parameters<typeof forge>[1]): Promise<Forged> {
  const program = forge(place, options);
  try {
    return await program.event<Forged>("done");
  } finally {
    await program.stop();
  }
}
