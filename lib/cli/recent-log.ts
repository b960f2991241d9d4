/** Keeps the newest records for those who look at the tunnel later, and hands them on to the log. */
import type { Explained } from "./explain.js";
import type { LogLevel } from "./output-settings.js";
import type { Log } from "./plain-log.js";

export interface RecentRecord {
  /** ISO 8601. */
  time: string;
  level: LogLevel;
  event: string;
  /** One line. */
  text: string;
}

/** What fits on a screen beside the figures. */
const KEPT = 12;

export class RecentLog implements Log {
  readonly records: RecentRecord[] = [];
  /** True while the records are shown in another way: they are kept and not handed on. */
  quiet = false;
  /** Called before a failure is written: whoever has the terminal gives it back. */
  beforeFailure: () => void = () => undefined;
  readonly #log: Log;
  readonly #now: () => Date;

  constructor(log: Log, now: () => Date = () => new Date()) {
    this.#log = log;
    this.#now = now;
  }

  say(event: string, fields: object, text: string, level: LogLevel = "info"): void {
    if (level !== "debug" && text !== "") {
      this.records.push({ time: this.#now().toISOString(), level, event, text: text.split("\n", 1)[0] ?? "" });
      if (this.records.length > KEPT) this.records.shift();
    }
    if (!this.quiet) this.#log.say(event, fields, text, level);
  }

  fail(explained: Explained): void {
    this.beforeFailure();
    this.#log.fail(explained);
  }
}
