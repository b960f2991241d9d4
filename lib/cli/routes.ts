/**
 * Which `ip` commands send prefixes through the tunnel, and which take them back.
 *
 * A prefix goes into the main table, where the longest match decides as everywhere. A default route may not, or the
 * tunnel's own datagrams would go into the tunnel. It gets a table of its own, asked for everything that doesn't carry
 * the outer socket's mark, after the main table has been asked for anything but its own default route.
 */
import { isIP } from "node:net";
import { describe, optionError } from "../errors.js";

export interface RouteRequest {
  /** As given: `default`, `10.0.0.0/8`, `fd00::/8`. */
  routes: readonly string[];
  device: string;
  fwmark: number;
  /** `default` means the families that the interface has an address of. */
  families: readonly (4 | 6)[];
  /** Address of the peer, for a client. */
  peer?: string | undefined;
}

export interface RoutePlan {
  /** Parameters of `ip`, in this order. */
  add: string[][];
  remove: string[][];
}

/** Ours: below the main table's 32766, so that both are asked before it. */
const PRIORITY_MAIN = 14050;
const PRIORITY_TUNNEL = 14051;

/** @throws {I405Error} `ERR_I405_OPTION` for what isn't a prefix, or holds the peer's own address. */
export function planRoutes({ routes, device, fwmark, families, peer }: RouteRequest): RoutePlan {
  const plan: RoutePlan = { add: [], remove: [] };
  for (const prefix of expand(routes, families)) {
    const family = `-${prefix.family}`;
    if (prefix.bits > 0) {
      refusePeerInside(prefix, peer);
      const route = [prefix.text, "dev", device];
      plan.add.push([family, "route", "add", ...route]);
      plan.remove.unshift([family, "route", "del", ...route]);
      continue;
    }
    const mark = String(fwmark);
    const route = [prefix.text, "dev", device, "table", mark];
    const rules = [
      ["table", "main", "suppress_prefixlength", "0", "priority", String(PRIORITY_MAIN)],
      ["not", "fwmark", mark, "table", mark, "priority", String(PRIORITY_TUNNEL)],
    ];
    plan.add.push([family, "route", "add", ...route], ...rules.map((rule) => [family, "rule", "add", ...rule]));
    plan.remove.unshift(...rules.map((rule) => [family, "rule", "del", ...rule]), [family, "route", "del", ...route]);
  }
  return plan;
}

interface Prefix {
  text: string;
  address: string;
  bits: number;
  family: 4 | 6;
}

const DEFAULTS = { 4: "0.0.0.0/0", 6: "::/0" } as const;

function expand(routes: readonly string[], families: readonly (4 | 6)[]): Prefix[] {
  const texts = routes.flatMap((route) => {
    if (route !== "default") return [route];
    if (families.length === 0) {
      throw optionError({
        option: "--route",
        came: describe(route),
        expected: "an interface with an address",
        remedy: "Give --tun-ipv4 or --tun-ipv6 too",
      });
    }
    return families.map((family) => DEFAULTS[family]);
  });
  return [...new Set(texts)].map(parsePrefix);
}

function parsePrefix(text: string): Prefix {
  const [address = "", length = "", ...rest] = text.split("/");
  const family = isIP(address);
  const bits = /^\d{1,3}$/.test(length) ? Number(length) : NaN;
  if ((family !== 4 && family !== 6) || !(bits <= (family === 4 ? 32 : 128)) || rest.length > 0) {
    throw optionError({
      option: "--route",
      came: describe(text),
      expected: "default or a prefix such as 10.0.0.0/8 or fd00:405::/32",
    });
  }
  return { text, address, bits, family };
}

/** An address as a number, for comparing its first bits. */
function addressBits(address: string, family: 4 | 6): bigint {
  if (family === 4) return address.split(".").reduce((value, part) => value * 256n + BigInt(part), 0n);
  // WHATWG URLs write IPv6 in full lower-case groups, with at most one "::" and no dotted end.
  const [head = "", tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const zeros = Array<string>(8 - front.length - back.length).fill("0");
  return [...front, ...zeros, ...back].reduce((value, group) => value * 65536n + BigInt(`0x${group}`), 0n);
}

function refusePeerInside({ text, address, bits, family }: Prefix, peer: string | undefined): void {
  if (peer === undefined || isIP(peer) !== family) return;
  const shift = BigInt((family === 4 ? 32 : 128) - bits);
  if (addressBits(address, family) >> shift !== addressBits(peer, family) >> shift) return;
  throw optionError({
    option: "--route",
    came: describe(text),
    expected: `a prefix without the server's own address ${peer}, or its datagrams would go into the tunnel`,
    remedy: "Choose smaller prefixes, or default, which leaves the tunnel's own datagrams out",
  });
}
