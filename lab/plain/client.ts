/** A client written from docs/protocol.md alone: carousel, response, confirmation, echoes, data, close. */
import type { RemoteInfo } from "node:dgram";
import {
  CHALLENGE,
  CHALLENGE_BYTES,
  CLOSE,
  controlBlock,
  ECHO,
  NEWEST_STAMP,
  REKEY_INITIATION,
  REKEY_RESPONSE,
  type ControlBlock,
} from "./aggfrag.js";
import { Channel } from "./channel.js";
import { datagramLength, PlainEnd } from "./end.js";
import { Gathering } from "./gathering.js";
import { PlainInitiator, RESPONSE_BYTES, type PlainSettings, type PlainVerdict } from "./handshake.js";
import { PlainRekeyInitiator, type PlainRoot } from "./rekey.js";
import type { PlainSecrets } from "./secrets.js";
import { fragmentCount, INITIATION, RESPONSE, unwrap, VERSION, wrap, WRONG_VERSION, type Fragment } from "./wire.js";

export class PlainClient extends PlainEnd {
  readonly stamp: number;
  readonly n: number;
  /** The handshake fragments that came. */
  readonly fragments: Fragment[] = [];
  /** Every whole response: the same bytes each time. */
  readonly responses: Buffer[] = [];
  verdict: PlainVerdict | null = null;
  channel: Channel | null = null;
  /** Whether a datagram of the server's opened. */
  confirmed = false;
  /** Kind 3: the sender's version, lowest and highest. */
  versions: { version: number; lowest: number; highest: number } | null = null;
  /** While true, the response is taken but nothing is sealed: the carousel goes on. */
  holdBack = false;
  /** While true, challenges are read and not answered. */
  mute = false;
  /** The challenges that came. */
  readonly challenges: Buffer[] = [];
  /** How many echoes were said. */
  echoes = 0;
  /** How many rekeys were answered. */
  rekeys = 0;
  /** What the next data slot says back. */
  #echo: Buffer | null = null;
  #root: PlainRoot | null = null;
  #rekey: PlainRekeyInitiator | null = null;
  /** The key before a rekey. */
  #previous: Channel | null = null;
  readonly #secrets: PlainSecrets;
  readonly #settings: PlainSettings;
  readonly #handshake: PlainInitiator;
  readonly #serverPort: number;
  #gathering: Gathering | null = null;
  #f = 0;

  constructor(secrets: PlainSecrets, settings: PlainSettings, serverPort: number, stamp = Date.now()) {
    super();
    this.#secrets = secrets;
    this.#settings = settings;
    this.#serverPort = serverPort;
    this.stamp = stamp;
    this.n = datagramLength(settings.up.length);
    this.#handshake = new PlainInitiator(secrets.noise, stamp, settings);
  }

  /** Opens the socket and begins the carousel. */
  async start(): Promise<void> {
    await this.open();
    this.resume();
  }

  /** Slots again, after {@link stop}. */
  resume(): void {
    this.run(this.#settings.up.intervalNs, () => this.send(this.nextDatagram(), this.#serverPort));
  }

  /** How many slots the initiation takes. */
  get slots(): number {
    return fragmentCount(this.#secrets.initiationBytes, this.n);
  }

  /** What the next slot carries. */
  nextDatagram(): Buffer {
    if (this.channel === null || this.holdBack) return this.nextFragment();
    const every: Buffer[] = [];
    if (!this.confirmed) every.push(controlBlock(NEWEST_STAMP, stampBody(this.stamp)));
    if (this.#echo !== null) {
      every.push(controlBlock(ECHO, this.#echo));
      this.echoes += 1;
      this.#echo = null;
    }
    const rekey = this.#rekey === null ? null : controlBlock(REKEY_INITIATION, this.#rekey.message);
    return this.channel.seal(this.n, every, rekey);
  }

  /** The initiation goes out in every datagram until it is answered. */
  beginRekey(): void {
    this.#rekey = new PlainRekeyInitiator(this.#secrets.noise, this.#root!);
  }

  /** The carousel's next datagram, made anew. */
  nextFragment(version = VERSION): Buffer {
    const head = { version, kind: INITIATION, f: this.#f, stamp: this.stamp };
    this.#f = (this.#f + 1) % this.slots;
    return wrap(this.#secrets.up, this.n, head, this.#handshake.message);
  }

  /** Sends a datagram that the test made itself. */
  inject(datagram: Buffer): void {
    this.send(datagram, this.#serverPort);
  }

  write(packet: Uint8Array): void {
    this.channel!.writer.push(packet);
  }

  /** Close blocks in 8 slots. */
  sendClose(): void {
    this.stop();
    for (let i = 0; i < 8; i++) this.inject(this.channel!.seal(this.n, [controlBlock(CLOSE)]));
  }

  protected override take(datagram: Buffer, from: RemoteInfo): void {
    // Its server is where it was told.
    if (from.port !== this.#serverPort) return;
    const opened = this.channel?.open(datagram) ?? null;
    if (opened !== null) {
      this.confirmed = true;
      this.#takeChallenge(opened.controls);
      this.#takeRekey(this.channel!, opened.controls);
      return;
    }
    const old = this.#previous?.open(datagram) ?? null;
    if (old !== null) {
      this.#takeChallenge(old.controls);
      return;
    }
    const fragment = unwrap(this.#secrets.down, datagram);
    if (fragment === null) {
      this.unknown.push(datagram);
      return;
    }
    this.fragments.push(fragment);
    if (fragment.kind === RESPONSE) this.#takeResponse(fragment, datagram.length);
    else if (fragment.kind === WRONG_VERSION) {
      this.versions = { version: fragment.version, lowest: fragment.bytes[0]!, highest: fragment.bytes[1]! };
    } else throw new Error(`kind ${fragment.kind} from a server`);
  }

  /** Of several, the last. */
  #takeChallenge(controls: readonly ControlBlock[]): void {
    for (const { type, body } of controls) {
      if (type !== CHALLENGE || body.length !== CHALLENGE_BYTES) continue;
      this.challenges.push(body);
      if (!this.mute) this.#echo = body;
    }
  }

  #takeRekey(channel: Channel, controls: readonly ControlBlock[]): void {
    const answer = controls.find(({ type }) => type === REKEY_RESPONSE);
    if (this.#rekey === null || answer === undefined) return;
    const session = this.#rekey.finish(answer.body);
    this.#rekey = null;
    this.#previous = channel;
    const { aeadId } = this.#root!;
    this.#root = { h: session.h, chain: session.chain, aeadId };
    this.channel = new Channel(session, "up", aeadId);
    this.rekeys += 1;
  }

  #takeResponse(fragment: Fragment, n: number): void {
    if (fragment.stamp !== this.stamp || fragment.version !== VERSION)
      throw new Error("not this initiation's response");
    this.#gathering ??= new Gathering(fragment.stamp, RESPONSE_BYTES, n);
    const message = this.#gathering.take(fragment);
    if (message === null) return;
    this.#gathering = null;
    this.responses.push(message);
    if (this.verdict !== null) return;
    const { session, h, ...verdict } = this.#handshake.finish(message);
    this.#root = { h, chain: session.chain, aeadId: verdict.aeadId };
    this.verdict = verdict;
    if (verdict.verdict === 0) this.channel = new Channel(session, "up", verdict.aeadId);
    else this.stop();
  }
}

function stampBody(stamp: number): Buffer {
  const body = Buffer.alloc(6);
  body.writeUIntBE(stamp, 0, 6);
  return body;
}
