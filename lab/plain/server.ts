/**
 * A server written from docs/protocol.md alone, for one client: response carousel, confirmation, whereabouts, data,
 * close. It has no timeout, and a new handshake takes the place of a session at once.
 */
import type { RemoteInfo } from "node:dgram";
import {
  CHALLENGE,
  CHALLENGE_BYTES,
  CLOSE,
  controlBlock,
  ECHO,
  REKEY_INITIATION,
  REKEY_RESPONSE,
  type ControlBlock,
} from "./aggfrag.js";
import { Channel, type Opened } from "./channel.js";
import { datagramLength, PlainEnd, type Source } from "./end.js";
import { Gathering } from "./gathering.js";
import { PlainResponder, RESPONSE_BYTES, type PlainSettings, type PlainVerdict } from "./handshake.js";
import { plainRekeyAnswer, type PlainRoot } from "./rekey.js";
import { Roaming } from "./roaming.js";
import type { PlainSecrets } from "./secrets.js";
import { Candidates, nameOf, NonceCounts, Turns } from "./sources.js";
import { fragmentCount, INITIATION, RESPONSE, unwrap, VERSION, wrap, WRONG_VERSION, type Fragment } from "./wire.js";

/** A response's first deadline is this long after the initiation was whole. */
const START_MS = 500;
/** The answer to another version has so many slots. */
const VERSION_SLOTS = 20;

/** What the server makes of an initiation: a verdict, or another version that it speaks instead. */
export type Answer = PlainVerdict | { version: number; lowest: number; highest: number };

/** A datagram and where it goes; null: nowhere. */
type Slot = { datagram: Buffer; to: Source } | null;

/** A rekey that is answered and not confirmed yet. */
interface Next {
  channel: Channel;
  root: PlainRoot;
  message: Buffer;
}

export class PlainServer extends PlainEnd {
  /** The handshake fragments that came. */
  readonly fragments: Fragment[] = [];
  /** Whole initiations, as they were read. */
  readonly initiations: PlainResponder[] = [];
  channel: Channel | null = null;
  /** Whether a datagram of the client's opened. */
  confirmed = false;
  /** Every source that was believed, one after the other. */
  readonly believed: Source[] = [];
  /** Where every datagram went, by name: how many. */
  readonly sentTo = new Map<string, number>();
  /** While true, initiations are gathered but not answered. */
  deaf = false;
  /** While true, the response's carousel goes on though the client's data opens. */
  holdBack = false;
  /** How many rekeys were confirmed. */
  rekeys = 0;
  #root: PlainRoot | null = null;
  #next: Next | null = null;
  /** The key before a rekey. */
  #previous: Channel | null = null;
  readonly #secrets: PlainSecrets;
  readonly #answer: (settings: PlainSettings) => Answer;
  #n = 0;
  #gathering: Gathering | null = null;
  #starting: NodeJS.Timeout | null = null;
  #ending: NodeJS.Timeout | null = null;
  #done = new Set<number>();
  /** Where fragments came from, by stamp. */
  readonly #counts = new Map<number, NonceCounts>();
  /** The stamp that is answered. */
  #answered: number | null = null;
  /** From the confirmation until a source is believed. */
  #candidates: Candidates | null = null;
  /** From then on. */
  #roaming: Roaming | null = null;

  constructor(secrets: PlainSecrets, answer: (settings: PlainSettings) => Answer) {
    super();
    this.#secrets = secrets;
    this.#answer = answer;
  }

