/** The process of one end, from its start until it is killed: a real machine over the simulator's tunnel, and its timers. */
import type { Wire, WireDirection } from "../../index.js";
import { KIND_INITIATION } from "../../lib/native/protocol-ids.js";
import type { Addon } from "../../lib/native/addon.js";
import type { NativeEvent } from "../../lib/native/events.js";
import type { NativeOpenOptions, Role } from "../../lib/native/options.js";
import type { NativeSchedule, NativeTunnel } from "../../lib/native/tunnel.js";
import { parseHostAndPort } from "../../lib/common/address-text.js";
import { I405Error } from "../../lib/common/errors.js";
import { LENGTH_RANGE } from "../../lib/common/wire-bounds.js";
import { ClientMachine } from "../../lib/session/client-machine.js";
import { ClientPaths } from "../../lib/session/client-paths.js";
import type { Clock, Timer } from "../../lib/native/clock.js";
import {
  INITIATION_LENGTHS,
  InitiatorHandshake,
  ResponderHandshake,
  RESPONSE_LENGTH,
} from "../../lib/handshake/messages.js";
import { FloorKeeper } from "../../lib/handshake/floor.js";
import { drawLinger } from "../../lib/options/linger.js";
import { hostOf, type Machine, type MachineContext, type MachineReport } from "../../lib/session/machine.js";
import { ServerMachine } from "../../lib/session/server-machine.js";
import { answerRekey, RekeyInitiation } from "../../lib/handshake/rekey-messages.js";
import { attemptNs, repeatNs } from "../../lib/session/times.js";
import { StampSource } from "../../lib/handshake/stamps.js";
import { judgeWire, resolveDirection, resolveRekeyNs, timingOf } from "../../lib/session/wire-settings.js";
import type { Circumstances } from "./circumstances.js";
import type { Plant, Simulator } from "./simulator.js";

interface Due {
  atNs: bigint;
  order: number;
  callback: () => void;
}

/** Timers in simulated time; the simulator says when the first is due. */
class SimulatedClock implements Clock {
  readonly #due = new Set<Due>();
  readonly #simulator: Simulator;
  readonly #end: Role;
  #order = 0;

  constructor(simulator: Simulator, end: Role) {
    this.#simulator = simulator;
    this.#end = end;
  }

  monotonicNs(): bigint {
    return this.#simulator.monotonicNs();
  }

  boottimeNs(): bigint {
    return this.#simulator.boottimeNs();
  }

  wallMs(): number {
    return this.#simulator.simulationWallMs(this.#end);
  }

  setTimer(callback: () => void, ms: number): Timer {
    this.#order += 1;
    // As Node's: never before a whole millisecond has passed.
    const atNs = this.monotonicNs() + BigInt(Math.max(1, Math.round(ms))) * 1_000_000n;
    const due = { atNs, order: this.#order, callback };
    this.#due.add(due);
    return due;
  }

  clearTimer(timer: Timer): void {
    this.#due.delete(timer as Due);
  }

  /** What is due first. */
  get first(): Due | null {
    let first: Due | null = null;
    for (const due of this.#due) {
      if (first === null || due.atNs < first.atNs || (due.atNs === first.atNs && due.order < first.order)) first = due;
    }
    return first;
  }

  fire(): void {
    const due = this.first;
    if (due === null) return;
    this.#due.delete(due);
    due.callback();
  }
}

/** What a run's machines have told besides sessions. */
export interface Told {
  warnings: Map<string, number>;
  silences: number;
  /** Counted at each end. */
  rekeys: number;
  /** How often the server followed its client to another address. */
  roams: number;
  /** Processes that ended by themselves, or couldn't begin: the length was refused, or there was no route. */
  ends: number;
}

/** Takes what happens, for a person who looks for a mistake. */
export type Trace = (end: Role, what: string, value?: unknown) => void;

/** @returns null: it ended at once, because there is no route, or the route takes less than is asked for. */
export function startProcess(...parts: ConstructorParameters<typeof SimulatedProcess>): SimulatedProcess | null {
  try {
    return new SimulatedProcess(...parts);
  } catch (error) {
    if (!(error instanceof I405Error) || !["ERR_I405_ROUTE", "ERR_I405_OPTION"].includes(error.code)) throw error;
    parts[4].ends += 1;
    return null;
  }
}

export class SimulatedProcess {
  readonly #machine: Machine;
  readonly #clock: SimulatedClock;
  readonly #native: NativeTunnel;
  /** The server takes no such length, and the process is about to end. */
  refused = false;

