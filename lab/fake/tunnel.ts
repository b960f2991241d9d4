/** A tunnel in memory: the commands and events of `NativeTunnel`, slot by slot, without threads or bytes on a wire. */
import type {
  NativeControl,
  NativeOffer,
  NativeSchedule,
  NativeSession,
  NativeTunnel,
} from "../../lib/native/tunnel.js";
import type { NativeDeviation, NativeStats } from "../../lib/native/stats.js";
import type { NativeEvent } from "../../lib/native/events.js";
import type { NativeOpenOptions } from "../../lib/native/options.js";
import { CONTROL_CLOSE } from "../../lib/native/protocol-ids.js";
import { I405Error } from "../../lib/common/errors.js";
import { NO_STATS } from "../../lib/tunnel/stats.js";
import { AddonState } from "./addon-state.js";
import { FakeAsking } from "./asking.js";
import { FakeInbound } from "./inbound.js";
import type { Content, Datagram, FakeNetwork, Port } from "./network.js";
import { FakePath } from "./path.js";
import { FakeQueue } from "./queue.js";
import { FakeSilence } from "./silence.js";
import { FakeSlots } from "./slots.js";
import type { SimulatedTime } from "./time.js";

const WRAP_OVERHEAD = 44;
/** Counter, tag and BlockOffset. */
const DATA_OVERHEAD = 22;
const CLOSE_SLOTS = 8;
/** How often the reporter hands events over. */
const REPORT_NS = 1e6;

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

