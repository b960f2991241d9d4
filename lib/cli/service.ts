/**
 * Tells a service manager how the command is (sd_notify(3)): `READY=1` once the interface and the routes are there,
 * `STATUS=` for people, `WATCHDOG=1` while it works, `STOPPING=1` at its end. Without `NOTIFY_SOCKET` nothing happens.
 *
 * A client is ready before it is connected. Otherwise a manager would give up on it while the server is away, end its
 * schedule and begin another, for all to see.
 */
import type { NativeProcess } from "../native/process.js";
import { describeConnection } from "./describe.js";
import type { TunnelCommand } from "./flag.js";
import type { LoggedTunnel } from "./tunnel-log.js";

/** What the watchdog looks at. */
export interface Watched {
  stats(): { slots: { sent: bigint; missed: bigint; sendErrors: bigint } };
}

/** Two signs of life in each of the manager's periods: one may be late. */
const SIGNS_PER_PERIOD = 2;
/** How long closing may take after `linger` before the manager may kill, ms. */
const CLOSING_MS = 10_000;

export class Service {
  readonly #socket: string | undefined;
  readonly #native: NativeProcess | undefined;
  readonly #periodMs: number | null;
  #timer: NodeJS.Timeout | undefined;
  #slotsRun = false;

  /** Takes its variables out of the environment: they are for this process and no child. */
  constructor(environment: NodeJS.ProcessEnv, native: NativeProcess | undefined, pid = process.pid) {
    const take = (name: string): string | undefined => {
      const value = environment[name];
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the environment is a record of names
      delete environment[name];
      return value === "" ? undefined : value;
    };
    this.#socket = take("NOTIFY_SOCKET");
    this.#native = native;
    const periodUs = Number(take("WATCHDOG_USEC"));
    const forPid = take("WATCHDOG_PID");
    const isOurs = forPid === undefined || Number(forPid) === pid;
    this.#periodMs = isOurs && periodUs > 0 ? periodUs / 1000 : null;
  }

  /** The tunnel is open. */
  ready(status: string, tunnel: Watched): void {
    this.#tell("READY=1", `STATUS=${status}`);
    if (this.#periodMs !== null && this.#socket !== undefined) this.#watch(tunnel, this.#periodMs);
  }

  /** One line about how things are. */
  status(text: string): void {
    this.#tell(`STATUS=${text}`);
  }

  /** Whether slots are due. If they are, a count that stands still means that the timed thread does. */
  expectSlots(expected: boolean): void {
    this.#slotsRun = expected;
  }

  /** The end begins. `lingerMs` is how long cover slots go on. */
  stopping(lingerMs: number): void {
    clearInterval(this.#timer);
    this.#tell("STOPPING=1", "STATUS=closing", `EXTEND_TIMEOUT_USEC=${Math.ceil((lingerMs + CLOSING_MS) * 1000)}`);
  }

  #watch(tunnel: Watched, periodMs: number): void {
    let before: bigint | null = null;
    const look = (): void => {
      const { sent, missed, sendErrors } = tunnel.stats().slots;
      const now = sent + missed + sendErrors;
      const stands = this.#slotsRun && before === now;
      before = this.#slotsRun ? now : null;
      if (!stands) this.#tell("WATCHDOG=1");
    };
    look();
    this.#timer = setInterval(look, periodMs / SIGNS_PER_PERIOD);
    this.#timer.unref();
  }

  #tell(...lines: string[]): void {
    if (this.#socket === undefined) return;
    try {
      this.#native?.notify(this.#socket, lines.map((line) => line.replaceAll("\n", " ")).join("\n"));
    } catch {
      // A manager that doesn't listen has no say: the tunnel goes on.
    }
  }
}

/** Has the service manager follow what becomes of a tunnel. */
export function tellService(service: Service, tunnel: LoggedTunnel, command: TunnelCommand): void {
  tunnel.on("connected", (connection) => {
    service.expectSlots(true);
    service.status(describeConnection(connection));
  });
  tunnel.on("silent", () => {
    service.status("the other end is silent");
  });
  tunnel.on("heard", () => {
    service.status("connected; the other end is there again");
  });
  tunnel.on("disconnected", () => {
    // A client's schedule goes on without a session.
    service.expectSlots(command === "client");
    service.status(command === "client" ? "connecting" : "listening");
  });
}
