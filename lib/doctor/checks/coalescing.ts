/** How long the network card collects before it interrupts. */
import { askEthtool, ethtoolChange } from "../ethtool.js";
import { remedyOf, type Check } from "../finding.js";

/** Beyond it, receiving is later than the default reordering and latency figures assume, us. */
const LONG_US = 50;

export const coalescing: Check = {
  id: "coalescing",
  title: "interrupt coalescing",
  group: "network",
  look(system, { egress }) {
    if (egress === undefined) return [];
    const fields = askEthtool(system, "-c", egress);
    if (fields?.has("rx-usecs") !== true) return [];
    const adaptive = /^on\b/.test(fields.get("Adaptive RX") ?? "");
    const text = fields.get("rx-usecs") ?? "n/a";
    const usecs = /^\d+$/.test(text) ? Number(text) : undefined;
    const evidence = `ethtool -c ${egress}: adaptive rx ${adaptive ? "on" : "off"}, rx-usecs ${text}`;
    if (!adaptive && (usecs ?? 0) <= LONG_US) {
      return [{ severity: "ok", what: "received packets are told of within 50 us, whatever the load", evidence }];
    }
    const to = adaptive ? ["adaptive-rx", "off"] : [];
    const back = adaptive ? ["adaptive-rx", "on"] : [];
    if (usecs !== undefined && usecs > LONG_US) {
      to.push("rx-usecs", "10");
      back.push("rx-usecs", text);
    }
    const changes = [ethtoolChange("-C", egress, to, back)];
    return [
      {
        severity: "note",
        what: adaptive
          ? "the card interrupts more rarely when it is busy"
          : `the card holds interrupts back for ${text} us`,
        cost:
          "Receiving is later by that much; sending isn't. Bursts of interrupts come where single ones would, and their " +
          "rhythm follows the load.",
        evidence,
        remedy: remedyOf(changes),
        fix: { changes },
      },
    ];
  },
};
