/** Names become addresses: when a tunnel opens, and again while nobody answers. */
import { isIP } from "node:net";
import { I405Error, optionError } from "./errors.js";
import type { HostPort } from "./option-readers.js";
import type { Parts } from "./parts.js";

export interface SocketAddress {
  address: string;
  family: 4 | 6;
  port: number;
}

/**
 * Looks a host up, unless it is an address already: its addresses, best first, at least one.
 *
 * @param family 4, 6, or 0 for either.
 * @throws {I405Error} `ERR_I405_RESOLVE` if there is no such name, `ERR_I405_OPTION` for an address of another family.
 */
async function lookUp({ host, port, option }: HostPort, family: 0 | 4 | 6, parts: Parts): Promise<SocketAddress[]> {
  const literal = isIP(host);
  if (literal !== 0 && family !== 0 && literal !== family) {
    throw optionError({
      option,
      came: `"${host}"`,
      expected: `an IPv${family} address`,
      remedy: "peer and localAddress have to be of one family",
    });
  }
  if (literal !== 0) return [{ address: host, family: literal === 4 ? 4 : 6, port }];
  try {
    const found = await parts.lookup(host, family);
    if (found.length === 0) throw new Error("it has no address");
    return found.map((each) => ({ address: each.address, family: each.family === 4 ? 4 : 6, port }));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new I405Error("ERR_I405_RESOLVE", `${option}: no address for "${host}" (${reason}). Check the name and DNS`, {
      option,
      cause,
    });
  }
}

/**
 * The best address of a host.
 *
 * @throws {I405Error} As {@link resolveAll}.
 */
export async function resolveHost(host: HostPort, family: 0 | 4 | 6, parts: Parts): Promise<SocketAddress> {
  const [first] = await lookUp(host, family, parts);
  // There is at least one.
  return first!;
}

/**
 * The addresses of several hosts in their order, each once. A name that leads nowhere counts only if all do.
 *
 * @throws {I405Error} `ERR_I405_RESOLVE` if no name has an address, `ERR_I405_OPTION` for one of another family.
 */
export async function resolveAll(
  hosts: readonly HostPort[],
  family: 0 | 4 | 6,
  parts: Parts,
): Promise<SocketAddress[]> {
  const found = await Promise.allSettled(hosts.map((host) => lookUp(host, family, parts)));
  const addresses = new Map<string, SocketAddress>();
  let failure: unknown;
  for (const result of found) {
    if (result.status === "fulfilled") {
      for (const address of result.value) addresses.set(formatAddress(address), address);
    } else if (failure === undefined || (result.reason as I405Error).code === "ERR_I405_OPTION") {
      failure = result.reason;
    }
  }
  if (failure instanceof I405Error && (addresses.size === 0 || failure.code === "ERR_I405_OPTION")) throw failure;
  return [...addresses.values()];
}

/** Whether looking this up again can give something else. */
export function isName({ host }: HostPort): boolean {
  return isIP(host) === 0;
}

/** As the addon takes it: `1.2.3.4:1405`, `[2001:db8::7]:1405`. */
export function formatAddress({ address, family, port }: SocketAddress): string {
  return family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
}