export class FakeTunnel implements NativeTunnel, Port {
  readonly options: NativeOpenOptions;
  /** What the commands left in force. It refuses wrong orders of them. */
  readonly state = new AddonState();
  refs: "ref" | "unref" | "untouched" = "untouched";
  readonly #time: SimulatedTime;
  readonly #network: FakeNetwork;
  readonly #onEvents: (events: NativeEvent[]) => void;
  readonly #address: string;
  readonly #slots: FakeSlots;
  readonly #inbound: FakeInbound;
  readonly #wrap: { send: string; receive: string };
  /** Generations under which something opened. */
  readonly #opened = new Set<number>();
  readonly #stats: NativeStats = { ...NO_STATS };
  readonly #path = new FakePath();
  #peer: string | null;
  #offerSlot = 0;
  #closeSlots = 0;
  #controlInSlots = 0;
  readonly #queue = new FakeQueue(() => {
    this.emit({ type: "drain" });
  });
  readonly #silence: FakeSilence;
  readonly #asking = new FakeAsking((event) => {
    this.emit(event);
  });
  #echo: number | null = null;
  #events: NativeEvent[] = [];
  #reporting = false;
  #closed = false;

  constructor(
    time: SimulatedTime,
    network: FakeNetwork,
    options: NativeOpenOptions,
    onEvents: (events: NativeEvent[]) => void,
  ) {
    this.options = structuredClone(options);
    this.#peer = options.peer;
    this.#time = time;
    this.#network = network;
    this.#onEvents = onEvents;
    this.#wrap = { send: text(options.pairing.sendWrap), receive: text(options.pairing.receiveWrap) };
    this.#silence = new FakeSilence(time, (event) => {
      this.emit(event);
    });
    this.#inbound = new FakeInbound(options, (event) => {
      this.emit(event);
    });
    this.#slots = new FakeSlots(
      time,
      (schedule) => {
        this.#slot(schedule);
      },
      () => {
        this.state.scheduleEnded();
        this.emit({ type: "scheduleEnded" });
      },
    );
    const address = network.bind(options.bind, this);
    if (address === null) {
      throw new I405Error("ERR_I405_ADDRESS_IN_USE", `bind: ${options.bind} is in use`);
    }
    this.#address = address;
  }

  /** Puts an event into the next batch; tests inject what a fake can't come to by itself. */
  emit(event: NativeEvent): void {
    this.#events.push(event);
    if (this.#reporting) return;
    this.#reporting = true;
    this.#time.after(REPORT_NS, () => {
      this.#reporting = false;
      const events = this.#events;
      this.#events = [];
      this.#onEvents(events);
    });
  }

  get running(): boolean {
    return this.#slots.current !== null;
  }

  get floorMs(): number {
    return this.#inbound.floorMs;
  }

  localAddress(): string {
    return this.#address;
  }

  deviceName(): string | null {
    const { device } = this.options;
    return device.kind === "tun" ? (device.name ?? "tun0") : null;
  }

  startSchedule(schedule: NativeSchedule): void {
    this.#checkOpen();
    this.state.startSchedule(schedule);
    this.#slots.start(schedule);
  }

  endAt(instantNs: bigint | null): void {
    this.#checkOpen();
    this.state.endAt(instantNs);
    this.#slots.endAt(instantNs);
  }

  offer(offer: NativeOffer): void {
    this.#checkOpen();
    this.state.offer(offer);
    this.#offerSlot = 0;
  }

  stopOffer(): void {
    this.#checkOpen();
    this.state.stopOffer();
  }

  expectStamps(stamps: number[]): void {
    this.#checkOpen();
    this.state.expectStamps(stamps);
    this.#inbound.expected = this.state.inForce.stamps;
  }

  install(session: NativeSession): void {
    this.#checkOpen();
    this.state.install(session);
  }

  sendUnder(generation: number, announceStamp: number | null): void {
    this.#checkOpen();
    this.state.sendUnder(generation, announceStamp);
    this.#queue.retry();
  }

  forget(generation: number): void {
    this.#checkOpen();
    this.state.forget(generation);
    this.#asking.forget(generation);
  }

  moveEndpoint(endpoint: string): void {
    this.#checkOpen();
    this.state.moveEndpoint(endpoint);
    this.#asking.moved(endpoint);
    this.#slots.move(endpoint);
  }

  ask(generation: number, source: string): void {
    this.#checkOpen();
    this.state.ask(generation, source);
    this.#asking.ask(generation, source);
  }

  handshakeSources(stamp: number): string[] {
    const source = this.#inbound.sources.get(stamp);
    return source === undefined ? [] : [source];
  }

  redirect(endpoint: string, datagramLength: number): void {
    this.#checkOpen();
    this.state.redirect(endpoint, datagramLength);
    this.#peer = endpoint;
    this.#slots.redirect(endpoint, datagramLength);
  }

  watchSilence(timeoutNs: number | null): void {
    this.#checkOpen();
    this.state.watchSilence(timeoutNs);
    this.#silence.watch(timeoutNs);
  }

  repeatControl(control: NativeControl | null): void {
    this.#checkOpen();
    this.state.repeatControl(control);
    this.#controlInSlots = 0;
  }

  sendClose(): void {
    this.#checkOpen();
    this.state.sendClose();
    this.#closeSlots = CLOSE_SLOTS;
  }

  write(packet: Uint8Array): boolean {
    const schedule = this.#slots.current;
    const slots = schedule === null ? 4 : Math.max(1, this.options.queueNs / schedule.intervalNs);
    const room = slots * ((schedule?.datagramLength ?? 1472) - DATA_OVERHEAD);
    return this.#queue.write(packet, this.state.inForce.sending === null ? 0 : room);
  }

  stats(): NativeStats {
    const { fragments, stale } = this.#inbound;
    const [queuedBytes, malformedInner] = [BigInt(this.#queue.bytes), this.#queue.malformed];
    const figures = { ...this.#path.figures(), queuedBytes, malformedInner };
    return { ...this.#stats, ...figures, handshakeFragments: fragments, staleInitiations: stale };
  }

  deviation(): NativeDeviation {
    const count = Number(this.#stats.slotsSent);
    return {
      // A fake delivers whatever is asked for.
      source: this.options.deviationSource,
      count,
      meanNs: 1500,
      stddevNs: 500,
      p1Ns: 500,
      p50Ns: 1000,
      p90Ns: 2000,
      p99Ns: 3000,
      p999Ns: 4000,
      maxNs: 5000,
      missed: 0,
      unreported: 0,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#slots.stop();
    this.#silence.stop();
    this.#network.unbind(this.#address);
    this.emit({ type: "closed" });
  }

  ref(): void {
    this.refs = "ref";
  }

  unref(): void {
    this.refs = "unref";
  }

  receive(datagram: Datagram): void {
    if (this.#closed) return;
    this.#stats.datagramsReceived += 1n;
    if (this.#peer !== null && datagram.from !== this.#peer) return;
    const { content } = datagram;
    if (content.type === "data") this.#open(datagram, content);
    else if (content.wrap === this.#wrap.receive) this.#inbound.receive(datagram, this.#time.nowNs);
    else this.#stats.datagramsUnknown += 1n;
  }

  #open(datagram: Datagram, content: Extract<Content, { type: "data" }>): void {
    const found = [...this.state.sessions.values()].find(
      ({ receive, receiveLength }) => receiveLength === datagram.length && text(receive.key) === content.key,
    );
    if (found === undefined) {
      this.#stats.datagramsUnknown += 1n;
      return;
    }
    this.#stats.datagramsOpened += 1n;
    const { generation } = found;
    const sentUnder = this.state.inForce.sending?.generation;
    this.#path.opened(generation, content.counter, this.#time.nowNs);
    if (content.report !== null) this.#path.take(generation, content.report, this.#time.nowNs);
    if (generation >= (sentUnder ?? 0)) this.#heard();
    if (!this.#opened.has(generation)) {
      this.#opened.add(generation);
      this.state.opened(generation);
      this.emit({ type: "opened", generation, source: datagram.from, receivedNs: this.#time.nowNs });
    }
    if (this.options.role === "server") {
      if (sentUnder === generation) this.#asking.opened(datagram.from);
      const believed = content.echo === null ? null : this.#asking.echoed(content.echo);
      if (believed !== null) {
        this.state.believed(believed.confirmed, believed.source);
        this.#slots.move(believed.source);
        this.#slots.endAt(this.state.inForce.endNs);
      }
    } else if (content.challenge !== null) this.#echo = content.challenge;
    if (content.announce !== null && this.options.role === "server") {
      this.#inbound.floorMs = Math.max(this.#inbound.floorMs, content.announce);
    }
    if (content.close) this.emit({ type: "control", generation, kind: CONTROL_CLOSE, body: new Uint8Array(0) });
    if (content.control !== null) this.emit({ type: "control", generation, ...content.control });
    if (content.packets.length === 0) return;
    this.#stats.innerPacketsReceived += BigInt(content.packets.length);
    for (const packet of content.packets) this.#stats.innerBytesReceived += BigInt(packet.length);
    this.emit({ type: "packets", packets: content.packets });
  }

  /** Under a key that none has replaced. */
  #heard(): void {
    this.#stats.lastOpenedNs = this.#time.nowNs;
    this.#silence.heard();
  }

  #slot(schedule: NativeSchedule): void {
    const { datagramLength: length } = schedule;
    const { offer, sending } = this.state.inForce;
    // Fragments are as long as the newest schedule's slots, and none leaves in another.
    const fits = length === this.#slots.newestLength;
    const handshake = offer !== null && fits && this.#offerSlot % offer.every === 0;
    const content = handshake ? this.#fragment(offer, length) : this.#data(length);
    if (offer !== null) this.#offerSlot += 1;
    this.#stats.slotsSent += 1n;
    if (handshake) this.#stats.slotsHandshake += 1n;
    else if (content.type === "data" && content.packets.length > 0) this.#stats.slotsCarrying += 1n;
    else this.#stats.slotsCover += 1n;
    let to = handshake ? (this.#inbound.sources.get(offer.stamp) ?? offer.endpoint) : schedule.endpoint;
    const asked = handshake || sending === null ? null : this.#asking.next();
    if (asked !== null && content.type === "data") {
      content.challenge = asked.token;
      to = asked.source;
    }
    this.#network.send({ from: this.#address, to, length, sentNs: this.#time.nowNs, content });
  }

  #fragment(offer: NativeOffer, length: number): Content {
    const { kind, version, stamp, message, every } = offer;
    const count = Math.ceil(message.length / (length - WRAP_OVERHEAD));
    const fragment = Math.floor(this.#offerSlot / every) % count;
    return { type: "handshake", wrap: this.#wrap.send, kind, version, stamp, fragment, message };
  }

  #data(length: number): Content {
    const { sending } = this.state.inForce;
    const session = sending === null ? undefined : this.state.sessions.get(sending.generation);
    const key = session === undefined ? null : text(session.send.key);
    const close = this.#closeSlots > 0;
    if (close) {
      this.#closeSlots -= 1;
      if (this.#closeSlots === 0) this.emit({ type: "closeSent" });
    }
    const packets = key === null ? [] : this.#take(length - DATA_OVERHEAD);
    const echo = key === null ? null : this.#echo;
    if (key !== null) this.#echo = null;
    const control = key === null ? null : this.#dueControl();
    const [generation, nowNs] = [sending?.generation ?? 0, this.#time.nowNs];
    const counter = key === null ? 0 : this.#path.sent(generation, nowNs);
    const report = key === null ? null : this.#path.due(generation, nowNs);
    const base = { key, packets, announce: sending?.announce ?? null, close, control };
    return { type: "data", ...base, challenge: null, echo, counter, report };
  }

  #dueControl(): { kind: number; body: Uint8Array } | null {
    const { control } = this.state.inForce;
    this.#controlInSlots -= 1;
    if (control === null || this.#controlInSlots > 0) return null;
    this.#controlInSlots = Math.ceil(control.everyNs / (this.#slots.current?.intervalNs ?? 1));
    return { kind: control.kind, body: control.body };
  }

  #take(room: number): Uint8Array[] {
    const taken = this.#queue.take(room);
    this.#stats.innerPacketsSent += BigInt(taken.length);
    for (const packet of taken) this.#stats.innerBytesSent += BigInt(packet.length);
    return taken;
  }

  #checkOpen(): void {
    if (this.#closed) throw new I405Error("ERR_I405_CLOSED", "the tunnel is closed");
  }
}
