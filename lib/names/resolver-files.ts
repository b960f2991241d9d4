/**
 * What the machine's files say about names: `resolv.conf` (resolv.conf(5)), `hosts` and the `hosts` line of
 * `nsswitch.conf`. They are read anew for each lookup, because all of them change while a tunnel runs.
 */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { isLoopback, parseAddress, type Family } from "../common/address-text.js";

/** Where they are; tests have their own. */
export interface ResolverFiles {
  resolvConf: string;
  /** The servers that systemd-resolved itself asks. */
  behindStub: string;
  hosts: string;
  nsswitch: string;
}

export const RESOLVER_FILES: ResolverFiles = {
  resolvConf: "/etc/resolv.conf",
  behindStub: "/run/systemd/resolve/resolv.conf",
  hosts: "/etc/hosts",
  nsswitch: "/etc/nsswitch.conf",
};

export interface ResolverSettings {
  /** Addresses, with a zone where they are link-local, in the order in which they are asked. */
  servers: string[];
  search: string[];
  /** A name with so many dots is asked for as it is first. */
  ndots: number;
  timeoutMs: number;
  /** Rounds over all servers. */
  attempts: number;
  /** Begin with another server each time. */
  rotate: boolean;
  /** TCP from the start. */
  tcp: boolean;
}

/** As glibc has them (resolv.h): servers, and the largest values of options. */
const MOST_SERVERS = 3;
const MOST = { ndots: 15, timeout: 30, attempts: 5 } as const;

export function readResolverSettings(files: ResolverFiles): ResolverSettings {
  const settings = parseResolvConf(read(files.resolvConf));
  // A stub on this machine asks further without our mark. Of systemd-resolved's it is known whom.
  const behind = settings.servers.some(isResolvedStub) ? parseResolvConf(read(files.behindStub)).servers : [];
  const further = behind.filter((server) => !isLoopback(server) && !settings.servers.includes(server));
  return { ...settings, servers: [...settings.servers, ...further] };
}

/** 127.0.0.53 and .54 are systemd-resolved's (systemd-resolved.service(8)). */
function isResolvedStub(server: string): boolean {
  return server === "127.0.0.53" || server === "127.0.0.54";
}

export function parseResolvConf(text: string, machine = hostname()): ResolverSettings {
  const [, ownDomain = ""] = /^[^.]*\.(.+)$/.exec(machine) ?? [];
  const settings: ResolverSettings = {
    servers: [],
    search: ownDomain === "" ? [] : [ownDomain],
    ndots: 1,
    timeoutMs: 5000,
    attempts: 2,
    rotate: false,
    tcp: false,
  };
  for (const line of text.split("\n")) {
    const [keyword, ...values] = words(line);
    if (keyword === "nameserver") settings.servers.push(...values.slice(0, 1).filter(isAddress));
    else if (keyword === "search") settings.search = values;
    else if (keyword === "domain") settings.search = values.slice(0, 1);
    else if (keyword === "options") for (const option of values) readOption(settings, option);
  }
  settings.servers = settings.servers.slice(0, MOST_SERVERS);
  if (settings.servers.length === 0) settings.servers.push("127.0.0.1");
  settings.search = settings.search.filter((domain) => domain !== ".");
  return settings;
}

function readOption(settings: ResolverSettings, option: string): void {
  const [name, text] = option.split(":");
  const number = /^\d+$/.test(text ?? "") ? Number(text) : null;
  if (name === "rotate") settings.rotate = true;
  else if (name === "use-vc") settings.tcp = true;
  else if (number === null) return;
  else if (name === "ndots") settings.ndots = Math.min(number, MOST.ndots);
  else if (name === "timeout" && number > 0) settings.timeoutMs = 1000 * Math.min(number, MOST.timeout);
  else if (name === "attempts" && number > 0) settings.attempts = Math.min(number, MOST.attempts);
}

/** Sources in their order, `files` and `dns` where nothing is said. */
export function readSources(files: ResolverFiles): string[] {
  const line = read(files.nsswitch)
    .split("\n")
    .map((each) => /^\s*hosts:([^#]*)/.exec(each)?.[1])
    .find((each) => each !== undefined);
  // What stands in brackets says what to do after a source, and is no source.
  const sources = words((line ?? "").replace(/\[[^\]]*\]/g, " "));
  return sources.length === 0 ? ["files", "dns"] : sources;
}

/** The addresses that `hosts` has for a name, in its order. */
export function readHosts(files: ResolverFiles, name: string, family: 0 | Family): string[] {
  const wanted = name.toLowerCase().replace(/\.$/, "");
  return read(files.hosts)
    .split("\n")
    .flatMap((line) => {
      const [address = "", ...names] = words(line);
      const found = parseAddress(address);
      const fits = found !== null && (family === 0 || found.family === family);
      return fits && names.some((each) => each.toLowerCase() === wanted) ? [address] : [];
    });
}

function isAddress(text: string): boolean {
  return parseAddress(text) !== null;
}

/** Without what a `#` or `;` begins. */
function words(line: string): string[] {
  return line
    .replace(/(^|\s)[#;].*$/, "")
    .split(/\s+/)
    .filter((word) => word !== "");
}

/** Empty where there is none: each of them may be missing. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
