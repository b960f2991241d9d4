/** Which cores the network card interrupts. */
import type { Change, Check } from "../finding.js";
import { remedyOf } from "../finding.js";
import { formatList, parseList } from "../parse.js";
import type { System } from "../system.js";

/** Interrupts that are named in full. */
const SHOWN = 6;

/** Numbers of the card's interrupts. A virtio device's are its parent's. */
function interruptsOf(system: System, device: string): string[] {
  const folder = `/sys/class/net/${device}/device`;
  const own = [`${folder}/msi_irqs`, `${folder}/../msi_irqs`].map((path) => system.readDir(path));
  const found = own.find((numbers) => numbers.length > 0);
  const line = system.readFile(`${folder}/irq`);
  return [...(found ?? (line === undefined || line === "0" ? [] : [line]))];
}

export const nicInterrupts: Check = {
  id: "nic-interrupts",
  title: "interrupts of the network card",
  group: "network",
  look(system, { egress, cpu }) {
    if (egress === undefined) return [];
    const interrupts = interruptsOf(system, egress).flatMap((number) => {
      const path = `/proc/irq/${number}/smp_affinity_list`;
      const allowed = system.readFile(path);
      const chosenBy = `/proc/irq/${number}/effective_affinity_list`;
      const effective = system.readFile(chosenBy) ?? "";
      return allowed === undefined
        ? []
        : [{ number, path, chosenBy, allowed, effective: effective === "" ? allowed : effective }];
    });
    if (interrupts.length === 0) return [];
    const evidence = `/proc/irq/N/effective_affinity_list: ${interrupts
      .slice(0, SHOWN)
      .map(({ number, effective }) => `${number} on ${effective}`)
      .join(", ")}${interrupts.length > SHOWN ? ", ..." : ""}`;
    const others = system.cores.filter((core) => core !== cpu);
    const here = interrupts.filter(({ effective }) => parseList(effective).includes(cpu));
    const could = interrupts.filter(({ allowed }) => parseList(allowed).includes(cpu));
    if (could.length === 0) {
      return [{ severity: "ok", what: `${egress} interrupts other cores than the timed thread's`, evidence }];
    }
    const changes = could.map(({ path, chosenBy }): Change => ({
      kind: "file",
      path,
      value: formatList(others),
      effective: chosenBy,
    }));
    const [where, of] = here.length > 0 ? ["interrupts", here] : ["may interrupt", could];
    return [
      {
        severity: here.length > 0 && others.length > 0 ? "warning" : "note",
        what: `${egress} ${where} core ${cpu}, the timed thread's (${of.length} of ${interrupts.length} interrupts)`,
        cost:
          "Each takes the core for 2 to 50 us, before a slot as well as after it, and there are as many as there is traffic: " +
          "they carry the tunnel's own load, and everybody else's, into the send times.",
        evidence,
        ...(others.length === 0
          ? { advice: "There is no other core to send them to." }
          : {
              remedy: remedyOf(changes),
              advice: "irqbalance moves them back: stop it, or ban the core (IRQBALANCE_BANNED_CPULIST).",
              fix: { changes },
            }),
      },
    ];
  },
};
