/**
 * The other end of an audit. It sends what it is asked to send, and tells when it received what, and when its own slots
 * were due. It does nothing of its own accord. It remembers one stretch, within bounds.
 */
import type { I405Tunnel, TunnelEvents } from "../../index.js";
import { decode, encode, recordsIn, VERSION, type Message } from "./messages.js";
import { longestInner, messageIn, packetOf, roomIn } from "./packets.js";
import { startPattern, type Pattern } from "./patterns.js";
import { Series } from "./series.js";

/** Answers that wait for room in the tunnel at most; the client asks again for what was dropped. */
const MOST_WAITING = 64;
/** A stretch that nobody ends goes on for no longer than this, ms, because its client is gone. */
const LONGEST_STRETCH_MS = 3_600_000;

/** What of a tunnel this needs. */
export type AnsweringTunnel = Pick<I405Tunnel, "connection" | "write" | "on" | "removeListener">;

interface Stretch {
  id: number;
  running: boolean;
  arrivals: Series;
  slots: Series;
}

/**
 * Answers on a tunnel that was made with `record: true` and the packet device.
 *
 * @returns what ends it
 */
export function answerOn(tunnel: AnsweringTunnel): () => void {
  let stretch: Stretch | null = null;
  let endPattern = (): void => undefined;
  let watchdog: NodeJS.Timeout | undefined;
  const waiting: Uint8Array[] = [];

  const flush = () => {
    for (;;) {
      const [packet] = waiting;
      if (packet === undefined || !tunnel.write(packet)) return;
      waiting.shift();
    }
  };
  const say = (message: Message) => {
    if (waiting.length >= MOST_WAITING) return;
    waiting.push(packetOf("server", encode(message)));
    flush();
  };
  const stop = () => {
    endPattern();
    clearTimeout(watchdog);
    if (stretch !== null) stretch.running = false;
  };
  const start = (id: number, pattern: Pattern, seed: number) => {
    // Said again because the answer was lost.
    if (stretch?.id === id || tunnel.connection === null) return;
    stop();
    stretch = { id, running: true, arrivals: new Series(), slots: new Series() };
    const longest = longestInner(tunnel.connection.wire.down);
    endPattern = startPattern(pattern, "server", seed, { write: (packet) => tunnel.write(packet), longest });
    watchdog = setTimeout(stop, LONGEST_STRETCH_MS).unref();
  };
  const hear = (message: Message) => {
    switch (message.type) {
      case "hello":
        say({ type: "welcome", version: VERSION });
        break;
      case "start":
        start(message.stretch, message.pattern, message.seed);
        done(message.stretch);
        break;
      case "stop":
        if (stretch?.id === message.stretch) stop();
        done(message.stretch);
        break;
      case "get":
        if (stretch?.id === message.stretch && !stretch.running) sendChunks(stretch, message);
        break;
      default:
    }
  };
  const done = (id: number) => {
    if (stretch?.id !== id) return;
    const { running, arrivals, slots } = stretch;
    say({ type: "done", stretch: id, running, arrivals: arrivals.length, slots: slots.length });
  };
  const sendChunks = (from: Stretch, { series, each, firsts }: Extract<Message, { type: "get" }>) => {
    if (tunnel.connection === null) return;
    // More would never find room, and what comes behind it neither.
    const most = recordsIn(roomIn(longestInner(tunnel.connection.wire.down)));
    for (const first of firsts) {
      const records = from[series].encode(first, first + Math.min(each, most));
      if (records.length > 0) say({ type: "chunk", stretch: from.id, series, first, records });
    }
  };

  const listeners: Partial<TunnelEvents> = {
    packet: (packet) => {
      const bytes = messageIn("client", packet);
      const message = bytes === null ? null : decode(bytes);
      if (message !== null) hear(message);
    },
    drain: flush,
    // Nothing can be written any more.
    error: stop,
    close: stop,
    arrivals: ({ receivedNs, generation, counter }) => {
      if (stretch?.running !== true) return;
      for (let at = 0; at < counter.length; at += 1)
        stretch.arrivals.push(generation[at]!, counter[at]!, receivedNs[at]!, 0);
    },
    slots: ({ deadlineNs, generation, counter, missed }) => {
      if (stretch?.running !== true) return;
      for (let at = 0; at < counter.length; at += 1) {
        stretch.slots.push(generation[at]!, counter[at]!, deadlineNs[at]!, missed[at]!);
      }
    },
  };
  const names = Object.keys(listeners) as (keyof TunnelEvents)[];
  for (const name of names) tunnel.on(name, listeners[name]!);
  return () => {
    stop();
    for (const name of names) tunnel.removeListener(name, listeners[name]!);
  };
}
