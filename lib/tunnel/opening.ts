/**
 * How a tunnel opens: first names, keys and the route, then the socket and the device, the machine last. Everything
 * that can fail without holding anything comes first.
 */
import type { WireDirection } from "../../index.js";
import type { HostPort } from "../common/option-readers.js";
import { LENGTH_RANGE } from "../common/wire-bounds.js";
import { FloorKeeper } from "../handshake/floor.js";
import { INITIATION_LENGTHS, InitiatorHandshake, ResponderHandshake, RESPONSE_LENGTH } from "../handshake/messages.js";
import { pairingFromKeys, pairingFromPassword, type Pairing } from "../handshake/pairing.js";
import { rehearseHandshake, SHORT_SLOTS_NS } from "../handshake/rehearsal.js";
import { answerRekey, RekeyInitiation } from "../handshake/rekey-messages.js";
import type { SessionRoot } from "../handshake/session-keys.js";
import { StampSource } from "../handshake/stamps.js";
import { StateFile } from "../handshake/state-file.js";
import { formatAddress, isName, resolveAll, resolveHost, type SocketAddress } from "../names/resolve.js";
import type { Addon } from "../native/addon.js";
import type { Clock } from "../native/clock.js";
import type { NativeEvent } from "../native/events.js";
import type { NativeOpenOptions, Role } from "../native/options.js";
import type { NativeTunnel } from "../native/tunnel.js";
import { resolveAllowedIps } from "../options/allowed-ips.js";
import type { Credentials } from "../options/credentials.js";
import { drawLinger } from "../options/linger.js";
import type { ClientSettings, LocalSettings, ServerSettings } from "../options/settings.js";
import { ClientMachine } from "../session/client-machine.js";
import { ClientPaths } from "../session/client-paths.js";
import { hostOf, type Machine, type MachineReport } from "../session/machine.js";
import { ServerMachine } from "../session/server-machine.js";
import { attemptNs, repeatNs } from "../session/times.js";
import { judgeWire, resolveDirection, resolveRekeyNs, resolveTimeoutMs, timingOf } from "../session/wire-settings.js";
import type { Parts } from "./parts.js";
import { persistently } from "./persistence.js";

/** What the tunnel lends for its opening. */
export interface Opening {
  parts: Parts;
  local: LocalSettings;
  pairing: Promise<Pairing>;
  report: MachineReport;
  onEvents(events: NativeEvent[]): void;
  /** The clock is there, so waiting for the opening can be bounded from now on. Returns the clock for the machine. */
  clockReady(clock: Clock): Clock;
  /** Throws if the tunnel was closed meanwhile. */
  requireOpen(): void;
  /** The addon's side is open. From now on it is closed with the tunnel, whatever becomes of the opening. */
  hold(native: NativeTunnel): void;
}

export interface Running {
  native: NativeTunnel;
  clock: Clock;
  machine: Machine;
  lingerNs: number;
}

/**
 * The pairing of keys is made at once, so that a bad key is told before anything happens. That of a password is made
 * off this thread.
 *
 * @throws {I405Error} `ERR_I405_KEY`
 */
export function beginPairing(role: Role, credentials: Credentials): Promise<Pairing> {
  if (credentials.kind === "password") return pairingFromPassword(credentials.password);
  return Promise.resolve(pairingFromKeys(role, credentials.keys));
}

export async function openClient(opening: Opening, settings: ClientSettings): Promise<Running> {
  const { addon, clock } = await prepare(opening);
  const pairing = await opening.pairing;
  return await persistently(opening, settings.persistent, clock, async () => {
    return await openClientOnce(opening, settings, addon, clock, pairing);
  });
}

async function openClientOnce(
  opening: Opening,
  settings: ClientSettings,
  addon: Addon,
  clock: Clock,
  pairing: Pairing,
): Promise<Running> {
  const { parts, local, report } = opening;
  const { peers } = settings;
  const names = { parts, fwmark: local.fwmark };
  const bind = settings.localAddress === null ? null : await resolveHost(settings.localAddress, 0, names);
  const lookUp = async () => await resolveAll(peers, bind?.family ?? 0, names);
  const addresses = await lookUp();
  opening.requireOpen();

  const routeMtu = (address: string) => addon.routeMtu(address, local.fwmark);
  const nearest = firstMtu(addresses, routeMtu);
  const initiationLength = INITIATION_LENGTHS[pairing.noise.pattern];
  const configured = { up: resolveDirection(settings.up, nearest), down: resolveDirection(settings.down, nearest) };
  const asked = {
    aeads: addon.aeads(),
    clientTimeoutMs: resolveTimeoutMs("clientTimeout", settings.clientTimeoutNs, configured.down),
    serverTimeoutMs: resolveTimeoutMs("serverTimeout", settings.serverTimeoutNs, configured.up),
  };
  const paths = new ClientPaths({
    clock,
    addresses,
    wire: configured,
    routeMtu,
    lookUp: peers.some(isName) ? lookUp : null,
    attemptNs: (up, down) =>
      attemptNs({ ...up, messageLength: initiationLength }, { ...down, messageLength: RESPONSE_LENGTH }),
    initiate: (wire, stamp) => new InitiatorHandshake(pairing, stamp, { ...asked, wire }),
  });
  if (local.pollMode !== "sleepy" && configured.up.intervalNs < SHORT_SLOTS_NS) {
    rehearseHandshake({ ...asked, wire: configured });
  }
  const first = paths.first();
  const stamps = new StampSource(clock, stateFile(settings.stateFile, "client"));
  const native = openNative(addon, opening, pairing, {
    role: "client",
    bind: bind === null ? anyAddress(peers, addresses) : formatAddress(bind),
    peer: first.endpoint,
    floorMs: 0,
    maxStampAgeMs: null,
    allowedIps: resolveAllowedIps(settings.allowedIps, local.device),
  });
  const { clientTimeoutMs } = asked;
  const rekeys = {
    rekeyNs: resolveRekeyNs(settings.rekeyIntervalNs, configured),
    repeatNs: repeatNs(configured.up.intervalNs),
    rekey: (root: SessionRoot) => new RekeyInitiation(pairing, root),
  };
  const machine = new ClientMachine({ native, clock, report }, { ...first, ...rekeys, clientTimeoutMs, paths, stamps });
  return { native, clock, machine, lingerNs: drawLinger(settings.linger) };
}

