/** Wireless links. */
import type { Check, Finding } from "../finding.js";

export const wifi: Check = {
  id: "wifi",
  title: "Wi-Fi",
  group: "network",
  look(system, { egress }) {
    if (egress === undefined) return [];
    const folder = `/sys/class/net/${egress}`;
    const names = system.readDir(folder);
    if (!names.includes("wireless") && !names.includes("phy80211")) return [];
    const evidence = `${folder}/wireless`;
    const findings: Finding[] = [
      {
        severity: "warning",
        what: `${egress} is wireless`,
        cost:
          "A datagram waits until the air is free, milliseconds at a time. Whoever listens to the radio sees that wait, and it " +
          "follows what everybody else sends, this machine included.",
        evidence,
        advice: "Use a cable, at least to where the observer could be.",
      },
    ];
    const asked = system.run(["iw", "dev", egress, "get", "power_save"]);
    if (asked === undefined) {
      findings.push({
        severity: "note",
        what: "iw isn't installed, so power saving can't be read",
        evidence: "iw: no such program",
        remedy: ["sudo apt-get install iw"],
      });
    } else if (/Power save: on/i.test(asked.stdout)) {
      const set = (value: string) => ["iw", "dev", egress, "set", "power_save", value];
      findings.push({
        severity: "problem",
        what: "Wi-Fi power saving is on",
        cost: "The radio sleeps when there is little to send, and wakes up with the next beacon: up to 100 ms, by load.",
        evidence: `iw dev ${egress} get power_save: on`,
        remedy: [`sudo ${set("off").join(" ")}`],
        fix: { changes: [{ kind: "command", setting: `power_save ${egress}`, apply: set("off"), undo: set("on") }] },
      });
    }
    return findings;
  },
};
