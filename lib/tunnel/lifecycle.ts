/**
 * A tunnel's life: it opens, a machine runs it, it ends. This emits nothing by itself; it tells its voice.
 *
 *     new ──begin──> opening (`opening.ts`) ──> machine ──close──> `closing.ts` ──> closed
 *                        └──────── fatal: released at once ────────────────────────┘
 */
import type { Connection, TunnelState } from "../../index.js";
import { asError, connectTimeoutError, I405Error } from "../common/errors.js";
import type { Pairing } from "../handshake/pairing.js";
import { guardedClock, Timers, type Clock } from "../native/clock.js";
import type { NativeEvent } from "../native/events.js";
import type { NativeStats } from "../native/stats.js";
import type { NativeTunnel } from "../native/tunnel.js";
import type { LocalSettings } from "../options/settings.js";
import type { MachineReport } from "../session/machine.js";
import { Closing } from "./closing.js";
import { claimCpu } from "./cpu-claims.js";
import { Figures } from "./figures.js";
import { machineReport } from "./machine-report.js";
import type { Opening, Running } from "./opening.js";
import type { PacketHub } from "./packet-hub.js";
import type { Parts } from "./parts.js";
import type { Ages } from "./path-stats.js";
import { tellRecords } from "./records.js";
import { StartPromise } from "./start-promise.js";
import { publicDeviation } from "./stats.js";
import type { Voice } from "./voice.js";

/** What begins a life: a `connect` or a `listen`. */
export interface Beginning {
  state: "connecting" | "listening";
  pairing: Promise<Pairing>;
  signal: AbortSignal | null;
  connectTimeoutNs: number | null;
  open(opening: Opening): Promise<Running>;
}

export class Lifecycle {
  state: TunnelState = "new";
  connection: Connection | null = null;
  localAddress: string | null = null;
  deviceName: string | null = null;
  readonly #local: LocalSettings;
  readonly #parts: Parts;
  readonly #voice: Voice;
  readonly #hub: PacketHub;
  readonly #report: MachineReport;
  #beginning: Beginning | null = null;
  /** Set as soon as it is open, before there is a machine. */
  #native: NativeTunnel | null = null;
  #running: Running | null = null;
  #closing: Closing | null = null;
  #timers: Timers<"connectTimeout" | "deviation"> | null = null;
  readonly #figures = new Figures();
  #wantsRef = true;
  readonly #started = new StartPromise();
  #fatal: I405Error | null = null;
  /** What is given back at the end, once. */
  #releases: (() => void)[] = [];
  readonly #closed: Promise<void>;
  #markClosed: () => void = () => undefined;

