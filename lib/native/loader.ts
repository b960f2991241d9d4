/**
 * The real addon behind the `Addon` interface. It is loaded on first use and not at import, so that everything that
 * opens no tunnel works without it. A failure names the platform and what is missing.
 *
 * The addon exports plain functions. A tunnel's functions take its boxed handle first. Nothing is decided here.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { I405Error } from "../common/errors.js";
import type { Addon } from "./addon.js";
import type { NativeEvent } from "./events.js";
import type { NativeOpenOptions } from "./options.js";
import type { Probes } from "./probes.js";
import type { NativeProcess } from "./process.js";
import type { NativeTunnel } from "./tunnel.js";

/** The boxed Rust value; only the addon looks into it. */
type Handle = object;

type TunnelCall<Name extends keyof NativeTunnel> = (
  handle: Handle,
  ...parameters: Parameters<NativeTunnel[Name]>
) => ReturnType<NativeTunnel[Name]>;

/** What `crates/i405-node` exports. */
export type NativeModule = Omit<Addon, "open" | "probes" | "process"> & {
  open(options: NativeOpenOptions, onEvents: (events: NativeEvent[]) => void): Handle;
} & { [Name in keyof NativeTunnel as `tunnel${Capitalize<Name>}`]: TunnelCall<Name> } & {
  [Name in keyof Probes as `probe${Capitalize<Name>}`]: Probes[Name];
} & {
  [Name in keyof NativeProcess as `process${Capitalize<Name>}`]: NativeProcess[Name];
};

/** A build of this checkout lies beside package.json, two folders above this file, in `lib/` as in `dist/`. */
const LOCAL_BUILD = fileURLToPath(new URL("../../index.node", import.meta.url));

let loading: Promise<Addon> | undefined;

/**
 * The addon of this platform, loaded once.
 *
 * @throws {I405Error} `ERR_I405_ADDON` if there is none for this platform, or it doesn't load.
 */
export function loadAddon(): Promise<Addon> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Addon> {
  try {
    const { default: module } = (await import("./load.cjs")) as { default: NativeModule };
    // The proxy loads at its first property; a version that is not there means a file that is not ours.
    if (typeof module.version !== "function") throw new Error("the file is not an i405 addon");
    return adapt(module);
  } catch (cause) {
    throw addonError(cause);
  }
}

/** The loader hides why a local build fails, so ask again without it. */
function localBuildFailure(): unknown {
  if (!existsSync(LOCAL_BUILD)) return undefined;
  try {
    createRequire(import.meta.url)(LOCAL_BUILD);
    return undefined;
  } catch (cause) {
    return cause;
  }
}

/** `ERR_I405_ADDON` for a failure of the loader. */
export function addonError(cause: unknown, local: unknown = localBuildFailure()): I405Error {
  if (local !== undefined) {
    const message = `the addon ${LOCAL_BUILD} does not load: ${firstLine(local)}. Build it again: npm start -- --help`;
    return new I405Error("ERR_I405_ADDON", message, { cause: local });
  }
  const platform = platformName();
  const missing = /Cannot find module '(@i405\/[\w-]+)'/.exec(firstLine(cause))?.[1];
  if (missing !== undefined) {
    const message =
      `no addon for ${platform}: the package ${missing} is not installed. ` +
      `Install it (npm install ${missing}), or in a checkout build it: npm start -- --help`;
    return new I405Error("ERR_I405_ADDON", message, { cause });
  }
  if (firstLine(cause).includes("no precompiled module") || firstLine(cause).startsWith("Neon: unsupported")) {
    const message = `no addon for ${platform}: i405 runs on Linux, x64 and arm64, with glibc or musl`;
    return new I405Error("ERR_I405_ADDON", message, { cause });
  }
  return new I405Error("ERR_I405_ADDON", `the addon for ${platform} does not load: ${firstLine(cause)}`, { cause });
}

/** `linux-x64-gnu`, as the addon's packages are named. */
function platformName(): string {
  const system = `${process.platform}-${process.arch}`;
  if (process.platform !== "linux") return system;
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return `${system}-${header?.glibcVersionRuntime === undefined ? "musl" : "gnu"}`;
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0] ?? text;
}

