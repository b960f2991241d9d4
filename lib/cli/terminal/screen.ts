/** Draws a view over the last one, in place; the cursor and the screen are given back at the end. */
import type { Io } from "../io.js";

/** ECMA-48 control sequences. */
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const CLEAR_TO_END_OF_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

export class Screen {
  #drawn = 0;

  constructor(readonly io: Io) {}

  /** In a low terminal the end is left out, because the cursor can't go back to what has scrolled away. */
  draw(view: readonly string[]): void {
    const lines = view.slice(0, Math.max(1, (this.io.terminal()?.rows ?? Infinity) - 1));
    const back = this.#drawn === 0 ? HIDE_CURSOR : `\x1b[${this.#drawn}A\r`;
    this.io.out(back + lines.map((line) => `${line}${CLEAR_TO_END_OF_LINE}\n`).join("") + CLEAR_BELOW);
    this.#drawn = lines.length;
  }

  end(): void {
    if (this.#drawn > 0) this.io.out(SHOW_CURSOR);
  }
}
