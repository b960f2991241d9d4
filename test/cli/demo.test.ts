import t from "tap";
import { bar, columns } from "../../lib/cli/terminal/bars.js";
import { compare, histogram, pooled } from "../../lib/cli/demo/figures.js";
import { Screen } from "../../lib/cli/terminal/screen.js";
import { ipv4Packet, LONGEST, Sender, SHORTEST } from "../../lib/cli/demo/traffic.js";
import { renderVerdict } from "../../lib/cli/demo/verdict.js";
import { renderLine, renderView, type View } from "../../lib/cli/demo/view.js";
import { Watch } from "../../lib/cli/demo/watch.js";
import { SOME_STATS } from "../../lab/fake/cli-stats.js";
import { CONNECTION, PretendTunnel, pretendWorld } from "../../lab/fake/cli-world.js";

const FIGURES = { count: 100, mean: 10, stddev: 2, p1: 8, p50: 9.5, p90: 12, p99: 20, p999: 30, max: 31, missed: 0 };
const DEVIATION = { source: "call" as const, ...FIGURES, unreported: 0 };

/** Eight seconds, two of each kind: a slot each 4 ms, in busy stretches `busyMs`. */
function watched(busyMs = 4, lengths = [1500]): Watch {
  const watch = new Watch(0);
  let atMs = 0;
  let count = 0;
  for (let stretch = 0; stretch < 4; stretch += 1) {
    const condition = stretch % 2 === 0 ? "quiet" : "busy";
    watch.begin(condition, stretch * 2000);
    while (atMs < (stretch + 1) * 2000) {
      // A made-up jitter of +-1 ms that visits its whole width.
      atMs += (condition === "busy" ? busyMs : 4) + ((count * 0.37) % 2) - 1;
      count += 1;
      for (const direction of ["up", "down"] as const)
        watch.saw({ direction, atMs, length: lengths[count % lengths.length]! });
      if (condition === "busy") watch.sent("up", atMs, 1000);
    }
    watch.late(DEVIATION, (stretch + 1) * 2000 - 100, 500);
  }
  return watch;
}

function viewOf(watch: Watch): View {
  const lateness = { client: DEVIATION };
  return {
    watch,
    condition: "busy",
    nowMs: 8000,
    leftMs: 2400,
    pollMode: "dozy",
    intervalMs: 4,
    jitterMs: 1,
    lateness,
  };
}

function verdictOf(watch: Watch): string {
  const stats = [SOME_STATS, SOME_STATS];
  return renderVerdict({ watch, endMs: 8000, wire: CONNECTION.wire.up, stats, program: "i405" }).join("\n");
}

t.test("bars", async (t) => {
  t.equal(bar(0, 4), "    ");
  t.equal(bar(1, 4), "████");
  t.equal(bar(0.5, 4), "██  ");
  t.equal(bar(0.53125, 4), "██▏ ");
  t.equal(bar(7, 4), "████");
  t.equal(columns([0, 1, 4, 8, 9], 8), "·▁▄██");
});

t.test("figures", async (t) => {
  t.same(histogram([0, 1, 1, 9.9, -5, 20], 0, 10, 2), [4 / 6, 2 / 6]);
  const both = pooled([
    { count: 1, mean: 1, stddev: 0 },
    { count: 1, mean: 3, stddev: 0 },
  ]);
  t.same(both, { count: 2, mean: 2, stddev: 1 });
  t.same(pooled([]), { count: 0, mean: 0, stddev: 0 });
});

t.test("two sets of intervals are compared by their cumulative shares", async (t) => {
  const even = Array.from({ length: 1000 }, (_, place) => place / 1000);
  const moved = even.map((value) => value + 0.25);
  t.equal(compare(even, even)?.difference, 0);
  const found = compare(even, moved);
  t.ok(Math.abs((found?.difference ?? 0) - 0.25) < 0.002);
  // 1.628 * sqrt(2 / 1000), from tables of the Kolmogorov distribution.
  t.ok(Math.abs((found?.chance ?? 0) - 0.0728) < 0.0001);
  t.equal(compare(even.slice(0, 99), even), null);
});

t.test("the watch keeps quiet and busy apart, and leaves changes out", async (t) => {
  const watch = new Watch(1000);
  watch.begin("quiet", 1000);
  for (const atMs of [900, 1050, 1150, 1160, 1990]) watch.saw({ direction: "up", atMs, length: 1500 });
  watch.begin("busy", 2000);
  watch.sent("up", 2010, 500);
  for (const atMs of [2050, 2150, 2155]) watch.saw({ direction: "up", atMs, length: 1500 });
  t.same(watch.seen("up", "quiet").intervals, [10, 830]);
  t.same(watch.seen("up", "busy").intervals, [5]);
  t.equal(watch.insideRate("busy", 3000), 500);
  t.equal(watch.insideRate("quiet", 3000), 0);
  watch.late(DEVIATION, 2200, 500);
  t.same(watch.lateness, { quiet: [], busy: [] }, "a report across a change belongs to neither");
  watch.late(DEVIATION, 2900, 500);
  t.equal(watch.lateness.busy.length, 1);
});

