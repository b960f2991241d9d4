/** What is lost is said once, put back, and not fought over for ever: a pretended kernel in simulated time. */
import t from "tap";
import { RouteKeeper } from "../../lib/cli/route-keeper.js";
import { lookOf, planRoutes, type RouteStep } from "../../lib/cli/routes.js";
import { SimulatedTime } from "../../lab/fake/time.js";

const { steps } = planRoutes({ routes: ["10.0.0.0/8", "11.0.0.0/8"], device: "tun0", fwmark: 1, families: [4] });

/** A machine on which both routes can be there or not. */
class Machine {
  readonly time = new SimulatedTime();
  readonly there = new Set(["10.0.0.0/8", "11.0.0.0/8"]);
  readonly said: string[] = [];
  /** When what was put back, ms. */
  readonly puts: number[] = [];
  refusal: string | null = null;
  lists = 0;
  canList = true;
  readonly keeper: RouteKeeper;

  constructor() {
    const clock = this.time.clock();
    const names = (of: readonly RouteStep[]) => of.map(({ what }) => what[0]).join(",");
    const nowMs = () => Number(clock.monotonicNs()) / 1e6;
    this.keeper = new RouteKeeper({
      steps,
      list: (parameters) => {
        t.same(parameters, lookOf(steps[0]!));
        this.lists += 1;
        return Promise.resolve(this.canList ? [...this.there].map((dst) => ({ dst })) : null);
      },
      putBack: (at) => {
        if (this.refusal !== null) return Promise.resolve(this.refusal);
        this.puts.push(nowMs());
        this.there.add(steps[at]!.what[0]!);
        return Promise.resolve(null);
      },
      report: {
        lost: (lost) => this.said.push(`lost ${names(lost)}`),
        back: (back) => this.said.push(`back ${names(back)}`),
        refused: (step, reason) => this.said.push(`refused ${names([step])}: ${reason}`),
        contested: (pauseMs) => this.said.push(`contested ${pauseMs}`),
      },
      nowMs,
      after: (ms, act) => {
        const timer = clock.setTimer(act, ms);
        return () => {
          clock.clearTimer(timer);
        };
      },
    });
  }

  /** Somebody removes these, and the kernel tells of it. */
  lose(...routes: string[]): void {
    for (const route of routes) this.there.delete(route);
    this.keeper.look();
  }
}

t.test("a loss is said with all that is gone, put back at once, and said again", async (t) => {
  const machine = new Machine();
  machine.lose("10.0.0.0/8", "11.0.0.0/8");
  await machine.time.pass(100);
  t.same(machine.said, ["lost 10.0.0.0/8,11.0.0.0/8", "back 10.0.0.0/8,11.0.0.0/8"]);
  machine.keeper.look();
  await machine.time.pass(100);
  t.equal(machine.said.length, 2, "what is there is nothing to speak of");
  machine.lose("11.0.0.0/8");
  await machine.time.pass(100);
  t.same(machine.said.slice(2), ["lost 11.0.0.0/8", "back 11.0.0.0/8"]);
  machine.keeper.stop();
});

t.test("what can't be put back is tried at every change, and refused once in the log", async (t) => {
  const machine = new Machine();
  machine.refusal = "Network is down";
  machine.lose("10.0.0.0/8");
  await machine.time.pass(3000);
  machine.lose("11.0.0.0/8");
  await machine.time.pass(3000);
  t.same(machine.said, ["lost 10.0.0.0/8", "refused 10.0.0.0/8: Network is down"]);
  machine.refusal = null;
  machine.keeper.look();
  await machine.time.pass(100);
  t.same(machine.said.slice(2), ["back 10.0.0.0/8,11.0.0.0/8"]);
  machine.keeper.stop();
});

t.test("a change that nobody told of is found within half a minute", async (t) => {
  const machine = new Machine();
  machine.keeper.look();
  await machine.time.pass(1000);
  machine.there.clear();
  await machine.time.pass(31_000);
  t.same(machine.said, ["lost 10.0.0.0/8,11.0.0.0/8", "back 10.0.0.0/8,11.0.0.0/8"]);
  machine.keeper.stop();
});

t.test("who takes them away each time is not fought for ever, and it is said", async (t) => {
  const machine = new Machine();
  for (let second = 0; second < 600; second += 1) {
    machine.lose("10.0.0.0/8");
    await machine.time.pass(1000);
  }
  t.ok(machine.puts.length > 20, `${machine.puts.length} times in 10 minutes: never given up`);
  t.ok(machine.puts.length < 40, `${machine.puts.length} times in 10 minutes`);
  const pauses = machine.puts.slice(1).map((at, index) => at - machine.puts[index]!);
  t.ok(Math.max(...pauses) <= 32_000, "no pause is longer than it was said");
  t.same(
    machine.said.filter((line) => line.startsWith("contested")),
    ["contested 30000"],
  );
  t.ok(machine.said.length < 90, `${machine.said.length} records`);
  // Peace: the next loss is a first one again.
  await machine.time.pass(120_000);
  const before = machine.puts.length;
  machine.lose("10.0.0.0/8");
  await machine.time.pass(100);
  t.equal(machine.puts.length, before + 1);
  machine.keeper.stop();
});

t.test("a flood of changes costs a look a second", async (t) => {
  const machine = new Machine();
  for (let at = 0; at < 6000; at += 1) {
    machine.keeper.look();
    await machine.time.pass(10);
  }
  t.ok(machine.lists > 30 && machine.lists < 90, `${machine.lists} looks in a minute`);
  t.same(machine.said, []);
  machine.keeper.stop();
});

t.test("what can't be told is no loss, and after the end nothing is put back", async (t) => {
  const machine = new Machine();
  machine.canList = false;
  machine.lose("10.0.0.0/8");
  await machine.time.pass(100);
  t.same(machine.said, []);
  machine.canList = true;
  machine.keeper.look();
  machine.keeper.stop();
  await machine.time.pass(60_000);
  t.same(machine.puts, []);
});
