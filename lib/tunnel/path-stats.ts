/** What is known of the way to the peer and back, as the public interface has it: counts, round trips, ages. */
import type { PathLoss, PathStats } from "../../index.js";
import type { Clock } from "../native/clock.js";
import type { NativeLoss, NativePath, NativeStats } from "../native/stats.js";

export const NO_PATH: NativePath = {
  inbound: { expected: 0n, lost: 0n, recentExpected: 0, recentLost: 0 },
  outbound: { expected: 0n, lost: 0n, recentExpected: 0, recentLost: 0 },
  roundTrip: null,
  reportedNs: 0n,
};

/** Ages in ms when the counters were read; null: it never happened. */
export type Ages = Pick<PathStats, "heardMsAgo" | "reportedMsAgo" | "handshakeMsAgo" | "keysMsAgo">;

export const NO_AGES: Ages = { heardMsAgo: null, reportedMsAgo: null, handshakeMsAgo: null, keysMsAgo: null };

/** Remembers when the newest handshake and the newest keys were. */
export class SessionAges {
  /** Once the addon is there. */
  clock: Clock | null = null;
  /** CLOCK_BOOTTIME, so that time asleep counts. */
  #handshakeNs: bigint | null = null;
  #keysNs: bigint | null = null;

  handshake(): void {
    this.#handshakeNs = this.#keysNs = this.clock?.boottimeNs() ?? null;
  }

  rekey(): void {
    this.#keysNs = this.clock?.boottimeNs() ?? null;
  }

  /** With counters that were read just now. */
  read({ lastOpenedNs, path }: NativeStats): Ages {
    const { clock } = this;
    if (clock === null) return NO_AGES;
    const [monotonicNs, boottimeNs] = [clock.monotonicNs(), clock.boottimeNs()];
    return {
      heardMsAgo: age(lastOpenedNs === 0n ? null : lastOpenedNs, monotonicNs),
      reportedMsAgo: age(path.reportedNs === 0n ? null : path.reportedNs, monotonicNs),
      handshakeMsAgo: age(this.#handshakeNs, boottimeNs),
      keysMsAgo: age(this.#keysNs, boottimeNs),
    };
  }
}

export function publicPath({ inbound, outbound, roundTrip }: NativePath, ages: Ages): PathStats {
  return {
    inbound: loss(inbound),
    outbound: loss(outbound),
    roundTrip: roundTrip && {
      newestMs: roundTrip.newestNs / 1e6,
      smoothedMs: roundTrip.smoothedNs / 1e6,
      leastMs: roundTrip.leastNs / 1e6,
    },
    ...ages,
  };
}

function loss({ expected, lost, recentExpected, recentLost }: NativeLoss): PathLoss {
  return { expected, lost, recentExpected, recentLost };
}

function age(atNs: bigint | null, nowNs: bigint): number | null {
  return atNs === null ? null : Math.max(0, Math.round(Number(nowNs - atNs) / 1e6));
}