/** The addon's functions as the interface has them, its errors as ours. */
export function adapt(native: NativeModule): Addon {
  return {
    version: () => native.version(),
    aeads: () => native.aeads(),
    monotonicNs: () => native.monotonicNs(),
    boottimeNs: () => native.boottimeNs(),
    routeMtu: (address, fwmark) => own(() => native.routeMtu(address, fwmark)),
    interfaceIndex: (name) => own(() => native.interfaceIndex(name)),
    askNameServer: (question) => ownLater(() => native.askNameServer(question)),
    probes: {
      permissions: () => own(() => native.probePermissions()),
      clock: () => own(() => native.probeClock()),
      kernelSpin: () => own(() => native.probeKernelSpin()),
      lateness: (request) => ownLater(() => native.probeLateness(request)),
      losses: (request) => ownLater(() => native.probeLosses(request)),
      egress: (request) => ownLater(() => native.probeEgress(request)),
    },
    process: {
      forbidDumps: () => own(() => native.processForbidDumps()),
      notify: (socket, state) => own(() => native.processNotify(socket, state)),
      findUser: (user, group) => own(() => native.processFindUser(user, group)),
      reserveRealtime: () => own(() => native.processReserveRealtime()),
      giveUpPrivileges: (wanted) => own(() => native.processGiveUpPrivileges(wanted)),
    },
    peerCredentials: (fd) => own(() => native.peerCredentials(fd)),
    open: (options, onEvents) =>
      adaptTunnel(
        native,
        own(() => native.open(options, onEvents)),
      ),
  };
}

function adaptTunnel(native: NativeModule, handle: Handle): NativeTunnel {
  return {
    localAddress: () => own(() => native.tunnelLocalAddress(handle)),
    deviceName: () => own(() => native.tunnelDeviceName(handle)),
    startSchedule: (schedule) => own(() => native.tunnelStartSchedule(handle, schedule)),
    endAt: (instantNs) => own(() => native.tunnelEndAt(handle, instantNs)),
    offer: (offer) => own(() => native.tunnelOffer(handle, offer)),
    stopOffer: () => own(() => native.tunnelStopOffer(handle)),
    expectStamps: (stamps) => own(() => native.tunnelExpectStamps(handle, stamps)),
    install: (session) => own(() => native.tunnelInstall(handle, session)),
    sendUnder: (generation, stamp) => own(() => native.tunnelSendUnder(handle, generation, stamp)),
    forget: (generation) => own(() => native.tunnelForget(handle, generation)),
    moveEndpoint: (endpoint) => own(() => native.tunnelMoveEndpoint(handle, endpoint)),
    ask: (generation, source) => own(() => native.tunnelAsk(handle, generation, source)),
    handshakeSources: (stamp) => own(() => native.tunnelHandshakeSources(handle, stamp)),
    redirect: (endpoint, length) => own(() => native.tunnelRedirect(handle, endpoint, length)),
    watchSilence: (timeoutNs) => own(() => native.tunnelWatchSilence(handle, timeoutNs)),
    repeatControl: (control) => own(() => native.tunnelRepeatControl(handle, control)),
    sendClose: () => own(() => native.tunnelSendClose(handle)),
    write: (packet) => own(() => native.tunnelWrite(handle, packet)),
    stats: () => own(() => native.tunnelStats(handle)),
    deviation: () => own(() => native.tunnelDeviation(handle)),
    close: () => own(() => native.tunnelClose(handle)),
    ref: () => own(() => native.tunnelRef(handle)),
    unref: () => own(() => native.tunnelUnref(handle)),
  };
}

/** What the addon throws has a `code`. If there is none, it is a mistake of ours, a panic for example. */
function own<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (cause) {
    throw ownError(cause);
  }
}

/** The same for what comes later. */
async function ownLater<Result>(call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (cause) {
    throw ownError(cause);
  }
}

function ownError(cause: unknown): I405Error {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (typeof code === "string" && code.startsWith("ERR_I405_")) {
    return new I405Error(code, firstLine(cause), { cause });
  }
  return new I405Error("ERR_I405_INTERNAL", `the addon failed: ${firstLine(cause)}`, { cause });
}
