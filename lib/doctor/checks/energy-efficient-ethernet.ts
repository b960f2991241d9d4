/** Energy-Efficient Ethernet (IEEE 802.3az): a link that sleeps between datagrams. */
import { askEthtool, ethtoolChange } from "../ethtool.js";
import { remedyOf, type Check } from "../finding.js";

export const energyEfficientEthernet: Check = {
  id: "eee",
  title: "Energy-Efficient Ethernet",
  group: "network",
  look(system, { egress }) {
    if (egress === undefined) return [];
    const status = askEthtool(system, "--show-eee", egress)?.get("EEE status");
    if (status === undefined) return [];
    const evidence = `ethtool --show-eee ${egress}: ${status}`;
    if (!status.startsWith("enabled")) return [{ severity: "ok", what: `EEE is ${status}`, evidence }];
    const changes = [ethtoolChange("--set-eee", egress, ["eee", "off"], ["eee", "on"])];
    const isActive = !status.includes("inactive");
    return [
      {
        severity: isActive ? "warning" : "note",
        what: isActive ? "the link sleeps between datagrams (EEE)" : "EEE is on, but the other side of the link isn't",
        cost:
          "A link that slept takes 16.5 us (1 Gbit/s) or 30 us (100 Mbit/s) to wake up; one that others keep awake takes none. So " +
          "send times show whether anything else uses the link.",
        evidence,
        remedy: remedyOf(changes),
        advice: "The link goes down for a second or two while it is changed.",
        fix: { changes },
      },
    ];
  },
};
