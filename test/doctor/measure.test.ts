/** Measuring, what follows from it, and the recommendation, with probes that say what the test wants. */
import t from "tap";
import type { NativeEgress, NativeLateness, NativeLosses, Probes } from "../../lib/native/probes.js";
import { quietestCores } from "../../lib/doctor/interrupts.js";
import { lostShare, measure, type CoreMeasurement } from "../../lib/doctor/measure.js";
import { measuredFindings } from "../../lib/doctor/measured.js";
import { recommend, type Circumstances } from "../../lib/doctor/recommend.js";
import { measureUplink, uplinkFinding } from "../../lib/doctor/uplink.js";
import { SILENT_PROBES, summaryOf } from "../../lab/fake/probes.js";
import { FakeHands, said, TARGET } from "./fake-system.js";

t.test("conditions alternate, every core gets its stretches, and the load is on when it should be", async (t) => {
  const calls: string[] = [];
  let loaded = false;
  const probes: Probes = {
    ...SILENT_PROBES,
    lateness: (request) => {
      calls.push(
        `${request.marginNs === null ? "sleep" : "spin"} ${request.cpu} ${request.burner} ${loaded ? "loaded" : "idle"} ${request.slots}`,
      );
      return SILENT_PROBES.lateness(request);
    },
    losses: (request) => {
      calls.push(`losses ${request.cpu} ${request.durationNs}`);
      return SILENT_PROBES.losses(request);
    },
  };
  const tools = {
    probes,
    underLoad: async <T>(cores: number, work: () => Promise<T>) => {
      calls.push(`load ${cores}`);
      loaded = true;
      const result = await work();
      loaded = false;
      return result;
    },
  };
  const progress: string[] = [];
  const request = {
    cpus: [1, 0],
    cores: 4,
    seconds: 2.8,
    stolenMs: () => undefined,
    isStopped: () => false,
    onProgress: (text: string) => progress.push(text),
  };
  const measured = await measure(tools, request);
  const ways = (condition: string) => [
    ...["sleep 1 off", "spin 1 off", "spin 1 cpu", "spin 1 all"].map((way) => `${way} ${condition} 100`),
    ...(condition === "idle" ? ["losses 1 100000000"] : []),
    ...["sleep 0 off", "spin 0 off"].map((way) => `${way} ${condition} 100`),
    ...(condition === "idle" ? ["losses 0 100000000"] : []),
  ];
  const round = [...ways("idle"), "load 4", ...ways("loaded")];
  t.same(calls, [...round, ...round]);
  t.equal(progress.length, 4);
  const twice = { idle: { length: 2 }, loaded: { length: 2 } };
  const [core, other] = measured?.cores ?? [];
  t.match(core, { cpu: 1, losses: { length: 2 }, sleep: twice, spin: twice, burner: { cpu: twice, all: twice } });
  t.match(other, { cpu: 0, sleep: twice, spin: twice, burner: null });
});

t.test("a signal ends it at the next stretch", async (t) => {
  let calls = 0;
  const probes: Probes = { ...SILENT_PROBES, lateness: (request) => ((calls += 1), SILENT_PROBES.lateness(request)) };
  const request = {
    cpus: [0, 1],
    cores: 2,
    seconds: 1,
    stolenMs: () => undefined,
    isStopped: () => calls > 0,
    onProgress: () => undefined,
  };
  t.equal(await measure({ probes, underLoad: (_cores, work) => work() }, request), undefined);
  t.equal(calls, 1);
});

t.test("a failing probe is the caller's to hear of", async (t) => {
  const probes: Probes = { ...SILENT_PROBES, lateness: () => Promise.reject(new Error("no thread")) };
  const request = {
    cpus: [0],
    cores: 1,
    seconds: 1,
    stolenMs: () => undefined,
    isStopped: () => false,
    onProgress: () => undefined,
  };
  await t.rejects(measure({ probes, underLoad: (_cores, work) => work() }, request), /no thread/);
});

function lateness(us: number, wakeUpUs = us): NativeLateness {
  return { wakeUp: summaryOf(wakeUpUs * 1000), call: summaryOf(us * 1000), missed: 0, isFifo: true };
}

function losses(share: number): NativeLosses {
  return { wantedNs: 1e9, lostNs: share * 1e9, gaps: share > 0 ? 3 : 0, longestNs: share * 1e9, isFifo: true };
}

