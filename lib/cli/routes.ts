/**
 * What `--route` sets up, as steps. A step says what `ip` is told to add and to remove, and how to see whether it is
 * there.
 *
 * A prefix goes into the main table, where the longest match decides as everywhere. A default route may not, or the
 * tunnel's own datagrams would go into the tunnel. It gets a table of its own. That table is asked for everything that
 * doesn't carry the outer socket's mark, after the main table has been asked for anything but its own default route.
 *
 * Two tunnels share nothing. The mark is in both rules and is the table's number. The kernel lets one default route
 * into a table, so the route is the claim to the mark. Everything carries our protocol number, which tells it from what
 * an administrator has made.
 */
import {
  isInside,
  parseAddress,
  parsePrefix,
  travelsOverIpv4,
  type Family,
  type IpPrefix,
} from "../common/address-text.js";
import { describe, optionError } from "../common/errors.js";

export interface RouteRequest {
  /** As given: `default`, `10.0.0.0/8`, `fd00::/8`. */
  routes: readonly string[];
  device: string;
  fwmark: number;
  /** `default` stands for the families that the interface has an address of. */
  families: readonly Family[];
  /** Address of the peer, for a client. */
  peer?: string | undefined;
}

export type StepKind = "address" | "route" | "rule";

export interface RouteStep {
  kind: StepKind;
  family: Family;
  /** What stands behind `ip -4 route add` and `ip -4 route del`. */
  what: string[];
  /** Parameters of `ip` that list what may be it, as JSON with numbers for names. */
  look: string[];
  /** Whether one of those listed is it. */
  isThere(listed: readonly unknown[]): boolean;
}

export interface RoutePlan {
  /** In the order in which they are added. They are removed in the opposite order. */
  steps: RouteStep[];
}

/** Ours: below the main table's 32766, so that both are asked before it. */
const PRIORITY_MAIN = 14050;
const PRIORITY_TUNNEL = 14051;
/** Ours: protocol number of our routes and rules, one that no routing daemon has (/etc/iproute2/rt_protos). */
export const ROUTE_PROTOCOL = 140;
/** Number of the main table (RT_TABLE_MAIN). */
const MAIN_TABLE = 254;

/** @throws {I405Error} `ERR_I405_OPTION` for what isn't a prefix, or holds the peer's own address. */
export function planRoutes({ routes, device, fwmark, families, peer }: RouteRequest): RoutePlan {
  const steps = expand(routes, families).flatMap((prefix) => {
    if (prefix.length === 0) return [routeStep(prefix, device, fwmark), ...ruleSteps(prefix.family, fwmark)];
    refusePeerInside(prefix, peer);
    return [routeStep(prefix, device, null)];
  });
  return { steps };
}

/** Addresses of the interface, which take the routes along when they go. */
export function addressSteps(prefixes: readonly string[], family: Family, device: string): RouteStep[] {
  return prefixes.flatMap((text) => {
    const [bare = "", length = ""] = text.split("/");
    const address = parseAddress(bare);
    if (address === null) return [];
    const isThere = (listed: readonly unknown[]) =>
      (listed as { addr_info?: { local?: string; prefixlen?: number }[] }[])
        .flatMap(({ addr_info }) => addr_info ?? [])
        .some(({ local, prefixlen }) => local === address.text && prefixlen === Number(length));
    const what = [`${address.text}/${Number(length)}`, "dev", device];
    return [{ kind: "address", family, what, look: ["address", "show", "dev", device], isThere }];
  });
}

/** Parameters of `ip`. */
export function commandOf({ family, kind, what }: RouteStep, verb: "add" | "del"): string[] {
  return [`-${family}`, kind, verb, ...what];
}

/** Parameters of `ip` that list for {@link RouteStep.isThere}. */
export function lookOf({ family, look }: RouteStep): string[] {
  return [`-${family}`, "-N", "-json", ...look];
}