  /** Where the client is, as far as one knows: believed, or the first of those that are answered. */
  get endpoint(): Source | null {
    if (this.#roaming !== null) return this.#roaming.endpoint;
    return this.#asking[0] ?? null;
  }

  /** The sources that the response goes to, or would. */
  get #asking(): Source[] {
    const stamp = this.#answered ?? this.fragments.at(-1)?.stamp;
    return (stamp === undefined ? undefined : this.#counts.get(stamp)?.targets) ?? [];
  }

  get clientPort(): number {
    return this.endpoint?.port ?? 0;
  }

  write(packet: Uint8Array): void {
    this.channel!.writer.push(packet);
  }

  sendClose(): void {
    this.stop();
    for (let i = 0; i < 8; i++) this.inject(this.channel!.seal(this.#n, [controlBlock(CLOSE)]));
  }

  /** Sends a datagram that the test made itself. */
  inject(datagram: Buffer, to = this.endpoint!): void {
    const name = nameOf(to);
    this.sentTo.set(name, (this.sentTo.get(name) ?? 0) + 1);
    this.send(datagram, to.port, to.address);
  }

  override stop(): void {
    for (const timer of [this.#starting, this.#ending]) if (timer !== null) clearTimeout(timer);
    super.stop();
  }

  protected override take(datagram: Buffer, { address, port }: RemoteInfo): void {
    const from = { address, port };
    const opened = this.channel?.open(datagram) ?? null;
    if (opened !== null) {
      this.#takeData(opened, from);
      return;
    }
    const next = this.#next?.channel.open(datagram) ?? null;
    if (next !== null) {
      this.#previous = this.channel;
      ({ channel: this.channel, root: this.#root } = this.#next!);
      this.#next = null;
      this.rekeys += 1;
      this.#roaming?.rekeyed();
      this.#takeData(next, from);
      return;
    }
    const old = this.#previous?.open(datagram) ?? null;
    if (old !== null) this.#takeEchoes(old.controls);
    else this.#takeFragment(datagram, from);
  }

  #takeData(opened: Opened, from: Source): void {
    if (!this.confirmed) {
      this.confirmed = true;
      this.#candidates = new Candidates(this.#asking);
    }
    if (from.port !== 0) {
      this.#candidates?.opened(from);
      this.#roaming?.opened(from, opened);
    }
    this.#takeEchoes(opened.controls);
    this.#takeRekey(opened.controls);
  }

  #takeEchoes(controls: readonly ControlBlock[]): void {
    for (const { type, body } of controls) {
      if (type !== ECHO || body.length !== CHALLENGE_BYTES) continue;
      const source = this.#candidates?.believed(body) ?? null;
      if (source !== null) {
        if (this.#ending !== null) clearTimeout(this.#ending);
        this.#candidates = null;
        this.#roaming = new Roaming(source);
        this.believed.push(source);
      } else if (this.#roaming?.echo(body) === true) this.believed.push(this.#roaming.endpoint);
    }
  }

  #takeFragment(datagram: Buffer, from: Source): void {
    const fragment = unwrap(this.#secrets.up, datagram);
    if (fragment === null) {
      this.unknown.push(datagram);
      return;
    }
    if (fragment.kind !== INITIATION || fragment.version !== VERSION) throw new Error("not an initiation");
    this.fragments.push(fragment);
    const counts = this.#counts.get(fragment.stamp) ?? new NonceCounts();
    this.#counts.set(fragment.stamp, counts);
    if (from.port !== 0) counts.count(from, datagram);
    if (this.#done.has(fragment.stamp)) return;
    if (this.#gathering === null || this.#gathering.stamp < fragment.stamp) {
      this.#gathering = new Gathering(fragment.stamp, this.#secrets.initiationBytes, datagram.length);
    }
    const message = this.#gathering.take(fragment);
    if (message === null) return;
    this.#gathering = null;
    this.#done.add(fragment.stamp);
    const responder = new PlainResponder(this.#secrets.noise, fragment.stamp, message);
    this.initiations.push(responder);
    if (!this.deaf) this.respond(responder, datagram.length);
  }

  #takeRekey(controls: readonly ControlBlock[]): void {
    const initiation = controls.find(({ type }) => type === REKEY_INITIATION);
    if (initiation === undefined || this.#next !== null) return;
    const { aeadId } = this.#root!;
    const { message, session } = plainRekeyAnswer(this.#secrets.noise, this.#root!, initiation.body);
    const root = { h: session.h, chain: session.chain, aeadId };
    this.#next = { channel: new Channel(session, "down", aeadId), root, message };
  }

  /** Answers an initiation that came in datagrams of n bytes. */
  respond(responder: PlainResponder, n: number): void {
    const { settings, stamp } = responder;
    const answer = this.#answer(settings);
    this.#answered = stamp;
    if ("version" in answer) {
      const body = Buffer.from([answer.lowest, answer.highest]);
      const head = { version: answer.version, kind: WRONG_VERSION, stamp };
      const slot = this.#carousel(n, head, body, 1);
      let left = VERSION_SLOTS;
      this.#start(100e6, () => (left-- > 0 ? slot() : null));
      return;
    }
    this.#n = datagramLength(settings.down.length);
    const { message, session, h } = responder.respond(answer);
    if (answer.verdict === 0) {
      this.channel = new Channel(session, "down", answer.aeadId);
      this.#root = { h, chain: session.chain, aeadId: answer.aeadId };
      this.#next = this.#previous = null;
      this.confirmed = false;
      this.#candidates = this.#roaming = null;
    }
    const fragments = fragmentCount(RESPONSE_BYTES, this.#n);
    const slot = this.#carousel(this.#n, { version: VERSION, kind: RESPONSE, stamp }, message, fragments);
    this.#start(settings.down.intervalNs, () => (this.confirmed && !this.holdBack ? this.#dataSlot() : slot()));
    const initiation = fragmentCount(this.#secrets.initiationBytes, n);
    const rounds = initiation * settings.up.intervalNs + fragments * settings.down.intervalNs;
    // One attempt after the first deadline, if nobody is believed by then.
    this.#ending = setTimeout(() => this.#end(), START_MS + 5000 + (4 * rounds) / 1e6);
  }

  /** The message's fragments to each of its sources in turn, each with its own place. */
  #carousel(n: number, head: Omit<Fragment, "f" | "bytes">, message: Buffer, fragments: number): () => Slot {
    const turns = new Turns();
    const places = new Map<string, number>();
    return () => {
      const to = turns.next(this.#counts.get(head.stamp)!.targets);
      if (to === null) return null;
      const f = places.get(nameOf(to)) ?? 0;
      places.set(nameOf(to), (f + 1) % fragments);
      return { datagram: wrap(this.#secrets.down, n, { ...head, f }, message), to };
    };
  }

  #dataSlot(): Slot {
    const channel = this.channel!;
    const rekey = this.#next === null ? null : controlBlock(REKEY_RESPONSE, this.#next.message);
    if (this.#candidates !== null) {
      const { source, challenge } = this.#candidates.next();
      const every = [controlBlock(CHALLENGE, challenge)];
      const single = this.#candidates.all.length === 1;
      const datagram = single ? channel.seal(this.#n, every, rekey) : channel.sealAlone(this.#n, every);
      return { datagram, to: source };
    }
    const { to, challenge, alone } = this.#roaming!.slot(performance.now());
    const every = challenge === null ? [] : [controlBlock(CHALLENGE, challenge)];
    const datagram = alone ? channel.sealAlone(this.#n, every) : channel.seal(this.#n, every, rekey);
    return { datagram, to };
  }

  /** The session and its schedule: nobody is believed to be anywhere. */
  #end(): void {
    this.stop();
    this.channel = this.#next = this.#previous = null;
    this.confirmed = false;
    this.#candidates = this.#roaming = null;
  }

  /** Slots of data, after {@link stop}. */
  resume(): void {
    this.#run(this.initiations[0]!.settings.down.intervalNs, () => this.#dataSlot());
  }

  #start(intervalNs: number, slot: () => Slot): void {
    this.stop();
    this.#starting = setTimeout(() => this.#run(intervalNs, slot), START_MS);
  }

  #run(intervalNs: number, slot: () => Slot): void {
    this.run(intervalNs, () => {
      const next = slot();
      if (next !== null) this.inject(next.datagram, next.to);
    });
  }
}
