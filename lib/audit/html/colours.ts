/**
 * Colours of the report. Charts are drawn with placeholders, which become variables of the page's style, so that one
 * drawing serves light, dark and paper.
 */

/**
 * Colours of the conditions, in order. First comes the palette of Okabe and Ito, made for colour-blind readers, with
 * lighter colours for dark pages; then further ones, because an audit of one's own has many conditions.
 */
const LIGHT = [
  ...["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#555555"],
  ...["#8b4513", "#7f3fbf", "#7c8a00", "#d6006f", "#00606b"],
];
const DARK = [
  ...["#5cb3ec", "#ff8a3d", "#35d0a5", "#e8a3c8", "#f0c94d", "#9ad7ff", "#bbbbbb"],
  ...["#d2a679", "#b794f4", "#c5d13f", "#ff7ac0", "#6fc7d0"],
];

/** Drawn lines, text and grid of a chart. */
export const INK = "#0a0b0c";
export const FAINT = "#0a0b0d";

/** The placeholder of a condition's colour. */
export function colourOf(index: number): string {
  return `#0b0b0${digit(index % LIGHT.length)}`;
}

/** Placeholders become variables. */
export function themed(svg: string): string {
  return svg
    .replaceAll(INK, "var(--ink)")
    .replaceAll(FAINT, "var(--faint)")
    .replace(/#0b0b0([\da-f])/g, "var(--c$1)");
}

/** Their values, as style sheet declarations. */
export function palette(dark: boolean): string {
  return (dark ? DARK : LIGHT).map((colour, index) => `--c${digit(index)}:${colour}`).join(";");
}

function digit(index: number): string {
  return index.toString(16);
}