/** Sleep and spin lateness, idle and loaded, us; with a burner every wake-up takes 20 us but for `kept`. */
function coreOf(
  cpu: number,
  sleep: [number, number],
  spin: [number, number],
  share = 0,
  kept: [number, number] = [20, 20],
): CoreMeasurement {
  const burnt = ([idle, loaded]: [number, number]) => ({ idle: [lateness(0, idle)], loaded: [lateness(0, loaded)] });
  return {
    cpu,
    burner: { cpu: burnt(kept), all: burnt([20, 20]) },
    sleep: { idle: [lateness(sleep[0])], loaded: [lateness(sleep[1])] },
    spin: { idle: [lateness(spin[0], sleep[0])], loaded: [lateness(spin[1], sleep[1])] },
    losses: [losses(share)],
    stolenMs: 20,
  };
}

t.test("shares", async (t) => {
  t.equal(lostShare({ ...coreOf(0, [1, 1], [1, 1]), losses: [losses(0.01), losses(0.03)] }), 0.02);
  t.equal(lostShare({ ...coreOf(0, [1, 1], [1, 1]), losses: [] }), 0);
});

t.test("what the measurements say", async (t) => {
  const bad = measuredFindings({ seconds: 4, cores: [coreOf(1, [60, 25], [1, 1], 0.016)] });
  t.match(bad[0]?.evidence, /steal counter went up by 20 ms/);
  t.match(said(bad), [/^warning: core 1 loses 1\.60 %/, /^warning: core 1: asleep, an idle machine is 35\.0 us later/]);
  const good = measuredFindings({ seconds: 4, cores: [coreOf(1, [25, 24], [1, 1])] });
  t.match(said(good), [/^ok: core 1 loses 0\.000 %/, /^ok: core 1: idle and loaded sleep alike/]);
});

const HERE: Circumstances = {
  ...{ target: TARGET, cores: 2, isVirtual: true, isIsolated: false, mtu: 1500 },
  measurements: { seconds: 4, cores: [coreOf(1, [60, 25], [0.5, 0.1]), coreOf(0, [60, 25], [0.5, 0.1])] },
};

t.test("dozy where spinning pays; the margin covers waking up and building", async (t) => {
  const advice = recommend(HERE);
  t.match(advice, {
    pollMode: "dozy",
    cpu: 1,
    marginNs: 80_000,
    length: 1500,
    flags: "--poll-mode dozy --cpu 1 --burner cpu --finalize-delta 80us",
  });
  t.match(advice.reasons.join("\n"), /dozy: p99 0\.5 us against 60\.0 us asleep.*one of 2 cores/);
  t.equal(advice.intervalNs, Math.round((1500 / 102_400) * 1e9));
});

t.test("a burner where waking up differs by load, and a core is left for the rest", async (t) => {
  const with_ = (sleep: [number, number], cores: number, isVirtual = false, kept: [number, number] = [20, 20]) =>
    recommend({
      ...{ ...HERE, cores, isVirtual },
      measurements: { seconds: 4, cores: [coreOf(1, sleep, [0.5, 0.1], 0, kept)] },
    });
  t.same(
    [with_([28, 20], 2), with_([22, 20], 2), with_([28, 20], 1)].map(({ burner }) => burner),
    ["cpu", "off", "off"],
  );
  const notEnough = with_([28, 20], 2, false, [26, 20]);
  t.equal(notEnough.burner, "all");
  t.match(
    notEnough.reasons.join("\n"),
    /burner all: .*8\.0 us apart.*, 6\.0 us with burner cpu, 0\.0 us with all; .*every core$/m,
  );
  const virtual = with_([28, 20], 2, true);
  t.equal(virtual.burner, "cpu");
  t.match(virtual.reasons.join("\n"), /burner cpu: .*that core; in a virtual machine compare it with the other one/);
  t.equal(recommend({ ...HERE, measurements: null }).burner, "off");
});

t.test("sleepy where it doesn't, spinny where a core is to be had", async (t) => {
  const useless = { ...HERE, measurements: { seconds: 4, cores: [coreOf(1, [5, 5], [6, 6])] } };
  t.match(recommend(useless), { pollMode: "sleepy", marginNs: null, flags: "--poll-mode sleepy --cpu 1" });
  t.match(recommend({ ...HERE, cores: 8, isVirtual: false, isIsolated: true }), { pollMode: "spinny", marginNs: null });
  t.match(recommend({ ...HERE, cores: 8, isVirtual: true, isIsolated: true }), { pollMode: "dozy" });
});

t.test("the margin within its bounds; a stall isn't covered", async (t) => {
  const marginOf = (sleepUs: number) =>
    recommend({ ...HERE, measurements: { seconds: 4, cores: [coreOf(1, [sleepUs, sleepUs], [0.1, 0.1])] } }).marginNs;
  t.equal(marginOf(1), 50_000);
  t.equal(marginOf(300), 320_000);
  t.equal(marginOf(7000), 500_000);
});

