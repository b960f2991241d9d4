/** Pause frames (IEEE 802.3x): the switch can hold the card back. */
import { askEthtool } from "../ethtool.js";
import type { Check } from "../finding.js";

export const pauseFrames: Check = {
  id: "pause-frames",
  title: "pause frames",
  group: "network",
  look(system, { egress }) {
    if (egress === undefined) return [];
    const fields = askEthtool(system, "-a", egress);
    const receive = fields?.get("RX");
    if (receive === undefined) return [];
    const evidence = `ethtool -a ${egress}: RX ${receive}, TX ${fields?.get("TX") ?? "?"}`;
    if (receive !== "on") return [{ severity: "ok", what: "the card ignores pause frames", evidence }];
    return [
      {
        severity: "note",
        what: "the switch may pause the card",
        cost: "A full port elsewhere on the switch holds slots up, by up to 33 ms a frame at 1 Gbit/s (65535 quanta of 512 bits).",
        evidence,
        remedy: [`sudo ethtool -A ${egress} autoneg off rx off tx off`],
        advice: "The link goes down for a second or two; so it is no fix of the doctor's.",
      },
    ];
  },
};
