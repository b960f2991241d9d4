/**
 * How IP addresses are written. This is the one place that reads and writes their text: options, flags, what the addon
 * and `ip` print, and files of the resolver.
 *
 * A link-local address is complete only with its interface, the zone (RFC 4007 section 11): `fe80::1%eth0` as people
 * write it, `fe80::1%2` as the kernel knows it.
 */
import { isIPv4, isIPv6, SocketAddress as NodeSocketAddress } from "node:net";

export type Family = 4 | 6;

export interface IpAddress {
  family: Family;
  /** As the kernel writes it, without its zone. */
  text: string;
  /** All of its bits as one number. */
  value: bigint;
  /** Interface by name or number; null: none is given. */
  zone: string | null;
}

export interface IpPrefix {
  family: Family;
  /** The address before the slash, as the kernel writes it. */
  address: string;
  length: number;
  /** `network/length`: no bit is set behind the length. */
  network: string;
}

/** Bits of an address. */
export const WIDTH = { 4: 32, 6: 128 } as const;

/** An interface's name is of 1 to 15 bytes without a slash, colon or space (dev_valid_name of the kernel). */
const ZONE = /^[^\s/:[\]%]{1,15}$/;

/** Reads an address by itself, with its zone if it has one. null: it is none. */
export function parseAddress(text: string): IpAddress | null {
  if (isIPv4(text)) return { family: 4, text, value: valueOf4(text), zone: null };
  const [bare = "", zone = null, ...rest] = text.split("%");
  if (rest.length > 0 || !isIPv6(bare) || (zone !== null && !ZONE.test(zone))) return null;
  const canonical = new NodeSocketAddress({ address: bare, family: "ipv6" }).address;
  return { family: 6, text: canonical, value: valueOf6(canonical), zone };
}

/** 4, 6, or 0 for what isn't an address. */
export function familyOf(text: string): 0 | Family {
  return parseAddress(text)?.family ?? 0;
}

/** fe80::/10: it needs a zone, and no other address that a tunnel has to do with takes one. */
export function isLinkLocal({ family, value }: IpAddress): boolean {
  return family === 6 && value >> 118n === 0x3fan;
}

/** Why an address can't be used as an end of a socket, or null. */
export function zoneMistake(address: IpAddress): string | null {
  const { text, zone } = address;
  if (isLinkLocal(address)) {
    return zone === null ? `a link-local address with its interface, such as "${text}%eth0"` : null;
  }
  return zone === null ? null : `no interface behind ${text}: only link-local addresses (fe80::/10) have one`;
}

/** `203.0.113.0/24`, `fd00:405::/32`; the length in decimal, without leading zeros. */
export function parsePrefix(text: string): IpPrefix | null {
  const [bare = "", bits = "", ...rest] = text.split("/");
  const parsed = parseAddress(bare);
  if (parsed?.zone !== null || rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(bits)) return null;
  const { family, text: address, value } = parsed;
  const length = Number(bits);
  if (length > WIDTH[family]) return null;
  const host = BigInt(WIDTH[family] - length);
  return { family, address, length, network: `${textOf((value >> host) << host, family)}/${length}` };
}

/** Whether the address lies in the prefix. IPv4 in IPv6's clothes is IPv6 here. */
export function isInside(address: IpAddress, prefix: IpPrefix): boolean {
  const network = parseAddress(prefix.address);
  if (network?.family !== address.family) return false;
  const host = BigInt(WIDTH[prefix.family] - prefix.length);
  return network.value >> host === address.value >> host;
}

/** IPv4 behind `::ffff:` is what travels over IPv4 (RFC 4291 section 2.5.5.2). */
export function travelsOverIpv4(text: string): boolean {
  const address = parseAddress(text);
  return address !== null && (address.family === 4 || address.value >> 32n === 0xffffn);
}

/** 127.0.0.0/8, ::1, and the former in IPv6's clothes. */
export function isLoopback(text: string): boolean {
  const address = parseAddress(text);
  if (address === null) return false;
  if (address.family === 6 && address.value === 1n) return true;
  return travelsOverIpv4(text) && ((address.value >> 24n) & 0xffn) === 127n;
}

/** What stands before the port, and the port. */
export interface HostAndPort {
  /** An address, with its zone if it has one, or a name. */
  host: string;
  port: number;
}

const IN_BRACKETS = /^\[([^[\]\s]+)\]:(\d{1,5})$/;
const PLAIN = /^([^[\]:\s/%]+):(\d{1,5})$/;

/**
 * Reads `203.0.113.7:1405`, `[2001:db8::7]:1405`, `[fe80::1%eth0]:1405`, `host.example:1405`. null: it is none of
 * these.
 */
export function parseHostAndPort(text: string): HostAndPort | null {
  const bracketed = IN_BRACKETS.exec(text);
  const [, host = "", digits] = bracketed ?? PLAIN.exec(text) ?? [];
  const port = Number(digits ?? NaN);
  if (!(port <= 65535)) return null;
  // What looks like an address has to be one, and only IPv6 has brackets.
  const wanted = bracketed === null ? (/^[0-9.]+$/.test(host) ? 4 : 0) : 6;
  return familyOf(host) === wanted ? { host, port } : null;
}

/** As {@link parseHostAndPort} reads it. */
export function formatHostAndPort(host: string, port: number): string {
  return familyOf(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function valueOf4(text: string): bigint {
  return text.split(".").reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

/** Of canonical text: at most one "::", and a dotted end in place of the last two groups. */
function valueOf6(text: string): bigint {
  const [head = "", tail] = text.split("::");
  const front = groups(head);
  const back = groups(tail ?? "");
  const zeros = Array<bigint>(8 - front.length - back.length).fill(0n);
  return [...front, ...zeros, ...back].reduce((value, group) => (value << 16n) | group, 0n);
}

function groups(part: string): bigint[] {
  if (part === "") return [];
  return part.split(":").flatMap((group) => {
    if (!group.includes(".")) return [BigInt(`0x${group}`)];
    const low = valueOf4(group);
    return [low >> 16n, low & 0xffffn];
  });
}

function textOf(value: bigint, family: Family): string {
  const step = family === 4 ? 8n : 16n;
  const count = family === 4 ? 4 : 8;
  const parts = Array.from(
    { length: count },
    (_, at) => (value >> (step * BigInt(count - 1 - at))) & ((1n << step) - 1n),
  );
  if (family === 4) return parts.join(".");
  const address = parts.map((part) => part.toString(16)).join(":");
  return new NodeSocketAddress({ address, family: "ipv6" }).address;
}
