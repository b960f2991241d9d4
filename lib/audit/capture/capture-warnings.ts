/** What a capture's reader has to know before he believes what comes of it. */
import { formatDuration } from "../../common/units.js";
import type { ByteCounts, Observation } from "../observation.js";
import { auditWarning, type AuditWarning } from "../warnings.js";
import type { SetBack } from "./clock.js";
import { endpointText } from "./endpoints.js";
import { MOST_NAMED, type Flow, type OtherFlow } from "./flows.js";
import type { Hole } from "./holes.js";
import type { Place } from "./link.js";
import type { CaptureFile } from "./raw-packet.js";
import type { Sighted } from "./sightings.js";

/** Bytes of a condition below which nothing can be said of how random they are: five of each value. */
const FEWEST_BYTES = 5 * 256;

/** What came up while a capture was read. */
export interface Read {
  file: CaptureFile;
  flow: Flow;
  otherFlows: readonly OtherFlow[];
  found: readonly (Sighted & { direction: string })[];
  setBacks: readonly SetBack[];
  holes: readonly Hole[];
  copies: number;
  observations: readonly Observation[];
  /** Datagrams put in order. */
  behind: number;
  /** Datagrams of no certain stretch. */
  ambiguous: number;
}

export function captureWarnings(read: Read): AuditWarning[] {
  return [
    ...flowWarnings(read),
    ...placeWarnings(read),
    ...clockWarnings(read),
    ...(read.file.untimed > 0
      ? [
          auditWarning(
            "I405_AUDIT_UNTIMED",
            `${count(read.file.untimed)} packets of the capture have no time, and were left out`,
            "Where they may be the tunnel's, capture with tcpdump, which gives each packet one",
          ),
        ]
      : []),
    ...byteWarnings(read.observations),
  ];
}

function flowWarnings({ flow, otherFlows }: Read): AuditWarning[] {
  if (otherFlows.length === 0) return [];
  const list = otherFlows
    .slice(0, MOST_NAMED)
    .map(
      ({ between, packets, inside }) => `${between.join(" and ")} (${count(packets)}, ${count(inside)} in stretches)`,
    );
  const more = otherFlows.length > MOST_NAMED ? `, and ${otherFlows.length - MOST_NAMED} more` : "";
  const message =
    `the capture has more than one flow that may be the tunnel; audited is the one between ${endpointText(flow.client)} ` +
    `and ${endpointText(flow.server)}, and not those of other clients or translated addresses: ${list.join(", ")}${more}`;
  return [auditWarning("I405_AUDIT_FLOWS", message, "Choose one by an address and port of it (--endpoint, endpoint)")];
}

function placeWarnings({ found, copies }: Read): AuditWarning[] {
  const warnings: AuditWarning[] = [];
  const where = found.map(({ direction, at }) => `${direction} on ${placeText(at)}`).join(", ");
  const remedy = "Capture on one interface, the outermost";
  if (copies > 0) {
    const message = `${count(copies)} datagrams were seen twice or more, as on a machine with VLANs, bridges or a mirrored port; each counts once, as seen ${where}`;
    warnings.push(auditWarning("I405_AUDIT_COPIES", message, remedy));
  }
  const unclear = found.reduce((sum, each) => sum + each.unclear, 0);
  if (unclear > 0) {
    const message = `${count(unclear)} datagrams on other interfaces may be copies, which nobody can tell because payloads are alike; they were left out, and what counts is ${where}`;
    warnings.push(auditWarning("I405_AUDIT_INTERFACES", message, remedy));
  }
  const turns = found.filter(({ clocks }) => clocks.length > 1);
  if (turns.length > 0) {
    const parts = turns.map(({ direction, clocks }) => {
      const each = clocks.map(({ interface: on, timesNs }) => `${count(timesNs.length)} on interface ${on}`);
      return `${direction}: ${each.join(", ")}`;
    });
    const message = `datagrams of one direction were seen on several interfaces by turns, whose timestamps may differ (${parts.join("; ")})`;
    warnings.push(auditWarning("I405_AUDIT_INTERFACES", message, remedy));
  }
  return warnings;
}

function placeText({ interface: on, vlan }: Place): string {
  const tag = vlan === 0 ? "" : `, VLAN ${vlan > 4095 ? `${Math.floor(vlan / 4096)}.` : ""}${vlan % 4096}`;
  return `interface ${on}${tag}`;
}

function clockWarnings({ file, setBacks, holes, behind, ambiguous }: Read): AuditWarning[] {
  const at = (ns: number) => (file.originS + ns / 1e9).toFixed(3);
  const warnings = setBacks.map(({ beforeNs, afterNs }) => {
    const back = formatDuration(Math.round(beforeNs - afterNs));
    const lost = ambiguous === 0 ? "" : `; ${count(ambiguous)} datagrams whose stretch is uncertain were left out`;
    const message = `the capturing machine's clock was set back by about ${back} at ${at(beforeNs)}: stretches are cut there, and no gap is taken over the cut${lost}`;
    return auditWarning("I405_AUDIT_CLOCK", message, "Keep the clock from being set while capturing");
  });
  for (const { fromNs, toNs, label } of holes) {
    const message = `for ${formatDuration(Math.round(toNs - fromNs))} from ${at(fromNs)} on ("${label}") neither direction has a packet, and both go on as before: the clock was set forward, the capture lost packets, or the network stood still. No gap is taken over it`;
    warnings.push(
      auditWarning("I405_AUDIT_CLOCK", message, "Look at what happened then; capture again if you don't know"),
    );
  }
  if (behind > 0) {
    const message = `${count(behind)} datagrams stand in the file behind later ones, and were put in order`;
    warnings.push(
      auditWarning("I405_AUDIT_ORDER", message, "Nothing, if they are few: captures of several cores have that"),
    );
  }
  return warnings;
}

function byteWarnings(observations: readonly Observation[]): AuditWarning[] {
  const few = ({ all }: ByteCounts) => all.reduce((sum, each) => sum + each, 0) < FEWEST_BYTES;
  const blind = observations
    .filter(({ bytes }) => bytes.length > 0 && bytes.every(few))
    .map(({ direction }) => direction);
  if (blind.length === 0) return [];
  const message = `too few payload bytes of ${blind.join(" and ")} are in the capture to say whether they are random`;
  return [auditWarning("I405_AUDIT_BYTES", message, "Capture at least 128 bytes of each packet (tcpdump -s 128)")];
}

function count(value: number): string {
  return value.toLocaleString("en");
}