  constructor(local: LocalSettings, parts: Parts, voice: Voice, hub: PacketHub) {
    this.#local = local;
    this.#parts = parts;
    this.#voice = voice;
    this.#hub = hub;
    this.#report = machineReport(this, voice, {
      connected: (connection) => {
        this.#figures.session.handshake();
        this.#timers?.clear("connectTimeout");
        this.#started.resolve(connection);
      },
      rekeyed: () => {
        this.#figures.session.rekey();
      },
      failed: (error) => {
        this.#fail(error);
      },
      stateWithout: () => this.#beginning?.state ?? "connecting",
    });
    this.#closed = new Promise((resolve) => {
      this.#markClosed = resolve;
    });
  }

  /** Over, or about to be. */
  get ending(): boolean {
    return this.state === "closing" || this.state === "closed";
  }

  get native(): NativeTunnel | null {
    return this.#native;
  }

  /** @throws {I405Error} `ERR_I405_STATE` */
  requireNew(): void {
    if (this.state === "new") return;
    const came = this.ending ? "it is closed" : "connect or listen was called before";
    throw new I405Error("ERR_I405_STATE", `a tunnel connects or listens once, and ${came}. Make a new I405Tunnel`);
  }

  /** Resolves once data may flow (client) or the socket listens (server). */
  begin(beginning: Beginning): Promise<Connection | null> {
    this.#beginning = beginning;
    this.state = beginning.state;
    this.#holdPairing(beginning.pairing);
    const promise = this.#started.make();
    const { signal } = beginning;
    if (signal?.aborted) {
      this.#abort(signal);
    } else {
      const onAbort = (): void => {
        this.#abort(signal!);
      };
      signal?.addEventListener("abort", onAbort);
      this.#releases.push(() => {
        signal?.removeEventListener("abort", onAbort);
      });
      void this.#open(beginning);
    }
    return promise;
  }

  stats(): NativeStats {
    if (this.#native !== null && this.state !== "closed") this.#figures.read(this.#native);
    return this.#figures.stats;
  }

  /** Ages when the counters were read last. */
  get ages(): Ages {
    return this.#figures.ages;
  }

  setRef(wanted: boolean): void {
    this.#wantsRef = wanted;
    this.#applyRef();
  }

  /** Ends the tunnel. Rejects, once, with a fatal error that nobody was told of. */
  close(): Promise<void> {
    if (!this.ending) this.#beginClosing(new I405Error("ERR_I405_CLOSED", "the tunnel was closed before it was up"));
    const fatal = this.#fatal;
    if (fatal === null) return this.#closed;
    this.#fatal = null;
    const failed = this.#closed.then(() => {
      throw fatal;
    });
    // A caller that awaits it gets the error all the same. A program that closes and goes on is not ended by it.
    failed.catch(() => undefined);
    return failed;
  }

  #holdPairing(pairing: Promise<Pairing>): void {
    const release = (held: Pairing): void => {
      if (this.state === "closed") held.destroy();
      else
        this.#releases.push(() => {
          held.destroy();
        });
    };
    // If the pairing fails, the opening fails with it.
    pairing.then(release, () => undefined);
  }

  async #open(beginning: Beginning): Promise<void> {
    const { pairing, connectTimeoutNs, state } = beginning;
    try {
      this.#releases.push(claimCpu(this.#local));
      const running = await beginning.open({
        parts: this.#parts,
        local: this.#local,
        pairing,
        report: this.#report,
        onEvents: (events) => {
          this.#take(events);
        },
        clockReady: (clock) => this.#startTimers(clock, connectTimeoutNs),
        hold: (native) => {
          this.#native = native;
        },
        requireOpen: () => {
          if (this.ending) throw new I405Error("ERR_I405_CLOSED", "the tunnel was closed while it opened");
        },
      });
      // The tunnel was closed between two steps of the opening, so the addon's side is on its way out already.
      if (this.ending) return;
      this.#running = running;
      this.localAddress = running.native.localAddress();
      this.deviceName = running.native.deviceName();
      this.#applyRef();
      running.machine.start();
      this.#hub.ready();
      if (state === "listening") this.#started.resolve(null);
    } catch (error) {
      this.#fail(asError(error));
    }
  }

  #startTimers(unguarded: Clock, connectTimeoutNs: number | null): Clock {
    const clock = guardedClock(unguarded, (error) => {
      this.#mishap(error);
    });
    this.#timers = new Timers(clock);
    this.#figures.session.clock = clock;
    this.#hub.nowMs = () => Number(clock.monotonicNs()) / 1e6;
    if (connectTimeoutNs !== null) {
      this.#timers.set("connectTimeout", connectTimeoutNs / 1e6, () => {
        this.#fail(connectTimeoutError(connectTimeoutNs));
      });
    }
    this.#reportDeviationLater();
    return clock;
  }

  #reportDeviationLater(): void {
    this.#timers?.set("deviation", this.#local.deviationIntervalMs, () => {
      // Taken even if nobody listens, so that each event has the figures of one interval only.
      const deviation = this.ending ? undefined : this.native?.deviation();
      this.#reportDeviationLater();
      if (deviation !== undefined) this.#voice.emit("deviation", publicDeviation(deviation));
    });
  }

  #take(events: NativeEvent[]): void {
    for (const event of events) {
      try {
        this.#handle(event);
      } catch (error) {
        this.#mishap(error);
      }
    }
  }

  #handle(event: NativeEvent): void {
    switch (event.type) {
      case "packets":
        for (const packet of event.packets) {
          this.#hub.deliver(packet, this.#voice.listenerCount("packet") > 0);
          this.#voice.emit("packet", packet);
        }
        break;
      case "drain":
        this.#hub.ready();
        this.#voice.emit("drain");
        break;
      case "slots":
      case "departures":
      case "arrivals":
        tellRecords(this.#voice, event);
        break;
      case "warning":
        this.#report.warning({ code: event.code, message: event.message, remedy: event.remedy });
        break;
      case "failed":
        this.#fail(new I405Error(event.code, event.detail));
        this.#closing?.handle(event);
        break;
      case "closed":
        this.#closing?.handle(event);
        this.#finish();
        break;
      default:
        if (this.#closing !== null) this.#closing.handle(event);
        else if (!this.ending) this.#running?.machine.handle(event);
    }
  }

  #abort(signal: AbortSignal): void {
    if (this.ending) return;
    this.#beginClosing(
      new I405Error("ERR_I405_ABORTED", "the tunnel's signal was aborted", { cause: signal.reason as unknown }),
    );
  }

  /** An end that was asked for: `reason` is for a promise that still waits. */
  #beginClosing(reason: I405Error): void {
    const running = this.#running;
    this.state = "closing";
    this.#timers?.clearAll();
    this.#started.reject(reason);
    if (running === null) {
      this.#release();
      return;
    }
    try {
      this.#stayAlive();
      const remains = running.machine.stop();
      this.#closing = new Closing(running.native, running.clock, running.lingerNs, remains);
      this.#closing.start();
    } catch {
      this.#release();
    }
  }

  /** A program that awaits the end must not be ended by an empty event loop. */
  #stayAlive(): void {
    try {
      this.#native?.ref();
    } catch {
      // It is gone already.
    }
  }

  /** Has the addon release what it holds. Its last event says that this is done, and the tunnel is closed then. */
  #release(): void {
    this.#stayAlive();
    if (this.#native === null) this.#finish();
    else this.#native.close();
  }

  /** Ends the tunnel for a reason of its own: everything is released at once. */
  #fail(error: I405Error): void {
    if (this.ending) return;
    this.state = "closing";
    this.#timers?.clearAll();
    const starterTold = this.#started.reject(error);
    const readersTold = this.#hub.finish(error);
    const told = starterTold || readersTold;
    const running = this.#running;
    if (running !== null) {
      this.stats();
      try {
        running.machine.stop();
      } catch {
        // A machine that failed half-way can't be asked to end well; what it held goes with the addon's side.
      }
    }
    // This comes before the event: a listener that closes the tunnel must not get the error a second time, in a
    // promise.
    this.#fatal = told || this.#voice.listenerCount("error") > 0 ? null : error;
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- index.d.ts declares this class
    this.#voice.emit("error", error);
    this.#release();
  }

  /** Something threw where nobody could catch it: the tunnel ends, the program goes on. */
  #mishap(error: unknown): void {
    if (!this.ending) this.#fail(asError(error));
    else if (this.state === "closing") this.#native?.close();
  }

  #finish(): void {
    if (this.state === "closed") return;
    this.stats();
    this.state = "closed";
    this.connection = null;
    this.#timers?.clearAll();
    for (const release of this.#releases) release();
    this.#releases = [];
    // A program that keeps a closed tunnel keeps its counters, and nothing else.
    this.#native = null;
    this.#running = null;
    this.#closing = null;
    this.#beginning = null;
    this.#timers = null;
    this.#hub.finish(null);
    this.#markClosed();
    this.#voice.emit("close");
  }

  #applyRef(): void {
    if (this.ending) return;
    if (this.#wantsRef) this.native?.ref();
    else this.native?.unref();
  }
}
