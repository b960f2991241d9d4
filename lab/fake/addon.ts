/**
 * A fake of the addon that links tunnels in memory and in simulated time: offers become handshake messages at the other
 * end slot by slot, sessions open what was sealed under their keys, and a test says what is lost. Sealing, masks,
 * counters and real deadlines are not in it; the Rust tests have those.
 */
import type { Addon } from "../../lib/native/addon.js";
import type { NativeEvent } from "../../lib/native/events.js";
import type { NativeOpenOptions } from "../../lib/native/options.js";
import type { Parts } from "../../lib/tunnel/parts.js";
import { FakeNetwork } from "./network.js";
import { SimulatedTime } from "./time.js";
import { FakeTunnel } from "./tunnel.js";
import { PretendProcess } from "./process.js";
import { SILENT_PROBES } from "./probes.js";

export { FakeNetwork, type Content, type Datagram } from "./network.js";
export { SimulatedTime, turn } from "./time.js";
export { FakeTunnel } from "./tunnel.js";

/** A network of its own, with its own time. */
export class Simulation {
  readonly time = new SimulatedTime();
  readonly network = new FakeNetwork(this.time);
  /** In the order of their opening, closed ones too. */
  readonly tunnels: FakeTunnel[] = [];
  /** Names that can be looked up; several addresses with commas between. */
  readonly names = new Map<string, string>();
  /** Numbers of interfaces. */
  readonly interfaces = new Map<string, number>();

  /** A machine's addon. `aeads`: bits as in the initiation. */
  addon(aeads = 3): Addon {
    const clock = this.time.clock();
    return {
      version: () => "0.0.0",
      aeads: () => aeads,
      monotonicNs: () => clock.monotonicNs(),
      boottimeNs: () => clock.boottimeNs(),
      routeMtu: () => this.network.routeMtu,
      interfaceIndex: (name) => this.interfaces.get(name) ?? null,
      askNameServer: () => Promise.reject(new Error("there is no name server")),
      probes: SILENT_PROBES,
      process: new PretendProcess(),
      peerCredentials: () => ({ pid: process.pid, uid: process.getuid!(), gid: process.getgid!() }),
      open: (options: NativeOpenOptions, onEvents: (events: NativeEvent[]) => void) => {
        const tunnel = new FakeTunnel(this.time, this.network, options, onEvents);
        this.tunnels.push(tunnel);
        return tunnel;
      },
    };
  }

  /** What a `Tunnel` of a machine with this addon is made of. */
  parts(addon: Addon = this.addon()): Parts {
    return {
      loadAddon: () => Promise.resolve(addon),
      clock: () => this.time.clock(),
      lookup: (host) => {
        const address = this.names.get(host);
        if (address === undefined) return Promise.reject(new Error(`getaddrinfo ENOTFOUND ${host}`));
        return Promise.resolve(
          address.split(",").map((each) => ({ address: each, family: each.includes(":") ? 6 : 4 })),
        );
      },
    };
  }
}
