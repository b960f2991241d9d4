/** Which interface the tunnel's datagrams leave through. */
import { familyOf } from "../common/address-text.js";
import { words } from "./parse.js";
import type { System } from "./system.js";

/** Towards an address, or else along the default route; undefined if there is no route. */
export function findEgress(system: System, address: string | undefined): string | undefined {
  if (address !== undefined) {
    const [bare = "", zone] = address.split("%");
    const asked = system.run(["ip", "-j", "route", "get", bare, ...(zone === undefined ? [] : ["oif", zone])]);
    if (asked?.status === 0) {
      const device = deviceOf(asked.stdout);
      if (device !== undefined) return device;
    }
  }
  // Without `ip`, the default route is the best guess for a distant peer as well.
  const first = address !== undefined && familyOf(address) === 6 ? [default6, default4] : [default4, default6];
  return first.map((look) => look(system)).find((name) => name !== undefined);
}

function deviceOf(json: string): string | undefined {
  try {
    const [route] = JSON.parse(json) as { dev?: unknown }[];
    return typeof route?.dev === "string" ? route.dev : undefined;
  } catch {
    return undefined;
  }
}

interface Candidate {
  name: string;
  metric: number;
}

function least(candidates: Candidate[]): string | undefined {
  return candidates.sort((a, b) => a.metric - b.metric)[0]?.name;
}

/** /proc/net/route: Iface Destination Gateway Flags RefCnt Use Metric Mask ... */
function default4(system: System): string | undefined {
  const lines = (system.readFile("/proc/net/route") ?? "").split("\n").slice(1);
  return least(
    lines.flatMap((line) => {
      const [name = "", destination, , , , , metric, mask] = words(line);
      return destination === "00000000" && mask === "00000000" ? [{ name, metric: Number(metric) }] : [];
    }),
  );
}

/** /proc/net/ipv6_route: destination, its bits, source, its bits, next hop, metric, ..., flags, Iface. */
function default6(system: System): string | undefined {
  const lines = (system.readFile("/proc/net/ipv6_route") ?? "").split("\n");
  return least(
    lines.flatMap((line) => {
      const fields = words(line);
      const name = fields.at(-1) ?? "";
      const isDefault = /^0{32}$/.test(fields[0] ?? "") && fields[1] === "00" && name !== "lo";
      return isDefault ? [{ name, metric: parseInt(fields[5] ?? "0", 16) }] : [];
    }),
  );
}

/** Whether there is a driver with a device behind it, and not just a name in the kernel (veth, tun, bridge). */
export function isHardware(system: System, name: string): boolean {
  return system.readDir(`/sys/class/net/${name}/device`).length > 0;
}
