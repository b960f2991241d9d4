/**
 * The client's side of handshakes and sessions (docs/protocol.md, "Handshake and sessions").
 *
 *     start ──> attempt ──response──> session ──expired, exhausted, closed by the server──> attempt
 *                 ^ │ no answer         ^ │     silent ──> attempt, the session still open ──heard──> session
 *                 └─┘               rekey └─┘                    │ response: the new session replaces it
 *
 * The schedule runs from the start to the end and never changes; attempts and sessions only change what slots hold.
 */
import { I405Error } from "../common/errors.js";
import { PROTOCOL_VERSION, type ResponseOutcome } from "../handshake/messages.js";
import type { SessionKeys, SessionRoot } from "../handshake/session-keys.js";
import { StampSource } from "../handshake/stamps.js";
import { Timers } from "../native/clock.js";
import type { NativeEvent } from "../native/events.js";
import { CONTROL_CLOSE, KIND_INITIATION, KIND_RESPONSE, KIND_WRONG_VERSION } from "../native/protocol-ids.js";
import type { Attempt, ClientPath, Paths } from "./client-paths.js";
import { ClientRekey, type ClientRekeyConfig } from "./client-rekey.js";
import {
  cipherName,
  watchAge,
  type DisconnectReason,
  type Machine,
  type MachineContext,
  type Remains,
} from "./machine.js";
import { Generations } from "./generations.js";
import { PreviousGeneration } from "./previous-generation.js";
import { TakenOverWatch } from "./shared-secret.js";
import { SuspendWatch } from "./suspend-watch.js";
import { expiryNs, retentionNs } from "./times.js";
import { noAnswer, stateNotKept } from "./warnings.js";
import { refusalError } from "./wire-settings.js";

/** The client's options, with the path of the first attempt. Without `paths`, all attempts take that path. */
export interface ClientConfig extends ClientPath, ClientRekeyConfig {
  clientTimeoutMs: number;
  paths?: Paths;
  /** Default: stamps are remembered only while the program runs. */
  stamps?: StampSource;
}

interface Session {
  generation: number;
  path: ClientPath;
  /** CLOCK_BOOTTIME when its initiation, or its newest rekey's, was made. */
  madeAtNs: bigint;
  root: SessionRoot;
  receiveLength: number;
}

/** The protocol's: how many attempts a response may belong to. */
const ATTEMPTS_KEPT = 2;

export class ClientMachine implements Machine {
  readonly #context: MachineContext;
  readonly #config: ClientConfig;
  readonly #stamps: StampSource;
  readonly #timers: Timers<"attempt" | "age" | "climb">;
  readonly #suspended: SuspendWatch;
  readonly #rekey: ClientRekey;
  readonly #generations: Generations;
  /** The generation of the session that was replaced. */
  readonly #previous: PreviousGeneration;
  readonly #takenOver: TakenOverWatch;
  /** Newest last. Empty exactly while nothing is in the carousel. */
  #attempts: { attempt: Attempt; madeAtNs: bigint; path: ClientPath }[] = [];
  /** Where datagrams go now. */
  #path: ClientPath;
  /** The carousel is there to try a longer length, and the session would go on without it. */
  #climbing = false;
  #session: Session | null = null;
  /** When the carousel began, and whether somebody was told that nobody answers it. */
  #unansweredSinceNs = 0n;
  #warned = false;
  /** The newest stamp is not on disk, and somebody was told. */
  #stampWarned = false;
  #stopped = false;

