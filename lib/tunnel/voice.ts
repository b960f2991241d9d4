import type { TunnelEvents } from "../../index.js";

/** How a tunnel's life is heard outside: the emitter's two methods that it needs. */
export interface Voice {
  emit<Event extends keyof TunnelEvents>(event: Event, ...values: Parameters<TunnelEvents[Event]>): boolean;
  listenerCount(event: keyof TunnelEvents): number;
}
