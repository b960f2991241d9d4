/** What `ethtool` says of an interface. Its own tests of a driver's abilities are its exit code. */
import type { Finding } from "./finding.js";
import type { System } from "./system.js";

/** Fields of the output, `name: value`; undefined if there is no ethtool or the driver doesn't support it. */
export function askEthtool(system: System, flag: string, device: string): Map<string, string> | undefined {
  const ran = system.run(["ethtool", flag, device]);
  if (ran?.status !== 0) return undefined;
  const fields = new Map<string, string>();
  for (const line of ran.stdout.split("\n")) {
    const [, name, value] = /^\s*([^:]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined && value !== "") fields.set(name, value);
  }
  return fields;
}

/** A change by `ethtool`, and back. */
export function ethtoolChange(flag: string, device: string, to: readonly string[], back: readonly string[]) {
  return {
    kind: "command",
    setting: `ethtool ${flag} ${device} ${to.filter((_, index) => index % 2 === 0).join(" ")}`,
    apply: ["ethtool", flag, device, ...to],
    undo: ["ethtool", flag, device, ...back],
  } as const;
}

/** Several checks need it; one says that it is missing. */
export function missingEthtool(system: System): Finding | undefined {
  if (system.run(["ethtool", "--version"]) !== undefined) return undefined;
  return {
    severity: "note",
    what: "ethtool isn't installed, so the network card's own settings can't be read",
    cost: "Not looked at: interrupt coalescing, Energy-Efficient Ethernet, pause frames, offloads.",
    evidence: "ethtool --version: no such program",
    remedy: ["sudo apt-get install ethtool"],
  };
}
