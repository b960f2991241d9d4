/** The queue in front of the outgoing interface. */
import type { Check, Finding } from "../finding.js";

interface Qdisc {
  kind: string;
  drops?: number;
  backlog?: number;
  overlimits?: number;
  options?: { bandwidth?: unknown };
}

/** They hand a datagram on as soon as the link is free. */
const PROMPT = [
  "noqueue",
  "pfifo_fast",
  "pfifo",
  "bfifo",
  "fq",
  "fq_codel",
  "codel",
  "sfq",
  "prio",
  "mq",
  "mqprio",
  "ingress",
  "clsact",
];
/** They hold datagrams back to keep a rate or a schedule. */
const SHAPING = ["tbf", "htb", "hfsc", "cbq", "cake", "etf", "taprio", "netem"];

export const qdisc: Check = {
  id: "qdisc",
  title: "queueing discipline",
  group: "network",
  look(system, { egress }) {
    if (egress === undefined) return [];
    const command = ["tc", "-s", "-j", "qdisc", "show", "dev", egress];
    const ran = system.run(command);
    if (ran === undefined) {
      return [
        {
          severity: "note",
          what: "tc isn't installed, so the queueing discipline can't be read",
          evidence: "tc: no such program",
          remedy: ["sudo apt-get install iproute2"],
        },
      ];
    }
    const found = parse(ran.stdout);
    if (ran.status !== 0 || found === undefined || found.length === 0) return [];
    const kinds = [...new Set(found.map(({ kind }) => kind))];
    const total = (name: "drops" | "backlog" | "overlimits") => found.reduce((sum, each) => sum + (each[name] ?? 0), 0);
    const evidence = `tc -s qdisc show dev ${egress}: ${kinds.join(", ")}; ${total("drops")} dropped, ${total("backlog")} bytes waiting, ${total("overlimits")} held back`;
    const shaping = kinds.filter((kind) => SHAPING.includes(kind));
    if (shaping.length > 0) return [shaped(egress, shaping, total("overlimits"), evidence)];
    const unknown = kinds.filter((kind) => !PROMPT.includes(kind));
    if (unknown.length > 0) {
      const what = `${egress} has a queueing discipline that the doctor doesn't know: ${unknown.join(", ")}`;
      return [{ severity: "note", what, evidence, advice: "If it holds datagrams back, slots are late by that much." }];
    }
    return [{ severity: "ok", what: `${egress} sends at once (${kinds.join(", ")})`, evidence }];
  },
};

function shaped(egress: string, kinds: readonly string[], overlimits: number, evidence: string): Finding {
  return {
    severity: kinds.includes("netem") ? "problem" : "warning",
    what: `${egress} holds datagrams back to keep a rate (${kinds.join(", ")})`,
    cost:
      "A slot waits while others' datagrams use the rate up, so their load shows. " +
      (overlimits > 0 ? "It has held some back already." : "So far it has held none back."),
    evidence,
    remedy: [`sudo tc qdisc show dev ${egress}`],
    advice:
      "Give the tunnel a class or band of its own that goes first (fwmark, --fwmark), with more than its rate, and no shared parent limit below it.",
  };
}

function parse(json: string): Qdisc[] | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return Array.isArray(value) ? (value as Qdisc[]).filter(({ kind }) => typeof kind === "string") : undefined;
  } catch {
    return undefined;
  }
}
