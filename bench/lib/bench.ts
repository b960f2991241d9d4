/** The frame of every bench that needs namespaces. */
import { NetnsPair, canUseNetns, type PairOptions } from "../../lab/host/netns.js";

export { setTimeout as sleep } from "node:timers/promises";

/** Runs `body` with a pair of namespaces that is removed whatever happens. */
export async function withPair(body: (pair: NetnsPair) => Promise<void>, options: PairOptions = {}): Promise<void> {
  const reason = canUseNetns();
  if (reason !== null) throw new Error(`this bench needs network namespaces: ${reason}`);
  const pair = new NetnsPair(options);
  try {
    await body(pair);
  } finally {
    pair.close();
  }
}
