/** The interface that the tunnel's datagrams leave through: is there one, is it fast enough, what lies behind it. */
import { formatRate } from "../../common/units.js";
import { isHardware } from "../egress.js";
import { missingEthtool } from "../ethtool.js";
import type { Check, Finding } from "../finding.js";
import { numberAt } from "../parse.js";
import type { System, Target } from "../system.js";

/** A tunnel should leave room: a queue that fills up delays slots by what others send. */
const MUCH_OF_LINK = 0.5;

export const egressLink: Check = {
  id: "egress",
  title: "outgoing interface",
  group: "network",
  look(system, target) {
    const { egress, peer } = target;
    if (egress === undefined) {
      return [
        {
          severity: peer === undefined ? "note" : "problem",
          what: `no route to ${peer?.address ?? "the world"}: the network card wasn't looked at`,
          evidence: "ip route get, /proc/net/route, /proc/net/ipv6_route: no route",
          remedy: ["ip route"],
        },
      ];
    }
    const ethtool = isHardware(system, egress) ? missingEthtool(system) : undefined;
    return [link(system, target, egress), ...(ethtool === undefined ? [] : [ethtool])];
  },
};

function link(system: System, { rate }: Target, egress: string): Finding {
  const folder = `/sys/class/net/${egress}`;
  const megabits = numberAt(system, `${folder}/speed`) ?? -1;
  const state = system.readFile(`${folder}/operstate`) ?? "unknown";
  const evidence = `${folder}/operstate: ${state}, speed: ${megabits > 0 ? `${megabits} Mbit/s` : "not told"}`;
  if (!["up", "unknown"].includes(state)) {
    return { severity: "problem", what: `${egress} is ${state}`, evidence, remedy: [`sudo ip link set ${egress} up`] };
  }
  const perSecond = (megabits * 1e6) / 8;
  if (megabits > 0 && rate > perSecond * MUCH_OF_LINK) {
    return {
      severity: rate > perSecond ? "problem" : "warning",
      what: `${formatRate(rate)} is ${Math.round((rate / perSecond) * 100)} % of what ${egress} carries`,
      cost: "Datagrams of others, and our own, wait in its queue: slots leave late by what is ahead of them.",
      evidence,
      advice: "Ask for a lower rate, or a faster link.",
    };
  }
  const kind = isHardware(system, egress) ? "" : ", which has no hardware of its own: look at what it is made of, too";
  return { severity: "ok", what: `datagrams leave through ${egress}${kind}`, evidence };
}
