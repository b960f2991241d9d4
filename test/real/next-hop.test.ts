/**
 * The next hop gets another MAC address, as when a router is replaced, and doesn't ask for the client: it knows it already.
 * The client's kernel has to find out by itself. It does as long as nobody tells it that the hop answers.
 */
import t from "tap";
import { setTimeout as sleep } from "node:timers/promises";
import { skip, Stage } from "./support.js";

/** How long the client's kernel believes a neighbour, waits, and asks: much less than by default, ms. */
const TIMES = { base_reachable_time_ms: 2000, delay_first_probe_time: 1, retrans_time_ms: 200 };
/** Far longer than these add up to, and a session's silence; what was wrong never came back. */
const PATIENCE_MS = 60_000;
const REPLACED = "02:00:00:00:14:05";

for (const mode of ["sleepy", "dozy", "spinny"]) {
  await t.test(
    `a next hop with another MAC address is found again in ${mode}`,
    { skip, timeout: 180_000 },
    async (t) => {
      const stage = new Stage(t, {
        client: ["--up-packet-interval", "10ms", "--down-packet-interval", "10ms", "--poll-mode", mode],
      });
      const { a, b } = stage;
      for (const [name, value] of Object.entries(TIMES)) {
        a.exec(["sysctl", "-qw", `net.ipv4.neigh.wire0.${name}=${value}`]);
      }
      await stage.connect();
      const [link] = JSON.parse(a.exec(["ip", "-json", "link", "show", "wire0"])) as { address: string }[];
      const received = () => Number(b.exec(["cat", "/sys/class/net/wire0/statistics/rx_packets"]));
      const client = link!.address;
      // A network interface counts what comes for another address as well, so the hop's IP layer is asked.
      const delivered = () => {
        const lines = b
          .exec(["cat", "/proc/net/snmp"])
          .split("\n")
          .filter((line) => line.startsWith("Udp:"));
        const [names, values] = lines.map((line) => line.split(" "));
        return Number(values![names!.indexOf("InDatagrams")]);
      };
      // Without a way to the client nothing asks for it meanwhile.
      b.ip([
        "route del 10.201.0.0/24 dev wire0",
        `link set wire0 address ${REPLACED}`,
        `neigh replace ${a.ipv4} lladdr ${client} nud permanent dev wire0`,
        "route add 10.201.0.0/24 dev wire0 src 10.201.0.2",
      ]);
      const began = performance.now();
      const [wired, before] = [received(), delivered()];
      await sleep(300);
      t.ok(received() > wired, "the client goes on sending");
      t.equal(delivered(), before, "to the address that was");
      while (delivered() < before + 20 && performance.now() - began < PATIENCE_MS) await sleep(50);
      t.ok(delivered() >= before + 20, "and to the new one after a while");
      t.comment(`${mode}: back after ${((performance.now() - began) / 1000).toFixed(1)} s`);
      const neighbour = JSON.parse(a.exec(["ip", "-json", "neigh", "show", b.ipv4, "dev", "wire0"])) as {
        lladdr: string;
      }[];
      t.equal(neighbour[0]?.lladdr, REPLACED);
    },
  );
}
