/** Offered load for stretches of a bench: more than a direction can carry, for a while. */
import type { Netns } from "../../lab/host/netns.js";
import { udpSend, udpSink } from "../../lab/host/traffic.js";
import { offeredPps } from "./tunnel.js";

export interface Load {
  from: Netns;
  at: Netns;
  /** Inner address and port. */
  to: string;
  wire: { intervalMs: number; length: number };
  innerLength: number;
  /** Offered, as a multiple of what fits. */
  factor: number;
  seconds: number;
}

/** Runs the loads side by side to their end; delivered packets of each. */
export async function runLoads(loads: readonly Load[]): Promise<number[]> {
  return await Promise.all(
    loads.map(async ({ from, at, to, wire, innerLength, factor, seconds }) => {
      const sink = await udpSink(at, { listen: to });
      await udpSend(from, { to, length: innerLength, pps: offeredPps(wire, innerLength, factor), seconds });
      return (await sink.stop()).packets;
    }),
  );
}
