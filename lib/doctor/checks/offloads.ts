/** Segmentation offloads: others' datagrams leave in one piece of up to 64 KiB, and slots wait behind it. */
import { askEthtool, ethtoolChange } from "../ethtool.js";
import { remedyOf, type Check } from "../finding.js";
import { numberAt } from "../parse.js";

/**
 * Features as `ethtool -k` lists them, and as `ethtool -K` takes them. TSO's are listed one by one: switching it on as
 * a whole would also switch on what was off before.
 */
const FEATURES: readonly (readonly [string, string])[] = [
  ["tx-tcp-segmentation", "tx-tcp-segmentation"],
  ["tx-tcp-ecn-segmentation", "tx-tcp-ecn-segmentation"],
  ["tx-tcp-mangleid-segmentation", "tx-tcp-mangleid-segmentation"],
  ["tx-tcp6-segmentation", "tx-tcp6-segmentation"],
  ["generic-segmentation-offload", "gso"],
  ["udp-fragmentation-offload", "ufo"],
  ["tx-udp-segmentation", "tx-udp-segmentation"],
];
/** Largest piece, bytes (GSO_LEGACY_MAX_SIZE). */
const PIECE = 65_536;
/** A wait behind one piece that is worth a warning, us. */
const LONG_US = 1000;

export const offloads: Check = {
  id: "offloads",
  title: "segmentation offloads",
  group: "network",
  look(system, { egress }) {
    if (egress === undefined) return [];
    const fields = askEthtool(system, "-k", egress);
    if (fields === undefined) return [];
    const states = FEATURES.flatMap(([name, word]) => {
      const value = fields.get(name);
      return value === undefined ? [] : [{ word, value }];
    });
    if (states.length === 0) return [];
    const on = states.filter(({ value }) => value === "on");
    const evidence = `ethtool -k ${egress}: ${states.map(({ word, value }) => `${word} ${value}`).join(", ")}`;
    if (on.length === 0) return [{ severity: "ok", what: "nothing leaves in large pieces", evidence }];
    const megabits = numberAt(system, `/sys/class/net/${egress}/speed`) ?? -1;
    const waitUs = (PIECE * 8) / (megabits > 0 ? megabits : 1000);
    const changes = [
      ethtoolChange(
        "-K",
        egress,
        on.flatMap(({ word }) => [word, "off"]),
        on.flatMap(({ word }) => [word, "on"]),
      ),
    ];
    return [
      {
        severity: waitUs > LONG_US ? "warning" : "note",
        what: `others' data leaves in pieces of up to 64 KiB (${on.map(({ word }) => word).join(", ")})`,
        cost:
          `A slot behind one waits up to ${Math.round(waitUs)} us${megabits > 0 ? "" : " (taken as 1 Gbit/s)"}: a TCP upload ` +
          "from this machine shows in the send times.",
        evidence,
        remedy: remedyOf(changes),
        advice: "It costs processor time for every upload.",
        fix: { changes, onlyIfAsked: "it costs processor time for every upload" },
      },
    ];
  },
};
