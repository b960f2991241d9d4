/** Bars out of block characters, an eighth of a cell exact. */

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const HEIGHTS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/** A lying bar: `share` of `width` cells, padded to the width. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const text = "█".repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? "");
  return text.padEnd(width);
}

/** Standing bars, one cell each, against `top`. Nothing at all is a dot. */
export function columns(values: readonly number[], top: number): string {
  return values
    .map((value) => {
      if (value <= 0 || top <= 0) return "·";
      const step = Math.round(Math.min(1, value / top) * HEIGHTS.length - 1);
      return HEIGHTS[Math.max(0, step)] ?? "█";
    })
    .join("");
}
