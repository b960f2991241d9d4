/** Which sources the packets out of a tunnel are expected to have, by the addresses of its interface and its routes. */
import { familyOf } from "./address-text.js";

/** Of the interface, each with its prefix length. */
export interface InnerAddresses {
  ipv4: readonly string[];
  ipv6: readonly string[];
}

/** The core's: it goes through the list for each packet. */
export const MOST_PREFIXES = 1024;

/** What a kernel sends on an IPv6 link by itself comes from these addresses. An answer to it stays on the link. */
const IPV6_LINK = "fe80::/10";
const WHOLE = { 4: "0.0.0.0/0", 6: "::/0" } as const;

/**
 * Which sources to expect behind an interface, by family: the networks that it is in, and what is routed into it. If
 * these say nothing, because an address comes without a network and nothing is routed, any source of that family is
 * expected. Without an address of a family, none of it is.
 *
 * @param routes Prefixes; `default` for whatever families the interface has.
 * @returns null: any source, because nothing is known.
 */
export function expectedSources(device: InnerAddresses, routes: readonly string[] = []): string[] | null {
  if (device.ipv4.length + device.ipv6.length === 0) return null;
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