  constructor(simulator: Simulator, addon: Addon, end: Role, circumstances: Circumstances, told: Told, trace: Trace) {
    const { pairing, store } = circumstances[end];
    const wire = resolve(addon, end, circumstances);
    this.#clock = new SimulatedClock(simulator, end);
    const floor = end === "server" ? new FloorKeeper(this.#clock, store) : null;
    const options: NativeOpenOptions = {
      role: end,
      // Never used: what is sent and received goes through the simulation.
      bind: "127.0.0.1:0",
      peer: end === "client" ? circumstances.endpoint : null,
      fwmark: null,
      device: { kind: "packets" },
      pollMode: "sleepy",
      schedFifo: "off",
      cpus: [],
      dispatchers: 1,
      burner: "off",
      pairing: pairing.forRole(end),
      initiationLength: INITIATION_LENGTHS[pairing.noise.pattern],
      floorMs: floor?.floorMs ?? 0,
      maxStampAgeMs: null,
      allowedIps: null,
      queueNs: 100e6,
      finalizeNs: null,
      reorderWindow: 3,
      deviationSource: "call",
      sendBy: "call",
      record: false,
    };
    this.#native = addon.open(options, () => undefined);
    simulator.simulationAdopt(end, options);
    const context: MachineContext = {
      native: traced(observed(simulator, this.#native, end, circumstances.plant), end, trace),
      clock: this.#clock,
      report: reportTo(simulator, end, told, trace, () => {
        this.refused = true;
      }),
    };
    this.#machine =
      floor === null
        ? clientMachine(context, addon, circumstances, wire)
        : serverMachine(context, addon, circumstances, wire.down, floor);
    if (end === "client" || circumstances.ownStart) simulator.simulationNoteWire(wire.up.length, wire.down.length);
    this.#machine.start();
    if (circumstances.plant === "unaskedSchedule" && end === "server") {
      const { endpoint } = circumstances;
      context.native.startSchedule({ ...timingOf(wire.down, hostOf(endpoint)), firstDeadlineNs: null, endpoint });
    }
  }

  /** When its next timer is due. */
  get timerNs(): bigint | null {
    return this.#clock.first?.atNs ?? null;
  }

  handle(events: NativeEvent[]): void {
    for (const event of events) this.#machine.handle(event);
  }

  fireTimer(): void {
    this.#clock.fire();
  }

  /** Killed: nothing is said to anybody. */
  release(): void {
    this.#native.close();
  }
}

/** As `lib/tunnel/opening.ts` finds it, from the route that there is now. */
function resolve(addon: Addon, end: Role, circumstances: Circumstances): Wire {
  const { up, down, endpoint, clientEndpoint } = circumstances;
  const towards = hostOf(end === "client" ? endpoint : clientEndpoint);
  // A server that doesn't begin by itself has no use for this.
  const routeMtu = end === "client" || circumstances.ownStart ? addon.routeMtu(towards, null) : LENGTH_RANGE.max;
  return { up: resolveDirection(up, routeMtu), down: resolveDirection(down, routeMtu) };
}

/** The same tunnel, but that the simulator hears what it has to know for its checks, and what is planted. */
function observed(simulator: Simulator, native: NativeTunnel, end: Role, plant: Plant): NativeTunnel {
  let newest: NativeSchedule | null = null;
  return {
    ...native,
    startSchedule: (schedule) => {
      newest = schedule;
      simulator.simulationNoteSchedule(end, schedule);
      native.startSchedule(schedule);
    },
    redirect: (endpoint, asked) => {
      const datagramLength = plant === "strayLength" ? asked - 1 : asked;
      simulator.simulationNoteRedirect(end, datagramLength);
      if (plant !== "lostRedirect") native.redirect(endpoint, datagramLength);
      if (plant === "restartedSchedule" && newest !== null) {
        native.startSchedule({ ...newest, datagramLength, endpoint, firstDeadlineNs: null });
      }
    },
    install: (session) => {
      simulator.simulationNoteSession(end, session);
      native.install(session);
    },
    offer: (offer) => {
      if (offer.kind === KIND_INITIATION) simulator.simulationNoteStamp(offer.stamp);
      native.offer(offer);
    },
  };
}

/** The same tunnel, but that each command is traced. */
function traced(native: NativeTunnel, end: Role, trace: Trace): NativeTunnel {
  const commands: Record<string, (...values: never[]) => unknown> = { ...native };
  for (const [name, command] of Object.entries(commands)) {
    if (name === "stats") continue;
    commands[name] = (...values) => {
      trace(end, `> ${name}`, values[0]);
      return command(...values);
    };
  }
  return commands as unknown as NativeTunnel;
}

function reportTo(simulator: Simulator, end: Role, told: Told, trace: Trace, refused: () => void): MachineReport {
  return {
    connected: () => {
      trace(end, "connected");
      simulator.simulationNoteConnected(end);
    },
    disconnected: (reason) => {
      trace(end, "disconnected", reason);
      simulator.simulationNoteDisconnected(end, reason);
    },
    rekeyed: () => {
      trace(end, "rekeyed");
      told.rekeys += 1;
    },
    roamed: (endpoint) => {
      trace(end, "roamed", endpoint);
      told.roams += 1;
    },
    silent: () => {
      trace(end, "silent");
      told.silences += 1;
    },
    heard: () => {
      trace(end, "heard");
    },
    refused: ({ reason }) => {
      trace(end, "refused", reason);
    },
    warning: ({ code }) => {
      told.warnings.set(code, (told.warnings.get(code) ?? 0) + 1);
    },
    failed: (error) => {
      if (error.code === "ERR_I405_REFUSED" && error.message.includes("the length")) {
        refused();
        return;
      }
      throw new Error(`the ${end} failed: ${error.message}`, { cause: error });
    },
  };
}

function clientMachine(context: MachineContext, addon: Addon, circumstances: Circumstances, wire: Wire): Machine {
  const { endpoint, timeoutMs, plant } = circumstances;
  const { pairing } = circumstances.client;
  const asked = { aeads: addon.aeads(), clientTimeoutMs: timeoutMs, serverTimeoutMs: timeoutMs };
  const { host: address, port } = parseHostAndPort(endpoint)!;
  const paths = new ClientPaths({
    clock: context.clock,
    addresses: [{ address, port, family: 4 }],
    wire,
    routeMtu: (towards) => addon.routeMtu(towards, null),
    lookUp: null,
    attemptNs: (up, down) =>
      attemptNs(
        { ...up, messageLength: INITIATION_LENGTHS[pairing.noise.pattern] },
        { ...down, messageLength: RESPONSE_LENGTH },
      ),
    initiate: (rung, stamp) => new InitiatorHandshake(pairing, stamp, { ...asked, wire: rung }),
  });
  return new ClientMachine(context, {
    ...paths.first(),
    ...(plant === "oneRung" ? {} : { paths }),
    clientTimeoutMs: timeoutMs,
    stamps: new StampSource(context.clock, circumstances.client.store),
    rekeyNs: resolveRekeyNs(null, wire),
    repeatNs: repeatNs(wire.up.intervalNs),
    rekey: (root) => new RekeyInitiation(pairing, root),
  });
}

function serverMachine(
  context: MachineContext,
  addon: Addon,
  circumstances: Circumstances,
  down: WireDirection,
  floor: FloorKeeper,
): Machine {
  const { linger, limits, ownStart, clientEndpoint } = circumstances;
  const timing = timingOf(down, hostOf(clientEndpoint));
  /** As `lib/tunnel/opening.ts` has it. */
  const mtuTowards = (source: string): number => {
    try {
      return addon.routeMtu(hostOf(source), null);
    } catch {
      return LENGTH_RANGE.max;
    }
  };
  const { pairing } = circumstances.server;
  return new ServerMachine(context, {
    aeads: addon.aeads(),
    maxServerTimeoutMs: limits.maxServerTimeoutMs,
    drawLingerNs: () => drawLinger(linger),
    ownStart: ownStart ? { timing, endpoint: clientEndpoint } : null,
    floor,
    read: (stamp, message) => new ResponderHandshake(pairing, stamp, message),
    rekey: (root, initiation) => answerRekey(pairing, root, initiation),
    judge: (wire, source) => judgeWire(wire, limits, mtuTowards(source)),
    attemptNs: (wire, datagramLength, downwards) =>
      attemptNs(
        { datagramLength, intervalNs: wire.up.intervalNs, messageLength: INITIATION_LENGTHS[pairing.noise.pattern] },
        { ...downwards, messageLength: RESPONSE_LENGTH },
      ),
  });
}