/** As in a log: `route 10.0.0.0/8 dev tun0`. */
export function describeStep({ kind, what }: RouteStep): string {
  return [kind, ...what].join(" ").replace(` protocol ${ROUTE_PROTOCOL}`, "");
}

/** Route of a prefix through the device, in the main table where `table` is null. */
function routeStep({ family, network, length }: IpPrefix, device: string, table: number | null): RouteStep {
  const inTable = table === null ? [] : ["table", String(table)];
  const shown = length === 0 ? "default" : network.replace(family === 4 ? /\/32$/ : /\/128$/, "");
  return {
    kind: "route",
    family,
    what: [network, "dev", device, ...inTable, "protocol", String(ROUTE_PROTOCOL)],
    look: ["route", "show", "table", String(table ?? MAIN_TABLE), "dev", device],
    isThere: (listed) => (listed as { dst?: string }[]).some(({ dst }) => dst === shown),
  };
}

interface ListedRule {
  priority?: number;
  not?: null;
  fwmark?: string;
  table?: string;
  suppress_prefixlen?: number;
  protocol?: string;
}

function ruleSteps(family: Family, fwmark: number): RouteStep[] {
  const rule = (table: number, priority: number, suppress: readonly string[]): RouteStep => ({
    kind: "rule",
    family,
    what: [
      ...["not", "fwmark", String(fwmark), "table", table === MAIN_TABLE ? "main" : String(table), ...suppress],
      ...["priority", String(priority), "protocol", String(ROUTE_PROTOCOL)],
    ],
    look: ["rule", "show"],
    isThere: (listed) =>
      (listed as ListedRule[]).some(
        (each) =>
          each.priority === priority &&
          each.not === null &&
          Number(each.fwmark) === fwmark &&
          Number(each.table) === table &&
          each.suppress_prefixlen === (suppress.length > 0 ? 0 : undefined) &&
          Number(each.protocol) === ROUTE_PROTOCOL,
      ),
  });
  return [rule(MAIN_TABLE, PRIORITY_MAIN, ["suppress_prefixlength", "0"]), rule(fwmark, PRIORITY_TUNNEL, [])];
}

const DEFAULTS = { 4: "0.0.0.0/0", 6: "::/0" } as const;

function expand(routes: readonly string[], families: readonly Family[]): IpPrefix[] {
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
  const prefixes = texts.map(readRoute);
  return [...new Map(prefixes.map((prefix) => [prefix.network, prefix])).values()];
}

/** `ip` would take some of these for something else, and refuse others when the schedule has begun. */
function readRoute(text: string): IpPrefix {
  const prefix = parsePrefix(text);
  const refused = { option: "--route", came: describe(text) };
  if (prefix === null) {
    throw optionError({ ...refused, expected: "default or a prefix such as 10.0.0.0/8 or fd00:405::/32" });
  }
  const { address, length, network } = prefix;
  if (network !== `${address}/${length}`) {
    throw optionError({
      ...refused,
      expected: `no bits behind the first ${length}: the network is ${network}`,
      remedy: `Write ${network}, or ${address}/${prefix.family === 4 ? 32 : 128} for that address alone`,
    });
  }
  return prefix;
}

function refusePeerInside(prefix: IpPrefix, peer: string | undefined): void {
  const address = peer === undefined ? null : parseAddress(peer);
  if (address === null) return;
  // A packet to ::ffff:203.0.113.7 leaves as IPv4.
  const onWire = travelsOverIpv4(address.text) ? parseAddress(address.text.split(":").at(-1) ?? "") : null;
  if (!isInside(address, prefix) && (onWire === null || !isInside(onWire, prefix))) return;
  throw optionError({
    option: "--route",
    came: describe(prefix.network),
    expected: `a prefix without the server's own address ${address.text}, or its datagrams would go into the tunnel`,
    remedy: "Choose smaller prefixes, or default, which leaves the tunnel's own datagrams out",
  });
}
