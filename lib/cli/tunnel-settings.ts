/** From flags to the options of the public API. Values go through as they are: the API parses and refuses them. */
import { expectedSources } from "../common/expected-sources.js";
import { TUNNEL_FIELDS } from "../common/tunnel-fields.js";
import type { ConnectOptions, CredentialOptions, ListenOptions, TunnelOptions } from "../index.js";
import { texts, type FlagValue } from "./config.js";
import type { TunnelCommand } from "./flag.js";
import { flagsOf } from "./flags.js";
import type { SecretReader } from "./secret-sources.js";
import { usageError, type Settings } from "./settings.js";

/** SO_MARK for `--route default` where none is given: the port's number, which is easy to recognise in `ip rule`. */
export const DEFAULT_FWMARK = 5125;

/** Flags whose value isn't simply an option's. */
const SPECIAL = new Set([
  "device",
  "no-strong-host",
  "jitter-shape",
  "no-sched-fifo",
  "require-sched-fifo",
  "password",
  "password-file",
  "private-key-file",
  "peer-public-key",
  "preshared-key-file",
]);

type Options = Record<string, unknown>;

/** What `new I405Tunnel` takes. */
export function tunnelOptions(command: TunnelCommand, settings: Settings): TunnelOptions {
  const all = plainOptions(command, settings);
  const options: Options = {};
  for (const name of TUNNEL_FIELDS) if (all[name] !== undefined) options[name] = all[name];
  if (settings.has("no-sched-fifo")) options.schedFifo = false;
  if (settings.has("require-sched-fifo")) options.schedFifo = "require";
  if (wantsDefaultRoute(settings)) options.fwmark ??= DEFAULT_FWMARK;
  // So that each frame of the view has new figures of lateness.
  if (settings.has("live")) options.deviationInterval ??= "1s";
  options.device = deviceOption(settings, all.device);
  return options;
}

/** What `connect` takes. */
export function connectOptions(settings: Settings, secrets: SecretReader): ConnectOptions {
  const options = peerOptions("client", settings);
  needs(settings, "peer", "--peer 203.0.113.7:1405");
  if (Array.isArray(options.peer) && options.peer.length === 1) [options.peer] = options.peer as unknown[];
  const shape = settings.get("jitter-shape")?.value;
  if (shape !== undefined) {
    options.up = { ...(options.up as Options | undefined), jitterShape: shape };
    options.down = { ...(options.down as Options | undefined), jitterShape: shape };
  }
  return { ...options, ...credentials(settings, secrets) } as ConnectOptions;
}

/** What `listen` takes. */
export function listenOptions(settings: Settings, secrets: SecretReader): ListenOptions {
  needs(settings, "listen-addr", "--listen-addr 0.0.0.0:1405");
  const options = peerOptions("server", settings);
  if (options.client !== undefined) needs(settings, "client", "--client 198.51.100.2:1405");
  return { ...options, ...credentials(settings, secrets) } as ListenOptions;
}

export function wantsDefaultRoute(settings: Settings): boolean {
  const routes = settings.get("route")?.value;
  return texts(routes).some((route) => route === "default" || /\/0+$/.test(route));
}

/** Whether the outer socket carries a mark. */
export function wantsMark(settings: Settings): boolean {
  return settings.has("fwmark") || wantsDefaultRoute(settings);
}

function needs(settings: Settings, flag: string, example: string): void {
  if (!settings.has(flag)) throw usageError(flag, `--${flag} is missing. For example: ${example}`);
}

/** Options whose flags give the value itself, as nested objects. */
function plainOptions(command: TunnelCommand, settings: Settings): Options {
  const options: Options = {};
  for (const { name, option } of flagsOf(command)) {
    const given = settings.get(name);
    // A client's shape is that of both directions, which `connectOptions` sees to.
    const special = SPECIAL.has(name) && !(name === "jitter-shape" && command === "server");
    if (given !== undefined && option !== undefined && !special) place(options, option, given.value);
  }
  return options;
}

function peerOptions(command: TunnelCommand, settings: Settings): Options {
  const isOfTunnel = (name: string) => (TUNNEL_FIELDS as readonly string[]).includes(name);
  const all = Object.entries(plainOptions(command, settings));
  const options = Object.fromEntries(all.filter(([name]) => !isOfTunnel(name)));
  const routed = routedSources(settings);
  return routed === null ? options : { allowedIps: routed, ...options };
}

/** If the command has routes of its own, more sources are expected out of the tunnel than the library knows of. */
function routedSources(settings: Settings): string[] | null {
  const given = (flag: string) => texts(settings.get(flag)?.value);
  if (!settings.has("route") || (settings.get("device")?.value ?? "tun") !== "tun") return null;
  const [ipv4, ipv6] = [given("tun-ipv4"), given("tun-ipv6")];
  return expectedSources({ ipv4, ipv6 }, given("route"));
}

function place(options: Options, path: string, value: FlagValue): void {
  const names = path.split(".");
  const last = names.pop() ?? path;
  let inside = options;
  for (const name of names) inside = (inside[name] ??= {}) as Options;
  inside[last] = value;
}

function deviceOption(settings: Settings, tun: unknown): TunnelOptions["device"] {
  const text = settings.get("device")?.value ?? "tun";
  if (text === "packets") return "packets";
  const weak = settings.has("no-strong-host") ? { strongHost: false } : {};
  if (text === "tun") return { tun: { ...(tun as { tun: object } | undefined)?.tun, ...weak } };
  const descriptor = /^fd:(\d+)$/.exec(String(text))?.[1];
  if (descriptor !== undefined) return { fd: Number(descriptor) };
  throw usageError("device", `--device: got "${String(text)}", expected tun, packets or fd:N`);
}

/**
 * Flags or config decide between keys and a password. The environment adds what they leave out, or decides if they say
 * nothing.
 */
function credentials(settings: Settings, secrets: SecretReader): CredentialOptions {
  const given = (name: string) => settings.get(name)?.value.toString();
  const fileOr = (flag: string, variable: string) => {
    const file = given(flag);
    // The variable is taken either way: no child is to inherit it.
    const fromEnvironment = secrets.fromEnvironment(variable);
    return file === undefined ? fromEnvironment : secrets.fromFile(`--${flag}`, file);
  };
  const saysPassword = settings.has("password") || settings.has("password-file");
  const saysKeys = ["private-key-file", "peer-public-key", "preshared-key-file"].some((name) => settings.has(name));
  const password = given("password") ?? fileOr("password-file", "I405_PASSWORD");
  const privateKey = fileOr("private-key-file", "I405_PRIVATE_KEY");
  const presharedKey = fileOr("preshared-key-file", "I405_PRESHARED_KEY");
  if (saysPassword || (!saysKeys && password !== undefined && privateKey === undefined)) return { password };
  if (!saysKeys && password !== undefined) {
    throw usageError("password", "I405_PASSWORD and I405_PRIVATE_KEY are both set, expected one of the two");
  }
  if (!saysKeys && privateKey === undefined) {
    const remedy = "--password-file FILE (i405 genkey --password), or --private-key-file FILE (i405 genkey)";
    throw usageError("password-file", `neither keys nor a password. Give ${remedy}`);
  }
  if (privateKey === undefined) {
    throw usageError("private-key-file", "--private-key-file is missing. `i405 genkey` makes a key");
  }
  const peerPublicKey = given("peer-public-key");
  if (peerPublicKey === undefined) {
    throw usageError("peer-public-key", "--peer-public-key is missing. `i405 pubkey` prints it at the other end");
  }
  return { key: { privateKey, peerPublicKey, ...(presharedKey === undefined ? {} : { presharedKey }) } };
}
