/** The checks of the network, on machines in memory. */
import t from "tap";
import { coalescing } from "../../lib/doctor/checks/coalescing.js";
import { egressLink } from "../../lib/doctor/checks/egress-link.js";
import { energyEfficientEthernet } from "../../lib/doctor/checks/energy-efficient-ethernet.js";
import { nicInterrupts } from "../../lib/doctor/checks/nic-interrupts.js";
import { offloads } from "../../lib/doctor/checks/offloads.js";
import { packetSteering } from "../../lib/doctor/checks/packet-steering.js";
import { path } from "../../lib/doctor/checks/path.js";
import { pauseFrames } from "../../lib/doctor/checks/pause-frames.js";
import { qdisc } from "../../lib/doctor/checks/qdisc.js";
import { wifi } from "../../lib/doctor/checks/wifi.js";
import { findEgress } from "../../lib/doctor/egress.js";
import { FakeHands, lookWith, said } from "./fake-system.js";

const NET = "/sys/class/net/eth0";
const ETHERNET = {
  [`${NET}/operstate`]: "up",
  [`${NET}/speed`]: "1000",
  [`${NET}/mtu`]: "1500",
  [`${NET}/device/vendor`]: "x",
};
const ROUTES = `Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 000200C0 00000000 0001 0 0 0 00FFFFFF 0 0 0
wlan0 00000000 010200C0 0003 0 0 600 00000000 0 0 0
eth0 00000000 010200C0 0003 0 0 100 00000000 0 0 0`;

t.test("the outgoing interface: by the route to the peer, or the default one", async (t) => {
  const files = { "/proc/net/route": ROUTES };
  t.equal(findEgress(new FakeHands({ files }), undefined), "eth0", "the least metric");
  const commands = { "ip -j route get 203.0.113.7": '[{"dst":"203.0.113.7","dev":"wg0"}]' };
  t.equal(findEgress(new FakeHands({ files, commands }), "203.0.113.7"), "wg0");
  t.equal(findEgress(new FakeHands({ files }), "203.0.113.7"), "eth0", "without ip");
  t.equal(findEgress(new FakeHands({ files, commands: { ip: "nonsense" } }), "203.0.113.7"), "eth0");
  const zeros = "0".repeat(32);
  const six = `${zeros} 00 ${zeros} 00 ${zeros} ffffffff 1 0 200200 lo
${zeros} 00 ${zeros} 00 fe80${"0".repeat(28)} 00000400 1 0 450003 eth1`;
  t.equal(findEgress(new FakeHands({ files: { "/proc/net/ipv6_route": six } }), "2001:db8::7"), "eth1");
  t.equal(findEgress(new FakeHands(), undefined), undefined);
});

t.test("the link", async (t) => {
  const files = ETHERNET;
  const commands = { ethtool: "ethtool version 6.1" };
  t.match(said(lookWith(egressLink, { files, commands })), ["ok: datagrams leave through eth0"]);
  t.match(lookWith(egressLink, { files })[1], { severity: "note", remedy: ["sudo apt-get install ethtool"] });
  t.match(said(lookWith(egressLink, { files, commands }, { rate: 100e6 })), [/^warning: 95.37MiB\/s is 80 % /]);
  t.match(said(lookWith(egressLink, { files, commands }, { rate: 200e6 })), [/^problem: .* 160 %/]);
  const down = { ...files, [`${NET}/operstate`]: "down" };
  t.match(said(lookWith(egressLink, { files: down, commands })), ["problem: eth0 is down"]);
  t.match(said(lookWith(egressLink, {})), [/^ok: .* no hardware of its own/]);
  t.match(said(lookWith(egressLink, {}, { egress: undefined })), [/^note: no route to the world/]);
  const peer = { address: "203.0.113.7", port: 1405 };
  t.match(said(lookWith(egressLink, {}, { egress: undefined, peer })), [/^problem: no route to 203/]);
});

