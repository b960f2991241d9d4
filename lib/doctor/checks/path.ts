/** The way to the other end, as far as it can be known from here. */
import type { Check, Finding } from "../finding.js";
import { numberAt } from "../parse.js";

/** What nearly every path carries, IP bytes. */
const USUAL_MTU = 1500;

export const path: Check = {
  id: "path",
  title: "path to the peer",
  group: "network",
  look(system, { peer, egress }) {
    if (peer === undefined) return [];
    const silent =
      "Behind the first hop nothing can be measured without the other end's help: it doesn't answer strangers, and the " +
      "doctor has no key. Round trip and losses are in the tunnel's own statistics.";
    let mtu: number;
    try {
      if (system.natives === null) return [];
      mtu = system.natives.routeMtu(peer.address);
    } catch (error) {
      const evidence = `asked the kernel: ${(error as Error).message}`;
      return [
        {
          severity: "problem",
          what: `no route to ${peer.address}`,
          evidence,
          remedy: [`ip route get ${peer.address}`],
        },
      ];
    }
    const linkMtu = egress === undefined ? undefined : numberAt(system, `/sys/class/net/${egress}/mtu`);
    const evidence = `MTU of the route to ${peer.address}: ${mtu}${linkMtu === undefined ? "" : `; of ${egress ?? ""}: ${linkMtu}`}`;
    if (mtu >= USUAL_MTU) {
      return [
        {
          severity: "ok",
          what: `datagrams of ${USUAL_MTU} bytes pass the first hop unfragmented`,
          evidence,
          advice: silent,
        },
      ];
    }
    const finding: Finding = {
      severity: "note",
      what: `the route carries ${mtu} bytes`,
      cost: "Shorter datagrams make shorter intervals for the same rate, and lateness is a larger part of those.",
      evidence,
      advice: `The tunnel takes ${mtu} by itself. ${silent}`,
    };
    return [finding];
  },
};