t.test("another core, if it loses much less", async (t) => {
  const cores = [coreOf(1, [60, 25], [0.5, 0.1], 0.02), coreOf(0, [60, 25], [0.5, 0.1], 0.001)];
  t.equal(recommend({ ...HERE, measurements: { seconds: 4, cores } }).cpu, 0);
  const little = [coreOf(1, [60, 25], [0.5, 0.1], 0.001), coreOf(0, [60, 25], [0.5, 0.1], 0)];
  t.equal(recommend({ ...HERE, measurements: { seconds: 4, cores: little } }).cpu, 1);
  const alike = [coreOf(1, [60, 25], [0.5, 0.1], 0.02), coreOf(0, [60, 25], [0.5, 0.1], 0.01)];
  t.equal(recommend({ ...HERE, measurements: { seconds: 4, cores: alike } }).cpu, 1);
});

t.test("the shortest interval grows with what differs between idle and loaded", async (t) => {
  const shortest = (spin: [number, number]) =>
    recommend({ ...HERE, measurements: { seconds: 4, cores: [coreOf(1, [600, 600], spin)] } });
  // summaryOf has a standard deviation of a quarter of its figure: 20 us idle against 5 us loaded, as in the example.
  const known = shortest([80, 20]);
  t.equal(known.shortestIntervalNs, 4e6, "2.5 ms of jitter x (10^6 / 2.5 x 10^6)^(1/4), twice that, rounded up");
  t.equal(shortest([80, 80]).shortestIntervalNs, 300_000, "alike: what sending itself adds, 1 us");
  const fast = recommend({
    ...HERE,
    target: { ...TARGET, rate: 10e6 },
    measurements: { seconds: 4, cores: [coreOf(1, [600, 600], [80, 20])] },
  });
  t.match(fast.reasons.at(-1), /interval 150us is short/);
});

t.test("without measuring", async (t) => {
  const advice = recommend({ ...HERE, measurements: null, mtu: undefined });
  t.match(advice, { pollMode: "dozy", cpu: 1, marginNs: null, shortestIntervalNs: null, length: 1500 });
  t.match(recommend({ ...HERE, measurements: null, mtu: 1280 }).length, 1280);
});

t.test("the quietest cores", async (t) => {
  const interrupts = `           CPU0       CPU1       CPU2
 41:       5541          10          0 PCI-MSIX virtio3-rx
 42:          0          10          20 PCI-MSIX virtio3-tx
LOC:   1         90000         1 Local timer interrupts`;
  const cores = [0, 1, 2];
  const files = { "/proc/interrupts": interrupts };
  t.same(quietestCores(new FakeHands({ files, cores })), [2, 1, 0], "of equals the last; timers don't count");
  const isolated = { ...files, "/sys/devices/system/cpu/isolated": "0" };
  t.same(quietestCores(new FakeHands({ files: isolated, cores })), [0, 2, 1]);
  t.same(quietestCores(new FakeHands({ cores })), [2, 1, 0]);
});

t.test("the uplink, alone and beside a flow", async (t) => {
  const asked: boolean[] = [];
  const egress = (aloneUs: number, besideUs: number, count = 500): Probes => ({
    ...SILENT_PROBES,
    egress: ({ flow, slots }): Promise<NativeEgress> => {
      asked.push(flow);
      const delay = summaryOf((flow ? besideUs : aloneUs) * 1000, count);
      return Promise.resolve({ delay, sent: slots, flowBytes: flow ? 62_500_000 : 0 });
    },
  });
  const never = () => false;
  const bad = uplinkFinding(await measureUplink(egress(10, 510), "203.0.113.7:1405", 1, never), "eth0");
  t.match(bad, {
    severity: "warning",
    what: /by 500 us before/,
    evidence: /1000 Mbit\/s/,
    remedy: [/dev eth0/, /5125/],
  });
  t.same(asked, [false, true, false, true, false, true]);
  const good = uplinkFinding(await measureUplink(egress(10, 20), "203.0.113.7:1405", 1, never), "eth0");
  t.equal(good.severity, "ok");
  const silent = uplinkFinding(await measureUplink(egress(0, 0, 0), "203.0.113.7:1405", 1, never), "eth0");
  t.match(silent, { severity: "note", what: /no transmit timestamps/ });
  t.same(await measureUplink(egress(0, 0), "x", 1, () => true), { alone: [], beside: [] });
});
