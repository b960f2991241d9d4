/** The machine that this runs on. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Addon } from "../native/addon.js";
import { parseList } from "./parse.js";
import type { Hands, Natives } from "./system.js";

/** Longest that a command may take, ms: they all answer at once or hang. */
const COMMAND_MS = 5000;
/** Some tools are not on the path of an ordinary user. */
const SYSTEM_PATHS = "/usr/local/sbin:/usr/sbin:/sbin";

/** @param addon null where it doesn't load: then what only it knows is left out. */
export function realSystem(addon: Addon | null): Hands {
  const unseen = new Set<string>();
  const attempt = <T>(path: string, read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EACCES" || code === "EPERM") unseen.add(path);
      return undefined;
    }
  };
  const system: Hands = {
    readFile: (path) =>
      attempt(path, () => {
        const bytes = readFileSync(path);
        return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8").trim();
      }),
    readDir: (path) => attempt(path, () => readdirSync(path).sort()) ?? [],
    readLink: (path) => attempt(path, () => readlinkSync(path)),
    run: (command) => {
      const [program = "", ...parameters] = command;
      const result = spawnSync(program, parameters, {
        encoding: "utf8",
        timeout: COMMAND_MS,
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, LC_ALL: "C", PATH: `${process.env.PATH ?? ""}:${SYSTEM_PATHS}` },
      });
      const { error }: { error?: NodeJS.ErrnoException } = result;
      if (error?.code === "ENOENT") return undefined;
      const stderr = error?.message ?? result.stderr;
      return { status: result.status ?? -1, stdout: result.stdout, stderr };
    },
    writeFile: (path, text) => writeFileSync(path, text),
    uid: process.getuid?.() ?? -1,
    pid: process.pid,
    cores: [],
    natives: addon === null ? null : nativesOf(addon),
    unseen,
  };
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(system.readFile("/proc/self/status") ?? "")?.[1];
  return { ...system, cores: parseList(allowed ?? "0") };
}

function nativesOf(addon: Addon): Natives {
  return {
    permissions: () => addon.probes.permissions(),
    clock: () => addon.probes.clock(),
    kernelSpin: () => addon.probes.kernelSpin(),
    routeMtu: (address) => addon.routeMtu(address, null),
  };
}
