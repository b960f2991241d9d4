/**
 * What a running command does to its process. It forbids core dumps before secrets are read, gives up privileges once
 * everything is open, and talks to a service manager. Only the real command does this; the tests' process is left
 * alone.
 */
import type { Capability, PrivilegeOptions } from "../../index.js";
import { describe } from "../common/errors.js";
import { CAPABILITIES, privilegePlan } from "../native/privileges.js";
import type { NativeProcess } from "../native/process.js";
import { Service } from "./service.js";
import { usageError, type Settings } from "./settings.js";
import { wantsMark } from "./tunnel-settings.js";

export interface ProcessSetup {
  /** Gives up what is no longer needed. Returns what is kept, or null if nothing was given up. */
  giveUp(): readonly string[] | null;
  service: Service;
  /** User id that giving up changes to. */
  user?: number;
}

/**
 * @param load Loads the addon's part. Without it, nothing is done to this process.
 * @throws {I405Error} `ERR_I405_USAGE`, `ERR_I405_PRIVILEGES`, `ERR_I405_ADDON`, `ERR_I405_SYSTEM`
 */
export async function setUpProcess(
  settings: Settings,
  environment: NodeJS.ProcessEnv,
  load: (() => Promise<NativeProcess>) | undefined,
): Promise<ProcessSetup> {
  const options = privilegeOptions(settings);
  const native = await load?.();
  const service = new Service(environment, native);
  if (native === undefined) return { giveUp: () => null, service };
  if (!settings.has("core-dumps")) native.forbidDumps();
  if (options.keep === "all" && options.user === undefined) return { giveUp: () => null, service };
  // Looked up before anything is open, so that a wrong name costs nothing.
  const plan = withRealtime(options, settings, native);
  const { giveUp, user } = privilegePlan(native, plan);
  return {
    ...(user === null ? {} : { user: user.uid }),
    giveUp: () => {
      giveUp();
      return plan.keep === "all" ? ["all"] : (plan.keep ?? []);
    },
    service,
  };
}

/**
 * Keeps the right to change class, as a limit or else as the capability, if a timed thread may need it while it runs.
 */
function withRealtime(options: PrivilegeOptions, settings: Settings, native: NativeProcess): PrivilegeOptions {
  const mode = settings.get("poll-mode")?.value;
  if ((mode !== "spinny" && mode !== "dozy") || settings.has("no-sched-fifo")) return options;
  if (native.reserveRealtime() !== "capability" || settings.has("keep-capabilities")) return options;
  const { keep = [] } = options;
  return keep === "all" ? options : { ...options, keep: [...keep, "sys-nice"] };
}

/** From `--user` and `--keep-capabilities`. */
export function privilegeOptions(settings: Settings): PrivilegeOptions {
  const options: PrivilegeOptions = { keep: keptCapabilities(settings) };
  const text = settings.get("user")?.value;
  if (text === undefined) return options;
  const [, user, group] = /^([^:]+)(?::([^:]+))?$/.exec(String(text)) ?? [];
  if (user === undefined) {
    throw usageError("user", `--user: got ${describe(text)}, expected a name or number, or NAME:GROUP`);
  }
  return { ...options, user, ...(group === undefined ? {} : { group }) };
}

function keptCapabilities(settings: Settings): "all" | Capability[] {
  const text = settings.get("keep-capabilities")?.value;
  if (text === "all") return "all";
  const asked = text === undefined || text === "none" ? [] : String(text).split(",");
  const unknown = asked.find((name) => !Object.hasOwn(CAPABILITIES, name));
  if (unknown !== undefined) {
    const known = `none, all, or of ${Object.keys(CAPABILITIES).join(",")}`;
    throw usageError("keep-capabilities", `--keep-capabilities: got ${describe(unknown)}, expected ${known}`);
  }
  const kept = new Set(asked as Capability[]);
  // A new socket is marked, a server's is given launch times, and the kernel's spin loop goes where the way leads: after the
  // opening.
  const launches = ["txtime", "kernel"].includes(String(settings.get("send-by")?.value));
  if (launches || wantsMark(settings)) kept.add("net-admin");
  // A tunnel that is to come back needs its interface made again as well. A list that is given is the user's own
  // choice.
  const makesDevice = (settings.get("device")?.value ?? "tun") === "tun";
  if (text === undefined && settings.has("persistent") && makesDevice) kept.add("net-admin");
  return [...kept];
}
