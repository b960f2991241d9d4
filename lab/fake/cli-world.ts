/** What the command line runs in, with everything that it writes kept, and tunnels that only pretend. */
import { EventEmitter } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import type {
  ConnectOptions,
  Connection,
  ListenOptions,
  TunnelOptions,
  TunnelState,
  TunnelStats,
} from "../../index.js";
import type { World } from "../../lib/cli/world.js";
import type { Stop } from "../../lib/cli/signals.js";
import { SOME_STATS } from "./cli-stats.js";

export class PretendTunnel extends EventEmitter {
  state: TunnelState = "new";
  connection: Connection | null = null;
  localAddress: string | null = null;
  deviceName: string | null = null;
  asked: ConnectOptions | ListenOptions | undefined;
  closes = 0;
  /** What opening comes to; replace it before the command runs. */
  opening: () => Promise<unknown> = () => Promise.resolve();

  constructor(readonly options: TunnelOptions) {
    super();
  }

  async connect(options: ConnectOptions): Promise<Connection> {
    this.asked = options;
    this.#open();
    await this.opening();
    return CONNECTION;
  }

  async listen(options: ListenOptions): Promise<void> {
    this.asked = options;
    this.#open();
    await this.opening();
  }

  #open(): void {
    this.localAddress = "0.0.0.0:1405";
    const { device } = this.options;
    if (typeof device === "object" && "tun" in device) this.deviceName = device.tun.name ?? "tun0";
  }

  close(): Promise<void> {
    this.closes += 1;
    if (this.closes === 1) setImmediate(() => this.emit("close"));
    return Promise.resolve();
  }

  stats(): TunnelStats {
    return SOME_STATS;
  }
}

export const CONNECTION: Connection = {
  endpoint: "203.0.113.7:1405",
  cipher: "aes-256-gcm",
  wire: {
    up: { length: 1500, intervalNs: 8_500_000, jitterNs: 2_125_000, jitterShape: "cos4" },
    down: { length: 1200, intervalNs: 1_000_000, jitterNs: 0, jitterShape: "uniform" },
  },
};

/** A stop that the test asks for. */
export function pretendStop(): Stop {
  let stop!: () => void;
  let asked = false;
  const requested = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined);
  });
  return {
    requested,
    isRequested: () => asked,
    request: () => {
      asked = true;
      stop();
    },
  };
}

export interface PretendWorld extends World {
  output(): string;
  /** Once the output has this in it. */
  said(text: string): Promise<void>;
  errors(): string;
  tunnels: PretendTunnel[];
  /** Parameters of each `ip`. */
  ipCalls: string[];
  /** What was done to the kernel's real-time limit. */
  throttle: ("lifted" | "put back")[];
}

export function pretendWorld(prepare: (tunnel: PretendTunnel) => void = () => undefined): PretendWorld {
  let output = "";
  let errors = "";
  const tunnels: PretendTunnel[] = [];
  const ipCalls: string[] = [];
  const throttle: PretendWorld["throttle"] = [];
  const waiting = new Set<() => void>();
  return {
    io: {
      out: (text) => {
        output += text;
        for (const look of waiting) look();
      },
      err: (text) => (errors += text),
      environment: {},
      stdin: 0,
      terminal: () => null,
    },
    stop: pretendStop(),
    createTunnel: (options) => {
      const tunnel = new PretendTunnel(options);
      prepare(tunnel);
      tunnels.push(tunnel);
      return tunnel;
    },
    runIp: (parameters) => {
      ipCalls.push(parameters.join(" "));
      return null;
    },
    liftRtThrottle: () => {
      throttle.push("lifted");
      return () => throttle.push("put back");
    },
    // Nowhere: tests that look at sockets have a folder of their own.
    statusPlaces: { own: null, search: [] },
    throttle,
    output: () => output,
    said: (text) =>
      new Promise((resolve) => {
        const look = () => {
          if (!output.includes(text)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    errors: () => errors,
    tunnels,
    ipCalls,
  };
}

/** Asks the command to end as soon as its tunnel is asked to open. */
export function stopAtOpening(world: PretendWorld): void {
  const create = world.createTunnel;
  world.createTunnel = (options) => {
    const tunnel = create!(options);
    world.tunnels.at(-1)!.opening = async () => world.stop.request();
    return tunnel;
  };
}

/** A file of its own folder, gone after the test. */
export function temporaryFile(t: Test, name: string, contents: string, mode = 0o600): string {
  const folder = mkdtempSync(join(tmpdir(), "i405-test-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, name);
  writeFileSync(file, contents, { mode });
  return file;
}