/** MTU towards the first address that there is a route to. */
function firstMtu(addresses: readonly SocketAddress[], routeMtu: (address: string) => number): number {
  for (const { address } of addresses) {
    try {
      return routeMtu(address);
    } catch {
      // Another address may do.
    }
  }
  return routeMtu(addresses[0]!.address);
}

/** One socket for every address that the peer's names may lead to later. */
function anyAddress(peers: readonly HostPort[], addresses: readonly SocketAddress[]): string {
  return peers.some(isName) || addresses.some(({ family }) => family === 6) ? "[::]:0" : "0.0.0.0:0";
}

export async function openServer(opening: Opening, settings: ServerSettings): Promise<Running> {
  const { parts, local, report } = opening;
  const { addon, clock } = await prepare(opening);
  const address = await resolveHost(settings.address, 0, { parts, fwmark: local.fwmark });
  const pairing = await opening.pairing;
  opening.requireOpen();

  const known = settings.client === null ? null : await knownClient(opening, addon, settings.client, address.family);
  const floor = new FloorKeeper(clock, stateFile(settings.stateFile, "server"));
  const native = openNative(addon, opening, pairing, {
    role: "server",
    bind: formatAddress(address),
    peer: known?.endpoint ?? null,
    floorMs: floor.floorMs,
    maxStampAgeMs: settings.maxStampAgeMs,
    allowedIps: resolveAllowedIps(settings.allowedIps, opening.local.device),
  });
  const initiationLength = INITIATION_LENGTHS[pairing.noise.pattern];
  const machine = new ServerMachine(
    { native, clock, report },
    {
      aeads: addon.aeads(),
      maxServerTimeoutMs: settings.limits.maxServerTimeoutMs,
      drawLingerNs: () => drawLinger(settings.linger),
      ownStart: known && { timing: timingOf(known.down, known.address), endpoint: known.endpoint },
      floor,
      read: (stamp, message) => new ResponderHandshake(pairing, stamp, message),
      rekey: (root, initiation) => answerRekey(pairing, root, initiation),
      judge: (wire, source) => judgeWire(wire, settings.limits, mtuTowards(addon, source, opening)),
      attemptNs: (wire, datagramLength, down) =>
        attemptNs(
          { datagramLength, intervalNs: wire.up.intervalNs, messageLength: initiationLength },
          { ...down, messageLength: RESPONSE_LENGTH },
        ),
    },
  );
  return { native, clock, machine, lingerNs: drawLinger(settings.linger) };
}

/** The client of a server that sends from its own start: its address has to be one that this socket reaches. */
async function knownClient(
  opening: Opening,
  addon: Addon,
  client: NonNullable<ServerSettings["client"]>,
  family: 4 | 6,
): Promise<{ address: string; endpoint: string; down: WireDirection }> {
  const { parts, local } = opening;
  const found = await resolveHost(client.endpoint, family, { parts, fwmark: local.fwmark });
  opening.requireOpen();
  const down = resolveDirection(client.down, addon.routeMtu(found.address, local.fwmark));
  return { address: found.address, endpoint: formatAddress(found), down };
}

function stateFile(path: string | null, role: Role): StateFile | null {
  return path === null ? null : new StateFile(path, role);
}

async function prepare(opening: Opening): Promise<{ addon: Addon; clock: Clock }> {
  const addon = await opening.parts.loadAddon();
  opening.requireOpen();
  return { addon, clock: opening.clockReady(opening.parts.clock(addon)) };
}

/** MTU in IP bytes. If there is no route, nothing can be answered, and nothing needs to be refused. */
function mtuTowards(addon: Addon, source: string, { local }: Opening): number {
  try {
    return addon.routeMtu(hostOf(source), local.fwmark);
  } catch {
    return LENGTH_RANGE.max;
  }
}

type ByRole = Pick<NativeOpenOptions, "role" | "bind" | "peer" | "floorMs" | "maxStampAgeMs" | "allowedIps">;

function openNative(addon: Addon, opening: Opening, pairing: Pairing, byRole: ByRole): NativeTunnel {
  const { fwmark, device, pollMode, schedFifo, cpus, dispatchers, burner } = opening.local;
  const { queueNs, finalizeNs, reorderWindow, deviationSource, sendBy, record } = opening.local;
  const keys = pairing.forRole(byRole.role);
  const initiationLength = INITIATION_LENGTHS[pairing.noise.pattern];
  try {
    const native = addon.open(
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
        record,
      },
      (events) => {
        opening.onEvents(events);
      },
    );
    opening.hold(native);
    return native;
  } finally {
    for (const key of Object.values(keys) as Uint8Array[]) key.fill(0);
  }
}
