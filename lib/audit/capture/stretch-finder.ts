/** In which stretch a moment lies. */
import type { Stretch } from "../observation.js";

/** @returns a function that gives a stretch's number, or -1; fast where the moments come in order */
export function stretchFinder(stretches: readonly Stretch[]): (timeNs: number, originS: number) => number {
  let last = 0;
  const within = ({ from, to }: Stretch, timeNs: number, originS: number) =>
    (from - originS) * 1e9 <= timeNs && timeNs < (to - originS) * 1e9;
  return (timeNs, originS) => {
    if (within(stretches[last]!, timeNs, originS)) return last;
    const found = stretches.findIndex((stretch) => within(stretch, timeNs, originS));
    if (found >= 0) last = found;
    return found;
  };
}