t.test("the path", async (t) => {
  const peer = { address: "203.0.113.7", port: 1405 };
  t.same(lookWith(path), []);
  t.match(lookWith(path, { files: ETHERNET }, { peer }), [{ severity: "ok", advice: /doesn't answer strangers/ }]);
  t.match(said(lookWith(path, { mtu: 1420 }, { peer })), ["note: the route carries 1420 bytes"]);
  t.same(lookWith(path, { bare: true }, { peer }), []);
});

t.test("interrupts of the card", async (t) => {
  const irq = (number: number, allowed: string, effective: string) => ({
    [`/proc/irq/${number}/smp_affinity_list`]: allowed,
    [`/proc/irq/${number}/effective_affinity_list`]: effective,
  });
  const msi = (...numbers: number[]) =>
    Object.fromEntries(numbers.map((number) => [`${NET}/device/msi_irqs/${number}`, "msix"]));
  const files = { ...msi(40, 41), ...irq(40, "0-3", "1"), ...irq(41, "0-3", "2") };
  const [finding] = lookWith(nicInterrupts, { files, cores: [0, 1, 2, 3] });
  t.match(finding, { severity: "warning", evidence: /40 on 1, 41 on 2/, what: /interrupts core 1.*1 of 2/ });
  t.same(finding?.fix?.changes, [
    {
      kind: "file",
      path: "/proc/irq/40/smp_affinity_list",
      value: "0,2-3",
      effective: "/proc/irq/40/effective_affinity_list",
    },
    {
      kind: "file",
      path: "/proc/irq/41/smp_affinity_list",
      value: "0,2-3",
      effective: "/proc/irq/41/effective_affinity_list",
    },
  ]);
  const may = { ...msi(40), ...irq(40, "0-1", "0") };
  t.match(said(lookWith(nicInterrupts, { files: may })), [/^note: eth0 may interrupt core 1/]);
  t.match(said(lookWith(nicInterrupts, { files: { ...msi(40), ...irq(40, "0", "0") } })), [/^ok/]);
  const virtio = { [`${NET}/device/../msi_irqs/40`]: "msix", ...irq(40, "0-1", "1") };
  t.match(said(lookWith(nicInterrupts, { files: virtio })), [/^warning/]);
  const line = { [`${NET}/device/irq`]: "40", ...irq(40, "1", "1") };
  t.match(said(lookWith(nicInterrupts, { files: line })), [/^warning/]);
  t.match(lookWith(nicInterrupts, { files: virtio, cores: [1] }), [{ severity: "note", advice: /no other core/ }]);
  t.same(lookWith(nicInterrupts), []);
  t.same(lookWith(nicInterrupts, {}, { egress: undefined }), []);
});

t.test("RPS and XPS", async (t) => {
  const files = { [`${NET}/queues/rx-0/rps_cpus`]: "00000000,0000000f", [`${NET}/queues/tx-0/xps_cpus`]: "3" };
  const [rps] = lookWith(packetSteering, { files });
  t.match(rps, { severity: "warning", fix: { changes: [{ path: `${NET}/queues/rx-0/rps_cpus`, value: "d" }] } });
  const off = { [`${NET}/queues/rx-0/rps_cpus`]: "0" };
  t.match(said(lookWith(packetSteering, { files: off })), [/^ok: no received packets/]);
  const shared = { ...off, [`${NET}/queues/tx-0/xps_cpus`]: "3", [`${NET}/queues/tx-1/xps_cpus`]: "c" };
  t.match(said(lookWith(packetSteering, { files: shared })), [
    /^ok/,
    /^note: core 1 shares its transmit queue with cores 0/,
  ]);
  t.same(lookWith(packetSteering), []);
});

const COALESCE = (adaptive: string, usecs: string) =>
  `Coalesce parameters for eth0:\nAdaptive RX: ${adaptive}  TX: n/a\nrx-usecs:\t${usecs}\nrx-frames:\tn/a\n`;

t.test("coalescing", async (t) => {
  const with_ = (text: string) => lookWith(coalescing, { commands: { "ethtool -c eth0": text } });
  t.match(said(with_(COALESCE("off", "3"))), [/^ok/]);
  t.match(said(with_(COALESCE("n/a", "n/a"))), [/^ok/]);
  t.match(with_(COALESCE("on", "100"))[0]?.fix?.changes, [
    {
      apply: ["ethtool", "-C", "eth0", "adaptive-rx", "off", "rx-usecs", "10"],
      undo: ["ethtool", "-C", "eth0", "adaptive-rx", "on", "rx-usecs", "100"],
    },
  ]);
  t.match(said(with_(COALESCE("off", "200"))), ["note: the card holds interrupts back for 200 us"]);
  t.same(lookWith(coalescing), [], "no ethtool");
  const unsupported = { ethtool: { status: 1, stdout: "", stderr: "netlink error: Operation not supported" } };
  for (const check of [coalescing, energyEfficientEthernet, pauseFrames, offloads]) {
    t.same(lookWith(check, { commands: unsupported }), []);
    t.same(lookWith(check, {}, { egress: undefined }), []);
  }
});

t.test("Energy-Efficient Ethernet", async (t) => {
  const with_ = (status: string) =>
    lookWith(energyEfficientEthernet, {
      commands: { "ethtool --show-eee eth0": `EEE settings for eth0:\n\tEEE status: ${status}\n\tTx LPI: 17 (us)\n` },
    });
  t.match(with_("enabled - active"), [{ severity: "warning", remedy: ["sudo ethtool --set-eee eth0 eee off"] }]);
  t.match(said(with_("enabled - inactive")), [/^note/]);
  t.match(said(with_("disabled")), ["ok: EEE is disabled"]);
  t.match(said(with_("not supported")), [/^ok/]);
});

t.test("pause frames", async (t) => {
  const with_ = (rx: string) =>
    lookWith(pauseFrames, {
      commands: { "ethtool -a eth0": `Pause parameters for eth0:\nAutonegotiate:\ton\nRX:\t\t${rx}\nTX:\t\ton\n` },
    });
  t.match(with_("on"), [{ severity: "note", remedy: [/ethtool -A eth0/] }]);
  t.match(said(with_("off")), [/^ok/]);
});

t.test("offloads", async (t) => {
  const listing = (state: string) => `Features for eth0:
tcp-segmentation-offload: ${state}
\ttx-tcp-segmentation: ${state}
\ttx-tcp-ecn-segmentation: off [fixed]
\ttx-tcp-mangleid-segmentation: off
generic-segmentation-offload: ${state}
`;
  const with_ = (state: string, speed: string) =>
    lookWith(offloads, { files: { [`${NET}/speed`]: speed }, commands: { "ethtool -k eth0": listing(state) } });
  const [finding] = with_("on", "1000");
  t.match(finding, { severity: "note", cost: /up to 524 us/, fix: { onlyIfAsked: /processor/ } });
  const [change] = finding?.fix?.changes ?? [];
  t.match(change, {
    apply: ["ethtool", "-K", "eth0", "tx-tcp-segmentation", "off", "gso", "off"],
    undo: ["ethtool", "-K", "eth0", "tx-tcp-segmentation", "on", "gso", "on"],
  });
  t.match(with_("on", "100"), [{ severity: "warning", cost: /5243 us/ }]);
  t.match(with_("on", "-1"), [{ cost: /taken as 1 Gbit/ }]);
  t.match(said(with_("off", "1000")), ["ok: nothing leaves in large pieces"]);
  t.same(lookWith(offloads, { commands: { ethtool: "" } }), [], "nothing is listed");
});

t.test("Wi-Fi", async (t) => {
  const files = { [`${NET}/wireless/status`]: "0" };
  t.same(lookWith(wifi), []);
  const asleep = { "iw dev eth0 get power_save": "Power save: on\n" };
  const [, saving] = lookWith(wifi, { files, commands: asleep });
  t.match(saving, { severity: "problem", remedy: ["sudo iw dev eth0 set power_save off"] });
  t.match(said(lookWith(wifi, { files, commands: { iw: "Power save: off" } })), ["warning: eth0 is wireless"]);
  t.match(said(lookWith(wifi, { files })), [/^warning/, /^note: iw isn't installed/]);
});

t.test("queueing disciplines", async (t) => {
  const with_ = (answer: unknown) => lookWith(qdisc, { commands: { tc: JSON.stringify(answer) } });
  t.match(said(with_([{ kind: "mq" }, { kind: "fq_codel" }])), ["ok: eth0 sends at once (mq, fq_codel)"]);
  t.match(with_([{ kind: "tbf", overlimits: 7 }]), [{ severity: "warning", evidence: /7 held back/, cost: /already/ }]);
  t.match(said(with_([{ kind: "netem" }])), [/^problem/]);
  t.match(said(with_([{ kind: "novel" }])), [/^note: .* novel/]);
  t.match(said(lookWith(qdisc)), [/^note: tc isn't installed/]);
  t.same(lookWith(qdisc, { commands: { tc: "garbage" } }), []);
  t.same(lookWith(qdisc, { commands: { tc: { status: 1, stdout: "", stderr: "no" } } }), []);
});
