/** A server's one schedule: begun when it is asked for, ended when nothing needs it any more. */
import type { NativeTiming } from "../native/tunnel.js";
import type { MachineContext } from "./machine.js";
import { firstDeadlineNs } from "./times.js";

interface RunningSchedule {
  timing: NativeTiming;
  endpoint: string;
  firstDeadlineNs: bigint | null;
}

export class ServerSchedule {
  readonly #context: MachineContext;
  #running: RunningSchedule | null = null;
  /** The end that was planned last; null: none. */
  #endNs: bigint | null = null;

  constructor(context: MachineContext) {
    this.#context = context;
  }

  /** Timing of the schedule that runs or is about to begin. */
  get timing(): NativeTiming | null {
    return this.#running?.timing ?? null;
  }

  /** A schedule that runs ends when this one begins. Its end has to be planned afterwards. */
  start(timing: NativeTiming, endpoint: string, firstDeadlineNs: bigint | null): void {
    this.#context.native.startSchedule({ ...timing, firstDeadlineNs, endpoint });
    this.#running = { timing, endpoint, firstDeadlineNs };
  }

  /**
   * Begins one where one has ended: at an instant that follows from the end as it was planned, as a first one's does from
   * its initiation, and not from when the end was heard of.
   */
  startAfterEnd(timing: NativeTiming, endpoint: string): void {
    const nowNs = this.#context.clock.monotonicNs();
    const first = firstDeadlineNs(this.#endNs ?? nowNs, nowNs, { ...timing, jitterShape: timing.shape });
    this.start(timing, endpoint, first);
  }

  move(endpoint: string): void {
    this.#context.native.moveEndpoint(endpoint);
    this.moved(endpoint);
  }

  /** The addon has moved the schedule. */
  moved(endpoint: string): void {
    if (this.#running !== null) this.#running.endpoint = endpoint;
  }

  /** At this CLOCK_MONOTONIC; null takes an end back. */
  planEnd(endNs: bigint | null): void {
    this.#endNs = endNs;
    if (this.#running !== null) this.#context.native.endAt(endNs);
  }

  /**
   * The addon says that the schedule ended. False: that end was from before the last plan, and the schedule goes on.
   */
  ended(): boolean {
    if (this.#running === null) return false;
    const nowNs = this.#context.clock.monotonicNs();
    const { timing, endpoint, firstDeadlineNs } = this.#running;
    // The last slot comes before the end by up to one interval.
    const slackNs = BigInt(timing.intervalNs + timing.jitterNs);
    if (this.#endNs !== null && this.#endNs - nowNs <= slackNs) {
      this.#running = null;
      return true;
    }
    const first = firstDeadlineNs !== null && firstDeadlineNs > nowNs ? firstDeadlineNs : null;
    this.start(timing, endpoint, first);
    this.planEnd(this.#endNs);
    return false;
  }
}
