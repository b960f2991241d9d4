/** The list of `allowedIps`: which source addresses the peer's inner packets may have. */
import { parseAddress, WIDTH } from "../common/address-text.js";
import { describe, optionError } from "../common/errors.js";
import { expectedSources, MOST_PREFIXES } from "../common/expected-sources.js";
import type { NativeDevice } from "../native/options.js";

/** As given. `"default"`: what the device says. */
export type AllowedIps = "default" | "any" | string[];

/** @returns as the core takes it; null: any source. */
export function resolveAllowedIps(given: AllowedIps, device: NativeDevice): string[] | null {
  if (given === "default") return device.kind === "tun" ? expectedSources(device) : null;
  return given === "any" ? null : given;
}

/**
 * Reads `"10.0.0.0/8"`, or an address by itself for that one only. Several come as a list or, as WireGuard writes them,
 * with commas.
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
