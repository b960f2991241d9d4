/**
 * `i405 audit --here`: both ends on this machine, in two network namespaces joined by a cable. The other end answers in
 * one of them. In the other, the same command runs with `--against` in place of `--here`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { makeNamespaces } from "../../audit/live/namespaces.js";
import { tcpdumpProblem } from "../../audit/live/wire-capture.js";
import { I405Error } from "../../common/errors.js";
import { generatePassword } from "../../index.js";
import type { World } from "../world.js";

const MAIN = fileURLToPath(new URL("../main.js", import.meta.url));
const PORT = 1405;

/**
 * `capture` is what --capture says; without it, the wire between the two is captured. The exit code is that of the
 * command inside.
 */
export async function runHere({ io, stop }: World, capture: string | undefined): Promise<number> {
  const problem = capture === undefined ? tcpdumpProblem() : null;
  if (problem !== null) io.err(`i405 audit: header fields and bytes will not be looked at: ${problem}\n`);
  const namespaces = makeNamespaces();
  const { client, server } = namespaces;
  const env = { ...io.environment, I405_PASSWORD: generatePassword() };
  const i405 = (parameters: readonly string[]) => [process.execPath, MAIN, "audit", ...parameters];
  const start = ([program, ...parameters]: string[], out: "pipe" | "inherit") =>
    spawn(program!, parameters, { env, stdio: ["ignore", "inherit", out] });
  let answering: ChildProcess | undefined;
  try {
    const to = `${server.ipv4}:${PORT}`;
    answering = start(server.command(i405(["--listen-addr", to])), "pipe");
    await whenAnswering(answering);
    const wire = problem === null && capture === undefined ? ["--capture", `${server.name}/${server.device}`] : [];
    const same = process.argv.slice(3).filter((parameter) => parameter !== "--here");
    const auditing = start(client.command(i405([...same, "--against", to, ...wire])), "inherit");
    // A signal from a terminal has reached the other process already. It takes two signals at once for one.
    void stop.requested.then(() => auditing.kill("SIGINT"));
    const [code] = (await once(auditing, "exit")) as [number | null];
    return code ?? 1;
  } finally {
    answering?.kill("SIGTERM");
    namespaces.close();
  }
}

/** Its first line says that it listens. */
async function whenAnswering(child: ChildProcess): Promise<void> {
  const lines = createInterface({ input: child.stderr! });
  const first = once(lines, "line") as Promise<[string]>;
  const [line] = await Promise.race([first, once(child, "exit").then(() => ["it ended"] as [string])]);
  if (!line.includes("answering on")) throw new I405Error("ERR_I405_AUDIT_HERE", `the other end: ${line}`);
  lines.on("line", (more) => void process.stderr.write(`${more}\n`));
}
