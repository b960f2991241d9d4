/**
 * How single values are read from options. Each reader checks type and range, names the option by its path, and says
 * what came, what was expected and what to do. `options/` puts the readers together for tunnels, `audit/` for audits.
 */
import { parseAddress, parseHostAndPort, WIDTH, zoneMistake, type Family } from "./address-text.js";
import { describe, describeSecret, optionError } from "./errors.js";

/** Options as they came: anything. */
export type Raw = Record<string, unknown>;

/** An address and port before a name in it is looked up. */
export interface HostPort {
  host: string;
  port: number;
  /** Path of the option it came from, for what fails later. */
  option: string;
}

/** Options that have secrets in them, the whole among them. */
const HOLDS_SECRETS: ReadonlySet<string> = new Set(["key", "options"]);

/**
 * Reads an object with no other fields than these. undefined counts as an empty one.
 *
 * @throws {I405Error} `ERR_I405_OPTION`, naming the unknown field and the known ones.
 */
export function readObject(option: string, value: unknown, known: readonly string[]): Raw {
  if (value === undefined) return {};
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    // A key itself in place of the object that has it is a likely mistake, and no reason to print it.
    const came = HOLDS_SECRETS.has(option) ? describeSecret(value) : describe(value);
    throw optionError({ option, came, expected: `an object with ${listed(known)}` });
  }
  for (const field of Object.keys(value)) {
    if (known.includes(field)) continue;
    throw optionError({
      option: option === "options" ? field : `${option}.${field}`,
      came: "an option that does not exist",
      expected: listed(known),
      remedy: "Check the spelling, or leave it out",
    });
  }
  return value as Raw;
}

/** A whole number in a range; undefined if it is left out. */
export function readInteger(option: string, value: unknown, min: number, max: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    throw optionError({ option, came: describe(value), expected: `a whole number from ${min} to ${max}` });
  }
  return value;
}

/** One of a few words, or the default. */
export function readChoice<T extends string>(option: string, value: unknown, choices: readonly T[], otherwise: T): T {
  if (value === undefined) return otherwise;
  const choice = choices.find((each) => each === value);
  if (choice === undefined) {
    throw optionError({
      option,
      came: describe(value),
      expected: listed(
        choices.map((each) => `"${each}"`),
        "or",
      ),
    });
  }
  return choice;
}

/** A file's path, or null. */
export function readPath(option: string, value: unknown): string | null {
  if (value === undefined) return null;
  if (typeof value !== "string" || value === "" || value.includes("\0")) {
    throw optionError({ option, came: describe(value), expected: "the path of a file" });
  }
  return value;
}

/** An AbortSignal, or null. */
export function readSignal(value: unknown): AbortSignal | null {
  if (value === undefined) return null;
  if (!(value instanceof AbortSignal)) {
    throw optionError({ option: "signal", came: describe(value), expected: "an AbortSignal" });
  }
  return value;
}

/**
 * `1.2.3.4:1405`, `[2001:db8::7]:1405`, `[fe80::1%eth0]:1405` or `host.example:1405`.
 *
 * @param leastPort 0 where the kernel may choose one, else 1.
 */
export function readHostPort(option: string, value: unknown, leastPort: 0 | 1): HostPort {
  const read = typeof value === "string" ? parseHostAndPort(value.trim()) : null;
  const address = read === null ? null : parseAddress(read.host);
  const mistake = address === null ? null : zoneMistake(address);
  if (mistake !== null) throw optionError({ option, came: describe(value), expected: mistake });
  if (read === null || read.port < leastPort) {
    throw optionError({
      option,
      came: describe(value),
      expected: `an address and a port, ${leastPort} to 65535`,
      remedy: `Write "203.0.113.7:1405", "[2001:db8::7]:1405" or "host.example:1405"`,
    });
  }
  return { ...read, option };
}

/** Ours: more addresses than this are a mistake, and a round over them takes minutes. */
const MOST_PEERS = 16;

/** One server's addresses, `host:port` or a list of such. */
export function readPeers(value: unknown): HostPort[] {
  if (!Array.isArray(value)) return [readHostPort("peer", value, 1)];
  if (value.length === 0 || value.length > MOST_PEERS) {
    throw optionError({ option: "peer", came: `a list of ${value.length}`, expected: `1 to ${MOST_PEERS} addresses` });
  }
  return value.map((each) => readHostPort("peer", each, 1));
}

/** On or off; off if it is left out. */
export function readSwitch(option: string, value: unknown): boolean {
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw optionError({ option, came: describe(value), expected: "true or false" });
}

/** One address with prefix length or several, as a list. */
export function readPrefixes(option: string, value: unknown, family: Family): string[] {
  if (value === undefined) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((each) => {
    const [address = "", prefix = "", ...rest] = typeof each === "string" ? each.split("/") : [];
    const read = parseAddress(address);
    const addressGood = read?.family === family && read.zone === null;
    const prefixGood = /^[0-9]{1,3}$/.test(prefix) && Number(prefix) <= WIDTH[family];
    if (!addressGood || !prefixGood || rest.length > 0) {
      const example = family === 4 ? "10.140.5.2/24" : "fd00:405::2/64";
      throw optionError({
        option,
        came: describe(each),
        expected: `an IPv${family} address with its prefix length, such as "${example}"`,
      });
    }
    return `${address}/${Number(prefix)}`;
  });
}

function listed(words: readonly string[], last = "and"): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} ${last} ${words[words.length - 1]!}`;
}
