/** The `snow` crate as a live partner: one process, one question and answer at a time. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import { testkit } from "./testkit.js";

export interface OracleStart {
  protocol: string;
  role: "initiator" | "responder";
  prologue?: Uint8Array;
  staticPrivateKey?: Uint8Array;
  remoteStaticPublicKey?: Uint8Array;
  ephemeralPrivateKey?: Uint8Array;
  /** By place: psk0 under 0. */
  psks?: ReadonlyMap<number, Uint8Array>;
}

export class NoiseOracle {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];

  constructor() {
    this.#child = spawn(testkit("noise-oracle"));
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#lines.on("line", (line) => this.#waiting.shift()?.resolve(line));
    this.#child.once("exit", (code) => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`noise-oracle ended with ${String(code)}`));
    });
  }

  start(options: OracleStart): Promise<Buffer> {
    const words = ["start", options.protocol, options.role];
    const field = (name: string, value: Uint8Array | undefined) => {
      if (value !== undefined) words.push(`${name}=${hex(value)}`);
    };
    field("prologue", options.prologue);
    field("s", options.staticPrivateKey);
    field("rs", options.remoteStaticPublicKey);
    field("e", options.ephemeralPrivateKey);
    for (const [place, psk] of options.psks ?? []) field(`psk${place}`, psk);
    return this.#ask(words.join(" "));
  }

  write(payload: Uint8Array): Promise<Buffer> {
    return this.#ask(`write ${hex(payload)}`);
  }

  read(message: Uint8Array): Promise<Buffer> {
    return this.#ask(`read ${hex(message)}`);
  }

  seal(payload: Uint8Array): Promise<Buffer> {
    return this.#ask(`seal ${hex(payload)}`);
  }

  open(message: Uint8Array): Promise<Buffer> {
    return this.#ask(`open ${hex(message)}`);
  }

  command(name: "hash" | "remote" | "transport" | "rekey-sending" | "rekey-receiving"): Promise<Buffer> {
    return this.#ask(name);
  }

  end(): void {
    this.#child.stdin.end();
  }

  async #ask(line: string): Promise<Buffer> {
    const answer = await new Promise<string>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(`${line}\n`);
    });
    const [status, bytes = "-"] = answer.split(" ");
    if (status !== "ok") throw new Error(`noise-oracle: ${answer}`);
    return Buffer.from(bytes === "-" ? "" : bytes, "hex");
  }
}

function hex(bytes: Uint8Array): string {
  return bytes.length === 0 ? "-" : Buffer.from(bytes).toString("hex");
}
