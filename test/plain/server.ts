/** A server written from docs/protocol.md alone, for one client: response carousel, confirmation, data, close. */
import type { RemoteInfo } from "node:dgram";
import { CLOSE, controlBlock, REKEY_INITIATION, REKEY_RESPONSE } from "./aggfrag.js";
import { Channel } from "./channel.js";
import { datagramLength, PlainEnd } from "./end.js";
import { Gathering } from "./gathering.js";
import { PlainResponder, RESPONSE_BYTES, type PlainSettings, type PlainVerdict } from "./handshake.js";
import { plainRekeyAnswer, type PlainRoot } from "./rekey.js";
import type { PlainSecrets } from "./secrets.js";
import { fragmentCount, INITIATION, RESPONSE, unwrap, VERSION, wrap, WRONG_VERSION, type Fragment } from "./wire.js";

/** A response's first deadline is this long after the initiation was whole. */
const START_MS = 500;

/** What the server makes of an initiation: a verdict, or another version that it speaks instead. */
export type Answer = PlainVerdict | { version: number; lowest: number; highest: number };

export class PlainServer extends PlainEnd {
  /** The handshake fragments that came. */
  readonly fragments: Fragment[] = [];
  /** Whole initiations, as they were read. */
  readonly initiations: PlainResponder[] = [];
  channel: Channel | null = null;
  /** Whether a datagram of the client's opened. */
  confirmed = false;
  clientPort = 0;
  /** While true, initiations are gathered but not answered. */
  deaf = false;
  /** While true, the response's carousel goes on though the client's data opens. */
  holdBack = false;
  /** How many rekeys were confirmed. */
  rekeys = 0;
  #root: PlainRoot | null = null;
  /** A rekey that is answered and not confirmed yet. */
  #next: { channel: Channel; root: PlainRoot; message: Buffer } | null = null;
  /** The key before a rekey. */
  #previous: Channel | null = null;
  readonly #secrets: PlainSecrets;
  readonly #answer: (settings: PlainSettings) => Answer;
  #n = 0;
  #gathering: Gathering | null = null;
  #starting: NodeJS.Timeout | null = null;
  #done = new Set<number>();

  constructor(secrets: PlainSecrets, answer: (settings: PlainSettings) => Answer) {
    super();
    this.#secrets = secrets;
    this.#answer = answer;
  }

  write(packet: Uint8Array): void {
    this.channel!.writer.push(packet);
  }

  sendClose(): void {
    this.stop();
    for (let i = 0; i < 8; i++) this.inject(this.channel!.seal(this.#n, [controlBlock(CLOSE)]));
  }

  /** Sends a datagram that the test made itself. */
  inject(datagram: Buffer): void {
    this.send(datagram, this.clientPort);
  }

  override close(): void {
    if (this.#starting !== null) clearTimeout(this.#starting);
    super.close();
  }

  protected override take(datagram: Buffer, from: RemoteInfo): void {
    if (this.channel?.open(datagram) === true) {
      this.confirmed = true;
      this.clientPort = from.port;
      this.#takeRekey(this.channel);
      return;
    }
    if (this.#next?.channel.open(datagram) === true) {
      this.#previous = this.channel;
      ({ channel: this.channel, root: this.#root } = this.#next);
      this.#next = null;
      this.rekeys += 1;
      return;
    }
    if (this.#previous?.open(datagram) === true) return;
    const fragment = unwrap(this.#secrets.up, datagram);
    if (fragment === null) {
      this.unknown.push(datagram);
      return;
    }
    if (fragment.kind !== INITIATION || fragment.version !== VERSION) throw new Error("not an initiation");
    this.fragments.push(fragment);
    this.clientPort = from.port;
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

  #takeRekey(channel: Channel): void {
    const initiation = channel.reader.controls.find(({ type }) => type === REKEY_INITIATION);
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
    if ("version" in answer) {
      const body = Buffer.from([answer.lowest, answer.highest]);
      const head = { version: answer.version, kind: WRONG_VERSION, f: 0, stamp };
      this.#start(100e6, () => wrap(this.#secrets.down, n, head, body));
      return;
    }
    this.#n = datagramLength(settings.down.length);
    const { message, session, h } = responder.respond(answer);
    if (answer.verdict === 0) {
      this.channel = new Channel(session, "down", answer.aeadId);
      this.#root = { h, chain: session.chain, aeadId: answer.aeadId };
      this.confirmed = false;
    }
    let next = 0;
    this.#start(settings.down.intervalNs, () => {
      if (this.confirmed && !this.holdBack) {
        return this.channel!.seal(
          this.#n,
          this.#next === null ? [] : [controlBlock(REKEY_RESPONSE, this.#next.message)],
        );
      }
      const f = next++ % fragmentCount(RESPONSE_BYTES, this.#n);
      return wrap(this.#secrets.down, this.#n, { version: VERSION, kind: RESPONSE, f, stamp }, message);
    });
  }

  /** Slots of data, after {@link stop}. */
  resume(): void {
    this.run(this.initiations[0]!.settings.down.intervalNs, () => this.inject(this.channel!.seal(this.#n)));
  }

  #start(intervalNs: number, datagram: () => Buffer): void {
    this.#starting = setTimeout(() => this.run(intervalNs, () => this.inject(datagram())), START_MS);
  }
}
