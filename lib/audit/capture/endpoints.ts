/** Addresses and ports of captured packets, as people write them. */
import { isIPv6, SocketAddress } from "node:net";
import { describe, optionError } from "../../common/errors.js";

/** One end of a flow. */
export interface Endpoint {
  /** In the shortest form. */
  address: string;
  /** 0: it has none. */
  port: number;
}

/** @param raw 4 or 16 bytes */
export function addressText(raw: Buffer): string {
  if (raw.length === 4) return raw.join(".");
  const groups = Array.from({ length: 8 }, (_, group) => raw.readUInt16BE(2 * group).toString(16));
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address;
}

/** 192.0.2.1:1405, [2001:db8::1]:1405, or the address alone. */
export function endpointText({ address, port }: Endpoint): string {
  if (port === 0) return address;
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

const HOW = "an address with or without a port, such as 192.0.2.1, 192.0.2.1:1405 or [2001:db8::1]:1405";
const IPV4 = /^(\d+\.\d+\.\d+\.\d+)(?::(\d{1,5}))?$/;
const IPV6 = /^(?:\[([0-9a-fA-F:.]+)\](?::(\d{1,5}))?|([0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*))$/;

/**
 * Reads an endpoint that a user chose. Port 0 means any.
 *
 * @throws {I405Error} `ERR_I405_OPTION`
 */
export function readEndpoint(option: string, value: unknown): Endpoint {
  const wrong = () => optionError({ option, came: describe(value), expected: HOW });
  if (typeof value !== "string") throw wrong();
  const [, four, fourPort] = IPV4.exec(value) ?? [];
  const [, six, sixPort, bare] = IPV6.exec(value) ?? [];
  const [address, port] = [four ?? six ?? bare, Number(fourPort ?? sixPort ?? 0)];
  if (address === undefined || port > 65535) throw wrong();
  try {
    return { address: new SocketAddress({ address, family: four === undefined ? "ipv6" : "ipv4" }).address, port };
  } catch {
    throw wrong();
  }
}
