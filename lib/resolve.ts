/** Names become addresses, once, when a tunnel opens. */
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
 * Looks a host up, unless it is an address already.
 *
 * @param family 4, 6, or 0 for either.
 * @throws {I405Error} `ERR_I405_RESOLVE` if there is no such name, `ERR_I405_OPTION` for an address of another family.
 */
export async function resolveHost(
  { host, port, option }: HostPort,
  family: 0 | 4 | 6,
  parts: Parts,
): Promise<SocketAddress> {
  const literal = isIP(host);
  if (literal !== 0 && family !== 0 && literal !== family) {
    throw optionError({
      option,
      came: `"${host}"`,
      expected: `an IPv${family} address`,
      remedy: "peer and localAddress have to be of one family",
    });
  }
  if (literal !== 0) return { address: host, family: literal === 4 ? 4 : 6, port };
  try {
    const found = await parts.lookup(host, family);
    return { address: found.address, family: found.family === 4 ? 4 : 6, port };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new I405Error("ERR_I405_RESOLVE", `${option}: no address for "${host}" (${reason}). Check the name and DNS`, {
      option,
      cause,
    });
  }
}

/** As the addon takes it: `1.2.3.4:1405`, `[2001:db8::7]:1405`. */
export function formatAddress({ address, family, port }: SocketAddress): string {
  return family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
}