t.test("rates are those of the last half second, a little behind", async (t) => {
  const watch = new Watch(0);
  for (let atMs = 0; atMs < 2000; atMs += 10) watch.saw({ direction: "up", atMs, length: 100 });
  t.equal(watch.wire.up.rate(2000), 10_000);
  t.equal(watch.wire.down.rate(2000), 0);
});

t.test("the view", async (t) => {
  const lines = renderView(viewOf(watched()), 100);
  const text = lines.join("\n");
  t.match(lines[0], /dozy, a slot every 4 ms each way. 3 s left/);
  t.match(text, /now BUSY/);
  t.match(text, /up {6}\d+(\.\d+)?KiB\/s {2}█+.* all of 1500 bytes/);
  t.match(text, /inside {2}·{8}[▁-█]{8,9}·{7,8}[▁-█]{7,8}\n/);
  t.match(text, /wire {4}[▁-█]{32}\n/);
  t.equal(lines.filter((line) => /^ {2}\d\.\d\d ms/.test(line)).length, 10);
  t.match(text, /client +9\.5 +12\.0 +20\.0 +31\.0 +0/);
  t.ok(renderView(viewOf(watched()), 40).every((line) => line.length <= 40));
  t.match(renderView(viewOf(new Watch(0)), 80).join("\n"), /nothing yet/);
});

t.test("without a terminal the same as a line", async (t) => {
  const line = renderLine(viewOf(watched()));
  t.match(line, /^ +8\.0 s {2}busy {3}inside up \d.*wire up \d.*all of 1500 bytes; lateness p99 20\.0 us$/);
  t.notMatch(line, "\n");
});

t.test("the verdict: alike, different, too short", async (t) => {
  const alike = verdictOf(watched());
  t.match(alike, /inside +quiet 0 B\/s, busy \d+.*KiB\/s up, in packets of 40 to 1420 bytes/);
  t.match(alike, /VERDICT {2}one size, one rate, one distribution: this watcher cannot tell/);
  t.match(alike, /slots +14 sent by both ends, 2 missed/);
  t.match(alike, /lateness +quiet mean 10\.0 us, stddev 2\.0, max 31\.0; busy mean/);
  t.match(alike, /i405 server --listen-addr .*\n.*i405 client --peer/);
  t.match(verdictOf(watched(5)), /VERDICT {2}this watcher saw a difference/);
  t.match(verdictOf(watched(4, [1500, 1400])), /1400 to 1500 bytes[^]*VERDICT {2}this watcher saw a difference/);
  t.match(verdictOf(new Watch(0)), /lateness +quiet not measured; busy not measured[^]*VERDICT {2}too short/);
});

t.test("the screen is drawn in place and given back", async (t) => {
  const world = pretendWorld();
  world.io.terminal = () => ({ columns: 80, rows: 3 });
  const screen = new Screen(world.io);
  screen.end();
  t.equal(world.output(), "", "nothing drawn, nothing to give back");
  screen.draw(["a", "b", "c"]);
  screen.draw(["d", "e", "f"]);
  screen.end();
  const line = (text: string) => `${text}\x1b[K\n`;
  t.equal(
    world.output(),
    `\x1b[?25l${line("a")}${line("b")}\x1b[J\x1b[2A\r${line("d")}${line("e")}\x1b[J\x1b[?25h`,
    "one row less than the terminal has",
  );
});

t.test("packets are valid IPv4", async (t) => {
  for (const length of [SHORTEST, 577, LONGEST]) {
    const packet = ipv4Packet(length);
    t.equal(packet.length, length);
    t.equal(packet[0], 0x45);
    t.equal(Buffer.from(packet).readUInt16BE(2), length);
    let sum = 0;
    for (let place = 0; place < 20; place += 2) sum += Buffer.from(packet).readUInt16BE(place);
    t.equal((sum & 0xffff) + (sum >>> 16), 0xffff, "RFC 1071: a right checksum sums to all ones");
  }
});

t.test("the sender goes on where it was refused, and only while it is on", async (t) => {
  const taken: number[] = [];
  let room = 3;
  const tunnel = Object.assign(new PretendTunnel({}), {
    write: (packet: Uint8Array) => {
      if (room === 0) return false;
      room -= 1;
      taken.push(packet.length);
      return true;
    },
  });
  let draw = 0;
  const sent: number[] = [];
  const sender = new Sender(
    tunnel,
    (bytes) => sent.push(bytes),
    () => (draw++ % 10) / 10,
  );
  tunnel.emit("drain");
  t.same(taken, [], "off");
  sender.set(true);
  t.equal(taken.length, 3);
  room = 2;
  tunnel.emit("drain");
  t.equal(taken.length, 5);
  t.equal(draw, 6, "the packet that was refused is the next one sent");
  sender.set(false);
  room = 2;
  tunnel.emit("drain");
  t.equal(taken.length, 5);
  t.same(sent, taken);
});
