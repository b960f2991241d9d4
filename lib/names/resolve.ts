/** Names become addresses: when a tunnel opens, and again while nobody answers. */
import { formatHostAndPort, parseAddress, type Family, type IpAddress } from "../common/address-text.js";
import { I405Error, optionError } from "../common/errors.js";
import type { HostPort } from "../common/option-readers.js";
import type { Addon } from "../native/addon.js";

export interface SocketAddress {
  /** A zone in it is a number, as the kernel writes it. */
  address: string;
  family: Family;
  port: number;
}

export interface ResolvedHost {
  address: string;
  family: number;
}

/** What leads from names to addresses: a tunnel's parts have it. */
export interface NameParts {
  loadAddon(): Promise<Pick<Addon, "interfaceIndex">>;
  /**
   * Every address of a name, best first.
   *
   * @param family 4, 6, or 0 for either.
   * @param fwmark The outer socket's mark, so that the questions leave as its datagrams do. null: as the system asks.
   */
  lookup(host: string, family: 0 | Family, fwmark: number | null): Promise<ResolvedHost[]>;
}

/** What a lookup needs of the tunnel. */
export interface Lookup {
  parts: NameParts;
  /** SO_MARK of the outer socket; names are asked for past the routes into the tunnel. */
  fwmark: number | null;
}

/**
 * The addresses of a host, best first, at least one. It is looked up unless it is an address already.
 *
 * @param family 4, 6, or 0 for either.
 * @throws {I405Error} `ERR_I405_RESOLVE` if there is no such name, `ERR_I405_OPTION` for an address of another family.
 */
async function lookUp(
  { host, port, option }: HostPort,
  family: 0 | Family,
  { parts, fwmark }: Lookup,
): Promise<SocketAddress[]> {
  const literal = parseAddress(host);
  if (literal !== null && family !== 0 && literal.family !== family) {
    throw optionError({
      option,
      came: `"${host}"`,
      expected: `an IPv${family} address`,
      remedy: "peer and localAddress have to be of one family",
    });
  }
  if (literal !== null) {
    return [{ address: withZone(host, literal, option, await parts.loadAddon()), family: literal.family, port }];
  }
  try {
    const found = await parts.lookup(host, family, fwmark);
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

/** An interface may get another number when it is made anew, so it is looked up as often as a name. */
function withZone(
  host: string,
  { text, zone }: IpAddress,
  option: string,
  addon: Pick<Addon, "interfaceIndex">,
): string {
  if (zone === null) return host;
  // A name is tried first, as getaddrinfo(3) does it, because a name may consist of digits.
  const index = addon.interfaceIndex(zone) ?? (/^[1-9]\d*$/.test(zone) ? Number(zone) : null);
  if (index !== null) return `${text}%${index}`;
  const message = `${option}: there is no interface "${zone}" for "${host}". Check its name (ip link)`;
  throw new I405Error("ERR_I405_RESOLVE", message, { option });
}

/**
 * The best address of a host.
 *
 * @throws {I405Error} As {@link resolveAll}.
 */
export async function resolveHost(host: HostPort, family: 0 | Family, by: Lookup): Promise<SocketAddress> {
  const [first] = await lookUp(host, family, by);
  // There is at least one.
  return first!;
}

/**
 * The addresses of several hosts in their order, each once. A name without an address is passed over, unless no name
 * has one.
 *
 * @throws {I405Error} `ERR_I405_RESOLVE` if no name has an address, `ERR_I405_OPTION` for one of another family.
 */
export async function resolveAll(hosts: readonly HostPort[], family: 0 | Family, by: Lookup): Promise<SocketAddress[]> {
  const found = await Promise.allSettled(hosts.map((host) => lookUp(host, family, by)));
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
  const literal = parseAddress(host);
  return literal === null || (literal.zone !== null && !/^\d+$/.test(literal.zone));
}

/** As the addon takes it: `1.2.3.4:1405`, `[2001:db8::7]:1405`, `[fe80::1%2]:1405`. */
export function formatAddress({ address, port }: SocketAddress): string {
  return formatHostAndPort(address, port);
}
