/** The list of `allowedIps`: which source addresses the peer's inner packets may have. */
import { familyOf, parseAddress, WIDTH } from "./address-text.js";
import type { NativeDevice } from "./native/options.js";
import { describe, optionError } from "./errors.js";

/** The core's: it goes through the list for each packet. */
export const MOST_PREFIXES = 1024;

/** As given. `"default"`: what the device says. */
export type AllowedIps = "default" | "any" | string[];

/** What a kernel says on an IPv6 link by itself; an answer to it stays on the link. */
const IPV6_LINK = "fe80::/10";
const WHOLE = { 4: "0.0.0.0/0", 6: "::/0" } as const;

/**
 * Whom to expect behind an interface, by family: the networks that it is in, and what is routed into it. Where these say
 * nothing, because an address comes without a network and nothing is routed, anybody of that family; nobody of a family
 * without an address.
 *
 * @param routes Prefixes; `default` for whatever families the interface has.
 * @returns null: any source, where nothing is known.
 */
export function expectedSources(device: NativeDevice, routes: readonly string[] = []): string[] | null {
  if (device.kind !== "tun" || device.ipv4.length + device.ipv6.length === 0) return null;
  const of = (family: 4 | 6): string[] => {
    const addresses = family === 4 ? device.ipv4 : device.ipv6;
    const routed = routes.flatMap((route) => {
      if (route === "default") return addresses.length > 0 ? [WHOLE[family]] : [];
      return familyOf(route.split("/", 1)[0]!) === family ? [route] : [];
    });
    const networks = addresses.filter((address) => !address.endsWith(family === 4 ? "/32" : "/128"));
    const known = [...networks, ...routed];
    if (addresses.length > 0 && known.length === 0) return [WHOLE[family]];
    return family === 6 && addresses.length > 0 ? [...known, IPV6_LINK] : known;
  };
  return [...new Set([...of(4), ...of(6)])].slice(0, MOST_PREFIXES);
}

/** @returns as the core takes it; null: any source. */
export function resolveAllowedIps(given: AllowedIps, device: NativeDevice): string[] | null {
  if (given === "default") return expectedSources(device);
  return given === "any" ? null : given;
}

/**
 * `"10.0.0.0/8"`, or an address by itself for that one only; several as a list or, as WireGuard writes them, with
 * commas.
 *
 * @returns `address/bits`, as the core takes it.
 * @throws {I405Error} `ERR_I405_OPTION`
 */
export function readAllowedIps(value: unknown): AllowedIps {
  if (value === undefined) return "default";
  const list = (Array.isArray(value) ? (value as unknown[]) : [value]).flatMap((each) =>
    typeof each === "string" ? each.split(",").map((part) => part.trim()) : [each],
  );
  if (list.length === 1 && list[0] === "any") return "any";
  if (list.length === 0 || list.length > MOST_PREFIXES) {
    throw optionError({
      option: "allowedIps",
      came: `${list.length} prefixes`,
      expected: `1 to ${MOST_PREFIXES}`,
      remedy: 'Say "any" to allow every address',
    });
  }
  return list.map(readPrefix);
}

function readPrefix(value: unknown): string {
  const [address = "", bits, ...rest] = typeof value === "string" ? value.split("/") : [];
  const read = parseAddress(address);
  const width = read?.zone === null ? WIDTH[read.family] : -1;
  const length = bits === undefined ? width : /^[0-9]{1,3}$/.test(bits) ? Number(bits) : Infinity;
  if (width < 0 || length > width || rest.length > 0) {
    throw optionError({
      option: "allowedIps",
      came: describe(value),
      expected: `prefixes such as "10.140.5.2/32" or "fd00:405::/64", or "any"`,
    });
  }
  return `${address}/${length}`;
}
