/** A fake tunnel's schedule: deadlines, the hand-over from one schedule to the next, the end. */
import type { NativeSchedule } from "../../lib/native/tunnel.js";
import { randomSource } from "../random.js";
import type { SimulatedTime } from "./time.js";

export class FakeSlots {
  /** The schedule of the slot that comes next. */
  current: NativeSchedule | null = null;
  readonly #time: SimulatedTime;
  readonly #slot: (schedule: NativeSchedule) => void;
  readonly #ended: () => void;
  readonly #random = randomSource(405);
  #next: NativeSchedule | null = null;
  #slotTimer: object | null = null;
  #beginTimer: object | null = null;
  #endTimer: object | null = null;

  constructor(time: SimulatedTime, slot: (schedule: NativeSchedule) => void, ended: () => void) {
    this.#time = time;
    this.#slot = slot;
    this.#ended = ended;
  }

  /** Length of the newest schedule's slots, which may not have begun yet. */
  get newestLength(): number | undefined {
    return (this.#next ?? this.current)?.datagramLength;
  }

  start(schedule: NativeSchedule): void {
    this.#time.cancel(this.#beginTimer);
    this.#next = schedule;
    const first = schedule.firstDeadlineNs ?? this.#time.nowNs + this.#interval(schedule);
    this.#beginTimer = this.#time.at(first, () => {
      this.#time.cancel(this.#slotTimer);
      this.current = this.#next;
      this.#next = null;
      this.#beginTimer = null;
      this.#run();
    });
  }

  endAt(instantNs: bigint | null): void {
    this.#time.cancel(this.#endTimer);
    this.#endTimer = null;
    if (instantNs === null || (this.current === null && this.#next === null)) return;
    this.#endTimer = this.#time.at(instantNs, () => {
      this.stop();
      this.#ended();
    });
  }

  move(endpoint: string): void {
    if (this.current !== null) this.current = { ...this.current, endpoint };
    if (this.#next !== null) this.#next = { ...this.#next, endpoint };
  }

  /** Deadlines go on. */
  redirect(endpoint: string, datagramLength: number): void {
    if (this.current !== null) this.current = { ...this.current, endpoint, datagramLength };
    if (this.#next !== null) this.#next = { ...this.#next, endpoint, datagramLength };
  }

  stop(): void {
    for (const timer of [this.#slotTimer, this.#beginTimer, this.#endTimer]) this.#time.cancel(timer);
    this.#slotTimer = this.#beginTimer = this.#endTimer = null;
    this.current = this.#next = null;
  }

  #run(): void {
    if (this.current === null) return;
    this.#slotTimer = this.#time.at(this.#time.nowNs + this.#interval(this.current), () => {
      this.#run();
    });
    this.#slot(this.current);
  }

  #interval({ intervalNs, jitterNs }: NativeSchedule): bigint {
    return BigInt(Math.round(intervalNs + (2 * this.#random() - 1) * jitterNs));
  }
}
