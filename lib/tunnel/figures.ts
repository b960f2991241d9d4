/** A tunnel's counters, as they were read last: they can still be asked for when the addon's side is gone. */
import type { NativeStats } from "../native/stats.js";
import type { NativeTunnel } from "../native/tunnel.js";
import { NO_AGES, SessionAges, type Ages } from "./path-stats.js";
import { NO_STATS } from "./stats.js";

export class Figures {
  /** Hears of handshakes and new keys, whose ages belong to the figures. */
  readonly session = new SessionAges();
  #stats: NativeStats = NO_STATS;
  #ages: Ages = NO_AGES;

  get stats(): NativeStats {
    return this.#stats;
  }

  /** The ages when the counters were read. */
  get ages(): Ages {
    return this.#ages;
  }

  read(native: NativeTunnel): void {
    try {
      this.#stats = native.stats();
      this.#ages = this.session.read(this.#stats);
    } catch {
      // The addon's side goes before its last event comes: the figures from before stay.
    }
  }
}
