/** The public class without its addon: what can be asked of a tunnel. `lifecycle.ts` says how it lives. */
import type { Duplex } from "node:stream";
import type {
  ConnectOptions,
  Connection,
  ListenOptions,
  TunnelOptions,
  TunnelState,
  TunnelStats,
} from "../../index.js";
import { asError, describe, I405Error, optionError } from "../common/errors.js";
import type { Pairing } from "../handshake/pairing.js";
import { looksGenerated } from "../handshake/passwords.js";
import type { Role } from "../native/options.js";
import { parseConnectOptions, parseListenOptions } from "../options/connection-options.js";
import type { Credentials } from "../options/credentials.js";
import type { LocalSettings } from "../options/settings.js";
import { parseTunnelOptions } from "../options/tunnel-options.js";
import { WEAK_PASSWORD } from "../session/warnings.js";
import { TunnelEmitter } from "./emitter.js";
import { Lifecycle } from "./lifecycle.js";
import { beginPairing, openClient, openServer } from "./opening.js";
import { PacketHub } from "./packet-hub.js";
import type { Parts } from "./parts.js";
import { publicStats } from "./stats.js";

export class Tunnel extends TunnelEmitter implements AsyncDisposable {
  readonly #local: LocalSettings;
  readonly #life: Lifecycle;
  readonly #hub: PacketHub;

  constructor(options: TunnelOptions, parts: Parts) {
    super();
    this.#local = parseTunnelOptions(options);
    this.#hub = new PacketHub({
      boundMs: this.#local.readerQueueMs,
      write: (packet) => this.#take(packet),
      warn: (warning) => this.emit("warning", warning),
    });
    this.#life = new Lifecycle(this.#local, parts, this, this.#hub);
  }

  get state(): TunnelState {
    return this.#life.state;
  }

  get localAddress(): string | null {
    return this.#life.localAddress;
  }

  get deviceName(): string | null {
    return this.#life.deviceName;
  }

  get connection(): Connection | null {
    return this.#life.connection;
  }

  connect(options: ConnectOptions): Promise<Connection> {
    try {
      const settings = parseConnectOptions(options);
      const { signal, connectTimeoutNs } = settings;
      const pairing = this.#beginPairing("client", settings.credentials);
      const up = this.#life.begin({
        state: "connecting",
        pairing,
        signal,
        connectTimeoutNs,
        open: (opening) => openClient(opening, settings),
      });
      // A client's promise resolves only with its first session.
      return kept(up as Promise<Connection>);
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }

  listen(options: ListenOptions): Promise<void> {
    try {
      const settings = parseListenOptions(options);
      const { signal } = settings;
      const pairing = this.#beginPairing("server", settings.credentials);
      const up = this.#life.begin({
        state: "listening",
        pairing,
        signal,
        connectTimeoutNs: null,
        open: (opening) => openServer(opening, settings),
      });
      return kept(up.then(() => undefined));
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }

  write(packet: Uint8Array): boolean {
    const taken = this.#take(packet);
    if (!taken) this.#hub.counts.writeRefusals += 1n;
    return taken;
  }

  #take(packet: unknown): boolean {
    this.#requirePackets();
    if (!(packet instanceof Uint8Array)) {
      throw optionError({ option: "packet", came: describe(packet), expected: "an inner IP packet as a Uint8Array" });
    }
    if (this.#life.ending) throw new I405Error("ERR_I405_CLOSED", "the tunnel is closed: nothing can be written");
    const { native } = this.#life;
    if (native === null) {
      throw new I405Error("ERR_I405_STATE", "the tunnel is not open yet: await connect or listen before write");
    }
    // Another thread can change shared memory while it is looked at, so a copy is looked at.
    return native.write(packet.buffer instanceof SharedArrayBuffer ? new Uint8Array(packet) : packet);
  }

  stream(): Duplex {
    this.#requirePackets();
    return this.#hub.stream();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    this.#requirePackets();
    return this.#hub.iterate();
  }

  stats(): TunnelStats {
    const { state } = this.#life;
    return publicStats(state, this.#life.stats(), this.#hub.counts, this.#life.ages);
  }

  ref(): this {
    this.#life.setRef(true);
    return this;
  }

  unref(): this {
    this.#life.setRef(false);
    return this;
  }

  close(): Promise<void> {
    return this.#life.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #beginPairing(role: Role, credentials: Credentials): Promise<Pairing> {
    this.#life.requireNew();
    const pairing = beginPairing(role, credentials);
    if (credentials.kind === "password" && !looksGenerated(credentials.password)) {
      // Not within the call, because its caller had no chance yet to add a listener to what it returns.
      setImmediate(() => {
        if (!this.#life.ending) this.emit("warning", WEAK_PASSWORD);
      });
    }
    return pairing;
  }

  #requirePackets(): void {
    const { kind } = this.#local.device;
    if (kind === "packets") return;
    throw new I405Error(
      "ERR_I405_DEVICE",
      `device: this tunnel's packets go to a ${kind === "tun" ? "TUN interface" : "descriptor"}, not through the ` +
        'program. Leave device out, or set it to "packets"',
      { option: "device" },
    );
  }
}

/**
 * A promise whose failure doesn't end a program that listens to events instead. Awaiting it gives the failure all the
 * same.
 */
function kept<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => undefined);
  return promise;
}
