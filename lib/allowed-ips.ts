/** The list of `allowedIps`: which source addresses the peer's inner packets may have. */
import { parseAddress, WIDTH } from "./address-text.js";
import { describe, optionError } from "./errors.js";

/** The core's: it goes through the list for each packet. */
export const MOST_PREFIXES = 1024;

/**
 * `"10.0.0.0/8"`, or an address by itself for that one only; several as a list or, as WireGuard writes them, with
 * commas.
 *
 * @returns as the core takes it, `address/bits`; null: any address.
 * @throws {I405Error} `ERR_I405_OPTION`
 */
export function readAllowedIps(value: unknown): string[] | null {
  if (value === undefined) return null;
  const list = (Array.isArray(value) ? (value as unknown[]) : [value]).flatMap((each) =>
    typeof each === "string" ? each.split(",").map((part) => part.trim()) : [each],
  );
  if (list.length === 0 || list.length > MOST_PREFIXES) {
    throw optionError({
      option: "allowedIps",
      came: `${list.length} prefixes`,
      expected: `1 to ${MOST_PREFIXES}`,
      remedy: "Leave it out to allow every address",
    });
  }
  return list.map(readPrefix);
}

function readPrefix(value: unknown): string {
  const [address = "", bits, ...rest] = typeof value === "string" ? value.split("/") : [];
  const read = parseAddress(address);
  const width = read === null || read.zone !== null ? -1 : WIDTH[read.family];
  const length = bits === undefined ? width : /^[0-9]{1,3}$/.test(bits) ? Number(bits) : Infinity;
  if (width < 0 || length > width || rest.length > 0) {
    throw optionError({
      option: "allowedIps",
      came: describe(value),
      expected: `prefixes such as "10.140.5.2/32" or "fd00:405::/64"`,
    });
  }
  return `${address}/${length}`;
}
