/** Colours, where they are wanted: never without a terminal, and not with NO_COLOR (no-color.org). */
import type { Io } from "../io.js";

export type Style = "bold" | "good" | "bad" | "faint";

/** ECMA-48, section 8.3.117 (SGR): number that begins it. */
const BEGIN: Readonly<Record<Style, number>> = { bold: 1, good: 32, bad: 31, faint: 2 };
const END = "\x1b[0m";

/** A line, and one style for the whole of it, so that it can be cut to any width first. */
export type Line = string | { text: string; style: Style };

export function wantsColour(io: Pick<Io, "environment" | "terminal">): boolean {
  const { NO_COLOR: noColour = "", TERM: term } = io.environment;
  return io.terminal() !== null && noColour === "" && term !== "dumb";
}

/** Lines of at most `width` cells, of which each character is taken to be one. */
export function paint(lines: readonly Line[], width: number, colour: boolean): string[] {
  return lines.map((line) => {
    const { text, style } = typeof line === "string" ? { text: line, style: null } : line;
    const cut = text.slice(0, width).trimEnd();
    return style === null || !colour ? cut : `\x1b[${BEGIN[style]}m${cut}${END}`;
  });
}
