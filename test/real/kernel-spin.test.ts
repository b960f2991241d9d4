/**
 * `--send-by kernel` over a cable between two namespaces: a program at the cable's egress hook holds each slot until its
 * deadline. It goes where the way leads, and ends with the command.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import t from "tap";
import type { Deviation } from "../../index.js";
import { cutCable, newCable } from "../../lab/host/cable.js";
import type { Netns } from "../../lab/host/netns.js";
import { testkit } from "../../lab/host/testkit.js";
import { pingsAnswered } from "../../lab/host/traffic.js";
import { commandOf, end, FAST, INNER, node, passwordFile, PORT, skip, Stage } from "./support.js";

const KERNEL = ["--send-by", "kernel"];
const REPORTS = ["--outgoing-send-deviation-stats", "200ms"];

/** What a process holds of the kernel's: programs by id, and hooks by the number of their interface. */
function held(pid: number): { programs: number[]; interfaces: number[] } {
  const files = readdirSync(`/proc/${pid}/fdinfo`).map((name) => {
    try {
      return readFileSync(`/proc/${pid}/fdinfo/${name}`, "utf8");
    } catch {
      // Closed meanwhile.
      return "";
    }
  });
  const numbers = (name: string) =>
    files.flatMap((file) =>
      [...file.matchAll(new RegExp(`^${name}:\\t(\\d+)$`, "gm"))].map(([, value]) => Number(value)),
    );
  return { programs: [...new Set(numbers("prog_id"))], interfaces: numbers("ifindex") };
}

function loaded(): number[] {
  const lines = execFileSync(testkit("bpf-programs"), { encoding: "utf8" }).split("\n");
  return lines.filter((line) => line !== "").map((line) => (JSON.parse(line) as { id: number }).id);
}

function numberOf(place: Netns): number {
  const [link] = JSON.parse(place.exec(["ip", "-json", "link", "show", place.device])) as [{ ifindex: number }];
  return link.ifindex;
}

const ping = (stage: Stage) =>
  pingsAnswered(stage.a, { to: INNER.server4, length: 84, count: 10, meanMs: 20, timeoutMs: 3000 });

for (const mode of ["sleepy", "dozy", "spinny"]) {
  t.test(
    `${mode}: slots go by the hook at the cable, both ways, and carry what they carry otherwise`,
    { skip },
    async (t) => {
      const flags = [...KERNEL, ...REPORTS];
      // Two that spin would leave other tests no core.
      const own = mode === "spinny" ? "dozy" : mode;
      const stage = new Stage(t, {
        client: [...FAST, ...flags, "--poll-mode", mode],
        server: [...flags, "--poll-mode", own],
      });
      const { client, server } = await stage.connect();
      t.match(await ping(stage), { received: 10, corrupt: 0 });
      for (const [program, place] of [
        [client, stage.a],
        [server, stage.b],
      ] as const) {
        const { programs, interfaces } = held(program.pid);
        t.same(interfaces, [numberOf(place)], "at the cable, and nowhere else");
        t.equal(programs.length, 1);
        t.ok(loaded().includes(programs[0]!));
      }
      const deviations = () => client.events.filter(({ event }) => event === "deviation") as unknown as Deviation[];
      await client.until("three reports", () => deviations().length >= 3 || undefined);
      t.equal(deviations().at(-1)!.source, "call", "whose end is when a slot leaves");
      const { programs } = held(client.pid);
      const { code, stats } = await end(client);
      t.equal(code, 0);
      t.equal(stats.slots.sendErrors, 0);
      t.notOk(client.events.some(({ event, code }) => event === "warning" && code === "I405_BPF"));
      t.notOk(loaded().includes(programs[0]!), "nothing is left of it");
    },
  );
}

t.test(
  "a cable that is replaced gets the hook, and nothing stays behind a command that is killed",
  { skip },
  async (t) => {
    const stage = new Stage(t, { client: [...FAST, ...KERNEL, "--server-timeout", "1s"] });
    const { client } = await stage.connect();
    const before = held(client.pid);
    cutCable(stage.pair);
    newCable(stage.pair);
    const number = numberOf(stage.a);
    t.not(number, before.interfaces[0]);
    await client.until("the new hook", () => held(client.pid).interfaces.includes(number) || undefined);
    t.match(await ping(stage), { received: 10, corrupt: 0 });
    const { programs } = held(client.pid);
    t.same(programs, before.programs, "the same program");
    await client.stop("SIGKILL");
    t.notOk(loaded().includes(programs[0]!), "nothing is left of it");
  },
);

t.test("two tunnels at one cable: each has its own program there, and sends its own slots", { skip }, async (t) => {
  const stage = new Stage(t, { client: [...FAST, ...KERNEL], server: KERNEL });
  const { client } = await stage.connect();
  const other = `${stage.b.ipv4}:${PORT + 1}`;
  const flags = ["--json", "--device", "packets", "--no-sched-fifo", ...KERNEL];
  const secret = ["--password-file", passwordFile(stage.folder, "other")];
  const listening = node(stage.b, commandOf(["server", "--listen-addr", other, ...flags, ...secret]));
  await listening.event("listening");
  const second = node(stage.a, commandOf(["client", "--peer", other, ...flags, ...FAST, ...secret]));
  await Promise.all([listening.event("connected"), second.event("connected")]);
  const [one, two] = [held(client.pid), held(second.pid)];
  t.same([one.interfaces, two.interfaces], [[numberOf(stage.a)], [numberOf(stage.a)]], "both at the cable");
  t.not(one.programs[0], two.programs[0]);
  t.match(await ping(stage), { received: 10, corrupt: 0 });
  const { code, stats } = await end(second);
  t.equal(code, 0);
  t.match(stats.slots, { sendErrors: 0 });
  t.same(held(client.pid), one, "the first one's stays");
  t.match(await ping(stage), { received: 10, corrupt: 0 });
  t.equal((await end(client)).stats.slots.sendErrors, 0);
  await end(listening);
});

t.test("without the capability it is refused, with what it takes", { skip }, async (t) => {
  const stage = new Stage(t);
  const without = ["setpriv", "--bounding-set", "-bpf,-sys_admin"];
  const flags = ["--json", "--device", "packets", ...KERNEL, "--password-file", passwordFile(stage.folder)];
  for (const [place, args] of [
    [stage.b, ["server", "--listen-addr", stage.endpoint, ...flags]],
    [stage.a, ["client", "--peer", `${stage.b.ipv4}:${PORT}`, ...flags]],
  ] as const) {
    const program = node(place, commandOf(args), without);
    const remedy = /Give the program CAP_BPF and CAP_NET_ADMIN, or leave --send-by out/;
    t.match(await program.event("error"), { code: "ERR_I405_BPF", option: "send-by", message: remedy });
    t.match(await program.exit, { code: 3 });
  }
});
