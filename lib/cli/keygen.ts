/** `i405 genkey | pubkey | genpsk`. */
import { closeSync, fstatSync, openSync, rmSync, writeFileSync } from "node:fs";
import { I405Error } from "../common/errors.js";
import { generatePassword, generatePresharedKey, generatePrivateKey, publicKey } from "../index.js";
import type { Io } from "./io.js";
import type { Request } from "./program.js";
import { secretReader } from "./secret-sources.js";

export type KeyRequest = Extract<Request, { command: "genkey" | "genpsk" | "pubkey" }>;

/** @throws {I405Error} `ERR_I405_SECRET_FILE`, `ERR_I405_KEY` */
export function runKeyCommand(request: KeyRequest, io: Io): void {
  if (request.command === "pubkey") {
    const file = request.file ?? "-";
    const key = secretReader(io.environment, io.stdin).fromFile("pubkey", file);
    io.out(`${publicKey(key)}\n`);
    return;
  }
  const secret = makeSecret(request);
  if (request.out === undefined) {
    io.out(`${secret}\n`);
    warnOpenOutput(io);
    return;
  }
  writeSecret(request.out, secret);
  // What the other end needs to be told, and no more.
  if (request.command === "genkey" && !request.password) io.out(`${publicKey(secret)}\n`);
}

function makeSecret(request: Exclude<KeyRequest, { command: "pubkey" }>): string {
  if (request.command === "genpsk") return generatePresharedKey();
  return request.password ? generatePassword() : generatePrivateKey();
}

/** A new file, so that no key in use is overwritten. */
function writeSecret(file: string, secret: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, "wx", 0o600);
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === "EEXIST";
    const why = exists
      ? "exists. Choose another name, or remove it first if nobody uses it any more"
      : `cannot be written: ${(cause as Error).message}`;
    throw new I405Error("ERR_I405_SECRET_FILE", `--out: ${file} ${why}`, { option: "out", cause });
  }
  try {
    writeFileSync(descriptor, `${secret}\n`);
  } catch (cause) {
    // Half a key is none.
    rmSync(file, { force: true });
    const why = `cannot be written: ${(cause as Error).message}`;
    throw new I405Error("ERR_I405_SECRET_FILE", `--out: ${file} ${why}`, { option: "out", cause });
  } finally {
    closeSync(descriptor);
  }
}

/** `i405 genkey > file` under an ordinary umask makes a file that i405 will refuse to read. */
function warnOpenOutput(io: Io): void {
  const STDOUT = 1;
  let stats;
  try {
    stats = fstatSync(STDOUT);
  } catch {
    return;
  }
  if (stats.isFile() && (stats.mode & 0o007) !== 0) {
    io.err("i405: every user of this machine can read the file that this went to. Run chmod 600 on it, or use --out\n");
  }
}