  constructor(context: MachineContext, config: ClientConfig) {
    this.#context = context;
    this.#config = config;
    this.#stamps = config.stamps ?? new StampSource(context.clock);
    this.#timers = new Timers(context.clock);
    this.#path = config;
    this.#suspended = new SuspendWatch(context.clock, (sleptMs) => {
      this.#resumed(sleptMs);
    });
    this.#rekey = new ClientRekey(context, config);
    this.#generations = new Generations(context.native, "client");
    this.#previous = new PreviousGeneration(context);
    this.#takenOver = new TakenOverWatch(context, config.clientTimeoutMs);
  }

  start(): void {
    // The initiation is made first: slots that wait for it would hold what the server takes for a stranger's, and where slots
    // are short the timed threads leave little time to make it in.
    this.#beginCarousel(this.#path, ({ up, endpoint }) => {
      this.#context.native.startSchedule({ ...up, firstDeadlineNs: null, endpoint });
    });
    this.#suspended.start();
  }

  stop(): Remains {
    this.#stopped = true;
    this.#timers.clearAll();
    this.#suspended.stop();
    this.#rekey.stop();
    this.#previous.stop();
    this.#session?.root.destroy();
    this.#endCarousel();
    return { timing: this.#path.up, session: this.#session !== null };
  }

  handle(event: NativeEvent): void {
    if (this.#stopped) return;
    switch (event.type) {
      case "handshake":
        if (event.kind === KIND_RESPONSE) this.#readResponse(event);
        else if (event.kind === KIND_WRONG_VERSION) this.#readVersions(event);
        break;
      case "opened":
        // The server sends under the session's key too.
        if (event.generation === this.#session?.generation) this.#previous.forgetIn(retentionNs(this.#path.wire));
        break;
      case "control":
        if (event.generation === this.#session?.generation) this.#readControl(event.kind, event.body);
        break;
      case "exhausted":
        if (event.generation === this.#session?.generation) this.#lose("exhausted");
        break;
      case "silent":
        this.#silent(Number(event.forNs / 1_000_000n));
        break;
      case "heard":
        if (this.#session !== null && this.#attempts.length > 0) {
          this.#takenOver.heard();
          this.#backToSession(this.#session);
          this.#context.report.heard();
        }
        break;
      default:
    }
  }

  /** The session's peer is silent, or was silent for as long as the machine slept. */
  #silent(forMs: number): void {
    if (this.#session === null || (this.#attempts.length > 0 && !this.#climbing)) return;
    if (this.#climbing) this.#endCarousel();
    this.#takenOver.silent();
    this.#beginCarousel(this.#lostPath());
    this.#context.report.silent(forMs);
  }

  /** CLOCK_MONOTONIC doesn't show the time asleep, so nothing else would notice before the next timeout. */
  #resumed(sleptMs: number): void {
    const session = this.#session;
    if (session === null) return;
    const ageNs = this.#context.clock.boottimeNs() - session.madeAtNs;
    if (Number(ageNs) >= expiryNs(session.path.wire)) this.#lose("expired");
    else if (sleptMs >= this.#config.clientTimeoutMs) this.#silent(sleptMs);
  }

  #beginCarousel(path: ClientPath, start?: (path: ClientPath) => void): void {
    this.#unansweredSinceNs = this.#context.clock.boottimeNs();
    this.#warned = false;
    this.#attempt(path, start);
  }

  #lostPath(): ClientPath {
    return this.#config.paths?.next("lost") ?? this.#path;
  }

  #goTo(path: ClientPath): void {
    const { endpoint, up } = path;
    const stays = endpoint === this.#path.endpoint && up.datagramLength === this.#path.up.datagramLength;
    this.#path = path;
    if (!stays) this.#context.native.redirect(endpoint, up.datagramLength);
  }

  /** The carousel was not needed. Slots go on with the session, at its length. */
  #backToSession({ path }: Session): void {
    this.#endCarousel();
    this.#goTo(path);
  }

  #endCarousel(): void {
    for (const { attempt } of this.#attempts) attempt.destroy();
    this.#attempts = [];
    this.#timers.clear("attempt");
    this.#climbing = false;
    this.#context.native.expectStamps([]);
    this.#context.native.stopOffer();
  }

  #attempt(path: ClientPath, start?: (path: ClientPath) => void): void {
    const { native, clock } = this.#context;
    const { endpoint, attemptNs } = path;
    const madeAtNs = clock.boottimeNs();
    const attempt = path.initiate(this.#nextStamp());
    start?.(path);
    this.#goTo(path);
    this.#attempts.push({ attempt, madeAtNs, path });
    if (this.#attempts.length > ATTEMPTS_KEPT) this.#attempts.shift()?.attempt.destroy();
    native.expectStamps(this.#attempts.map((each) => each.attempt.stamp));
    const { message, stamp } = attempt;
    native.offer({ kind: KIND_INITIATION, version: PROTOCOL_VERSION, stamp, message, every: 1, endpoint });
    this.#timers.set("attempt", attemptNs / 1e6, () => {
      this.#attemptInVain();
    });
  }

  #nextStamp(): number {
    const { stamp, failure } = this.#stamps.next();
    if (failure !== null && !this.#stampWarned) this.#context.report.warning(stateNotKept("client", failure));
    this.#stampWarned = failure !== null;
    return stamp;
  }

  #attemptInVain(): void {
    if (this.#climbing && this.#session !== null) {
      this.#backToSession(this.#session);
      this.#climbLater(this.#session);
      return;
    }
    const { endpoint } = this.#path;
    this.#attempt(this.#config.paths?.next("unanswered") ?? this.#path);
    if (this.#warned) return;
    this.#warned = true;
    const forNs = this.#context.clock.boottimeNs() - this.#unansweredSinceNs;
    this.#context.report.warning(noAnswer(endpoint, Number(forNs)));
  }

  /** A session on a shorter length than the configured one makes way for a longer one, if the path carries it again. */
  #climbLater({ path }: Session): void {
    const afterMs = this.#config.paths?.answered(path) ?? null;
    this.#timers.clear("climb");
    if (afterMs === null) return;
    this.#timers.set("climb", afterMs, () => {
      if (this.#session === null || this.#attempts.length > 0) return;
      const climb = this.#config.paths?.climb();
      if (climb === undefined) return;
      this.#beginCarousel(climb);
      this.#climbing = true;
    });
  }

  #readResponse({ stamp, message, datagramLength }: Extract<NativeEvent, { type: "handshake" }>): void {
    const made = this.#attempts.find((each) => each.attempt.stamp === stamp);
    if (made === undefined) return;
    let outcome: ResponseOutcome;
    try {
      outcome = made.attempt.readResponse(message);
    } catch (error) {
      if (!(error instanceof I405Error)) throw error;
      // The answers of a server that restarted may have mixed. The carousel brings a whole one.
      if (error.code !== "ERR_I405_HANDSHAKE") this.#context.report.failed(error);
      return;
    }
    const { path, madeAtNs } = made;
    const { paths } = this.#config;
    const ageNs = Number(this.#context.clock.boottimeNs() - madeAtNs);
    if (outcome.verdict === "accepted" && ageNs >= expiryNs(path.wire)) {
      // The machine slept meanwhile, so such a session would be over as soon as it begins.
      outcome.session.destroy();
      this.#attempts = this.#attempts.filter((each) => each !== made);
      this.#attempt(path);
    } else if (outcome.verdict === "accepted") this.#accept(outcome.session, path, stamp, madeAtNs, datagramLength);
    else if (outcome.verdict === "length" && paths?.shorten(outcome.limit)) {
      // The attempt is over: another copy of its answer is of no use.
      this.#attempts = this.#attempts.filter((each) => each !== made);
      this.#attempt(paths.next("lost"));
    } else this.#context.report.failed(refusalError(outcome.verdict, outcome.limit));
  }

  #accept(keys: SessionKeys, path: ClientPath, stamp: number, madeAtNs: bigint, receiveLength: number): void {
    const { native, report } = this.#context;
    const { wire, endpoint } = path;
    const { aead } = keys;
    const replaced = this.#session !== null;
    this.#goTo(path);
    this.#climbLater(this.#adopt(keys, path, stamp, madeAtNs, receiveLength));
    this.#endCarousel();
    native.watchSilence(this.#config.clientTimeoutMs * 1e6);
    if (replaced) report.disconnected("replaced");
    report.connected({ endpoint, wire, cipher: cipherName(aead) });
    this.#takenOver.connected(endpoint, path.attemptNs);
  }

  /** From now on these are the session's keys. They receive first, and send then. */
  #adopt(
    keys: SessionKeys,
    path: ClientPath,
    announceStamp: number | null,
    madeAtNs: bigint,
    receiveLength: number,
  ): Session {
    const { native, clock } = this.#context;
    const { wire } = path;
    const root = keys.root();
    const generation = this.#generations.install(keys, { length: receiveLength, intervalNs: wire.down.intervalNs });
    this.#rekey.watch(root, madeAtNs);
    native.sendUnder(generation, announceStamp);
    if (this.#session !== null) {
      this.#previous.keep(this.#session.generation);
      this.#session.root.destroy();
    }
    this.#session = { generation, path, madeAtNs, root, receiveLength };
    const again = (ms: number, check: () => void): void => {
      this.#timers.set("age", ms, check);
    };
    watchAge(clock, madeAtNs + BigInt(expiryNs(wire)), again, () => {
      this.#lose("expired");
    });
    return this.#session;
  }

  #readControl(kind: number, body: Uint8Array): void {
    if (this.#session === null) return;
    if (kind === CONTROL_CLOSE) {
      this.#lose("peerClosed");
      return;
    }
    const next = this.#rekey.read(kind, body);
    if (next === null) return;
    const { path, receiveLength } = this.#session;
    const session = this.#adopt(next.keys, path, null, next.madeAtNs, receiveLength);
    const climbed = this.#climbing;
    const silent = this.#attempts.length > 0 && !climbed;
    // The attempt ends here. If it were answered as well, the two ends might not agree on which session is the newer.
    if (silent || climbed) this.#backToSession(session);
    if (climbed) this.#climbLater(session);
    this.#context.report.rekeyed();
    if (silent) {
      this.#takenOver.heard();
      this.#context.report.heard();
    }
  }

  /**
   * The session is over. Its keys are zeroed, a throwaway key takes over, and the carousel begins unless it already
   * turns.
   */
  #lose(reason: DisconnectReason): void {
    const session = this.#session;
    if (session === null) return;
    const { native, report } = this.#context;
    this.#session = null;
    this.#timers.clear("age");
    this.#timers.clear("climb");
    this.#rekey.stop();
    session.root.destroy();
    native.forget(session.generation);
    this.#previous.forget();
    native.watchSilence(null);
    this.#climbing = false;
    if (this.#attempts.length === 0) this.#beginCarousel(this.#lostPath());
    report.disconnected(reason);
  }

  #readVersions({ version, stamp, message }: Extract<NativeEvent, { type: "handshake" }>): void {
    if (!this.#attempts.some((each) => each.attempt.stamp === stamp)) return;
    const [lowest = version, highest = version] = message;
    const theirs = lowest === highest ? `version ${lowest}` : `versions ${lowest} to ${highest}`;
    this.#context.report.failed(
      new I405Error(
        "ERR_I405_PROTOCOL_VERSION",
        `the server speaks ${theirs} of the protocol, this client version ${PROTOCOL_VERSION}. ` +
          "Install the same version of i405 at both ends",
      ),
    );
  }
}
