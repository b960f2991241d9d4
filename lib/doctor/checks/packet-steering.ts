/** RPS and XPS: which cores the kernel handles packets on. */
import type { Change, Check, Finding } from "../finding.js";
import { remedyOf } from "../finding.js";
import { formatList, formatMask, parseMask } from "../parse.js";
import type { System, Target } from "../system.js";

export const packetSteering: Check = {
  id: "packet-steering",
  title: "RPS and XPS",
  group: "network",
  look(system, target) {
    const { egress } = target;
    if (egress === undefined) return [];
    const folder = `/sys/class/net/${egress}/queues`;
    const queues = system.readDir(folder);
    if (queues.length === 0) return [];
    return [receive(system, target, folder, queues), ...transmit(system, target, folder, queues)];
  },
};

function receive(system: System, { cpu }: Target, folder: string, queues: readonly string[]): Finding {
  const masks = queues.flatMap((queue) => {
    const path = `${folder}/${queue}/rps_cpus`;
    const text = system.readFile(path);
    return text === undefined ? [] : [{ path, text, cores: parseMask(text) }];
  });
  const bad = masks.filter(({ cores }) => cores.includes(cpu));
  const [first] = bad;
  const evidence = `${folder}/rx-*/rps_cpus: ${masks.map(({ text }) => text).join(" ") || "none"}`;
  if (first === undefined) {
    return { severity: "ok", what: "no received packets are steered to the timed thread's core", evidence };
  }
  const rest = (cores: readonly number[]) => cores.filter((core) => core !== cpu);
  const changes = bad.map(({ path, cores }): Change => ({ kind: "file", path, value: formatMask(rest(cores)) }));
  return {
    severity: "warning",
    what: `received packets are steered to core ${cpu}, the timed thread's (RPS)`,
    cost: "Their handling takes the core for microseconds each: received traffic shows in the send times.",
    evidence,
    remedy: remedyOf(changes),
    fix: { changes },
  };
}

function transmit(system: System, { cpu }: Target, folder: string, queues: readonly string[]): Finding[] {
  const transmits = queues.filter((queue) => queue.startsWith("tx-"));
  const masks = transmits.flatMap((queue) => {
    const path = `${folder}/${queue}/xps_cpus`;
    const text = system.readFile(path);
    return text === undefined ? [] : [{ path, text, cores: parseMask(text) }];
  });
  const own = masks.find(({ cores }) => cores.includes(cpu));
  if (transmits.length < 2 || own === undefined || own.cores.length < 2) return [];
  return [
    {
      severity: "note",
      what: `core ${cpu} shares its transmit queue with cores ${formatList(own.cores.filter((core) => core !== cpu))} (XPS)`,
      cost: "A slot waits for the queue's lock, and behind what those cores have put in it.",
      evidence: `${own.path}: ${own.text}`,
      remedy: [`echo ${formatMask([cpu])} | sudo tee ${own.path}`],
      advice: "Give the other cores the other queues in the same way.",
    },
  ];
}
