/** What is known of the path, as a person reads it. */
import type { PathLoss, PathStats } from "../index.js";

/** Counters as they are, or as JSON has them. */
type Loss = { [Key in keyof PathLoss]: PathLoss[Key] | number };
export type ShownPath = Omit<PathStats, "inbound" | "outbound"> & { inbound: Loss; outbound: Loss };

/** `5.0 %`, and `-` where nothing can be said. */
function share(lost: number, expected: number): string {
  return expected === 0 ? "-" : `${((100 * lost) / expected).toFixed(1)} %`;
}

function losses({ expected, lost, recentExpected, recentLost }: Loss): string {
  const all = [Number(lost), Number(expected)] as const;
  const recent = share(recentLost, recentExpected);
  return `${recent} in the last 10 s, ${share(...all)} of ${all[1].toLocaleString("en")} in all`;
}

const STEPS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1000, "s"],
] as const;

/** `61.0 s`, `3.2 h`: an age for people. */
export function ageText(ms: number): string {
  const step = STEPS.find(([size]) => ms >= size);
  return step === undefined ? `${ms.toFixed(0)} ms` : `${(ms / step[0]).toFixed(1)} ${step[1]}`;
}

function ago(ms: number | null): string {
  return ms === null ? "never" : `${ageText(ms)} ago`;
}

function tripText({ roundTrip }: ShownPath): string {
  if (roundTrip === null) return "not known yet";
  const { newestMs, smoothedMs, leastMs } = roundTrip;
  return `${smoothedMs.toFixed(1)} ms, least ${leastMs.toFixed(1)}, newest ${newestMs.toFixed(1)}`;
}

export interface PathText {
  lossIn: string;
  lossOut: string;
  roundTrip: string;
  heard: string;
}

export function describePathParts(path: ShownPath): PathText {
  return {
    lossIn: losses(path.inbound),
    lossOut: losses(path.outbound),
    roundTrip: tripText(path),
    heard: `${ago(path.heardMsAgo)}; handshake ${ago(path.handshakeMsAgo)}, keys ${ago(path.keysMsAgo)}`,
  };
}

/** In one line, for the log. */
export function describePath(path: ShownPath): string {
  const { heard, roundTrip } = describePathParts(path);
  const all = ({ lost, expected }: Loss) =>
    `${lost.toLocaleString("en")} of ${expected.toLocaleString("en")} (${share(Number(lost), Number(expected))})`;
  return `lost on the way: ${all(path.inbound)} in, ${all(path.outbound)} out; round trip ${roundTrip}; heard ${heard}`;
}

/** For the live view without a terminal. */
export function describePathShortly({ inbound, outbound, roundTrip }: ShownPath): string {
  const recent = ({ recentLost, recentExpected }: Loss) => share(recentLost, recentExpected);
  const trip = roundTrip === null ? "-" : `${roundTrip.smoothedMs.toFixed(1)} ms`;
  return `loss ${recent(inbound)} in, ${recent(outbound)} out; round trip ${trip}`;
}
