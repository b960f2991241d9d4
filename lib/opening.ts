/**
 * How a tunnel opens: names, keys and the route first, the socket and the device then, the machine last. Nothing is
 * held before everything that can fail without it has gone through.
 */
import type { Addon, NativeEvent, NativeOpenOptions, NativeTunnel, Role } from "./addon.js";
import { ClientMachine } from "./client-machine.js";
import type { Clock } from "./clock.js";
import { INITIATION_LENGTHS, InitiatorHandshake, ResponderHandshake, RESPONSE_LENGTH } from "./handshake-messages.js";
import { hostOf, type Machine, type Report } from "./machine.js";
import {
  MOST_LENGTH,
  type ClientSettings,
  type Credentials,
  type LocalSettings,
  type ServerSettings,
} from "./options.js";
import { pairingFromKeys, pairingFromPassword, type Pairing } from "./pairing.js";
import type { Parts } from "./parts.js";
import { formatAddress, resolveHost } from "./resolve.js";
import { ServerMachine } from "./server-machine.js";
import { attemptNs } from "./session-times.js";
import { judgeWire, resolveDirection, resolveTimeoutMs, timingOf } from "./wire-settings.js";

/** What the tunnel lends for its opening. */
export interface Opening {
  parts: Parts;
  local: LocalSettings;
  pairing: Promise<Pairing>;
  report: Report;
  onEvents(events: NativeEvent[]): void;
  /** The clock is there: what waits for the opening may be bounded from now on. Gives the one for the machine. */
  clockReady(clock: Clock): Clock;
  /** Throws if the tunnel was closed meanwhile. */
  requireOpen(): void;
}

export interface Running {
  native: NativeTunnel;
  clock: Clock;
  machine: Machine;
  lingerNs: number;
}

/**
 * The pairing of keys, at once, so that a bad key is told before anything happens; of a password, off this thread.
 *
 * @throws {I405Error} `ERR_I405_KEY`
 */
export function beginPairing(role: Role, credentials: Credentials): Promise<Pairing> {
  if (credentials.kind === "password") return pairingFromPassword(credentials.password);
  return Promise.resolve(pairingFromKeys(role, credentials.keys));
}

/** Ours: a server takes initiations that were made up to this long before it started. The protocol's figure. */
const FLOOR_SLACK_MS = 5000;

export async function openClient(opening: Opening, settings: ClientSettings): Promise<Running> {
  const { parts, local, report } = opening;
  const { addon, clock } = await prepare(opening);
  const bind = settings.localAddress === null ? null : await resolveHost(settings.localAddress, 0, parts);
  const peer = await resolveHost(settings.peer, bind?.family ?? 0, parts);
  const pairing = await opening.pairing;
  opening.requireOpen();

  const routeMtu = addon.routeMtu(peer.address, local.fwmark);
  const wire = { up: resolveDirection(settings.up, routeMtu), down: resolveDirection(settings.down, routeMtu) };
  const up = timingOf(wire.up, peer.address);
  const down = timingOf(wire.down, peer.address);
  const initiationLength = INITIATION_LENGTHS[pairing.noise.pattern];
  const asked = {
    aeads: addon.aeads(),
    wire,
    clientTimeoutMs: resolveTimeoutMs("clientTimeout", settings.clientTimeoutNs, wire.down),
    serverTimeoutMs: resolveTimeoutMs("serverTimeout", settings.serverTimeoutNs, wire.up),
  };
  const endpoint = formatAddress(peer);
  const native = openNative(addon, opening, pairing, {
    role: "client",
    bind: bind === null ? (peer.family === 4 ? "0.0.0.0:0" : "[::]:0") : formatAddress(bind),
    peer: endpoint,
    floorMs: 0,
    maxStampAgeMs: null,
  });
  const machine = new ClientMachine(
    { native, clock, report },
    {
      endpoint,
      wire,
      up,
      clientTimeoutMs: asked.clientTimeoutMs,
      attemptNs: attemptNs({ ...up, messageLength: initiationLength }, { ...down, messageLength: RESPONSE_LENGTH }),
      initiate: (stamp) => new InitiatorHandshake(pairing, stamp, asked),
    },
  );
  return { native, clock, machine, lingerNs: settings.lingerNs };
}

export async function openServer(opening: Opening, settings: ServerSettings): Promise<Running> {
  const { parts, report } = opening;
  const { addon, clock } = await prepare(opening);
  const address = await resolveHost(settings.address, 0, parts);
  const pairing = await opening.pairing;
  opening.requireOpen();

  const native = openNative(addon, opening, pairing, {
    role: "server",
    bind: formatAddress(address),
    peer: null,
    floorMs: clock.wallMs() - FLOOR_SLACK_MS,
    maxStampAgeMs: settings.maxStampAgeMs,
  });
  const initiationLength = INITIATION_LENGTHS[pairing.noise.pattern];
  const machine = new ServerMachine(
    { native, clock, report },
    {
      aeads: addon.aeads(),
      lingerNs: settings.lingerNs,
      read: (stamp, message) => new ResponderHandshake(pairing, stamp, message),
      judge: (wire, source) => judgeWire(wire, settings.limits, mtuTowards(addon, source, opening)),
      attemptNs: (wire, datagramLength, down) =>
        attemptNs(
          { datagramLength, intervalNs: wire.up.intervalNs, messageLength: initiationLength },
          { ...down, messageLength: RESPONSE_LENGTH },
        ),
    },
  );
  return { native, clock, machine, lingerNs: settings.lingerNs };
}

async function prepare(opening: Opening): Promise<{ addon: Addon; clock: Clock }> {
  const addon = await opening.parts.loadAddon();
  opening.requireOpen();
  return { addon, clock: opening.clockReady(opening.parts.clock(addon)) };
}

/** IP bytes. Without a route nothing can be answered, and nothing needs to be refused. */
function mtuTowards(addon: Addon, source: string, { local }: Opening): number {
  try {
    return addon.routeMtu(hostOf(source), local.fwmark);
  } catch {
    return MOST_LENGTH;
  }
}

type ByRole = Pick<NativeOpenOptions, "role" | "bind" | "peer" | "floorMs" | "maxStampAgeMs">;

function openNative(addon: Addon, opening: Opening, pairing: Pairing, byRole: ByRole): NativeTunnel {
  const { fwmark, device, pollMode, schedFifo, cpus, dispatchers, burner } = opening.local;
  const { queueNs, finalizeNs, reorderWindow, deviationSource, sendBy } = opening.local;
  const keys = pairing.forRole(byRole.role);
  const initiationLength = INITIATION_LENGTHS[pairing.noise.pattern];
  try {
    return addon.open(
      {
        ...byRole,
        fwmark,
        device,
        pollMode,
        schedFifo,
        cpus,
        dispatchers,
        burner,
        pairing: keys,
        initiationLength,
        queueNs,
        finalizeNs,
        reorderWindow,
        deviationSource,
        sendBy,
      },
      (events) => {
        opening.onEvents(events);
      },
    );
  } finally {
    for (const key of Object.values(keys) as Uint8Array[]) key.fill(0);
  }
}
