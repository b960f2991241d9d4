/**
 * The emitter behind the public class. It is typed, and what listeners throw doesn't reach the tunnel. A tunnel's state
 * must not depend on whether somebody's listener works, and a network's errors must not end a program that has no
 * listener for them.
 */
import { errorMonitor, EventEmitter } from "node:events";
import type TypedEmitter from "typed-emitter";
import type { TunnelEvents } from "../../index.js";

type Listener = (...values: unknown[]) => unknown;

/** Throws again, from an empty stack, what the program threw within our steps. */
function throwLater(thrown: unknown): void {
  setImmediate(() => {
    throw thrown;
  });
}

/** A callback of the program's that Node calls in the middle of a step of its own. */
export function isolated<Values extends unknown[]>(callback: (...values: Values) => void): (...values: Values) => void {
  return (...values) => {
    try {
      callback(...values);
    } catch (thrown) {
      throwLater(thrown);
    }
  };
}

/** Emits to every listener, whatever the others throw. What they threw is thrown again from an empty stack. */
export function emitIsolated(emitter: EventEmitter, event: string | symbol, values: unknown[]): boolean {
  // As Node's own emitter does it: monitors of errors hear of them first, and don't count as listeners.
  if (event === "error") emitIsolated(emitter, errorMonitor, values);
  // Raw: a listener of `once` comes in the wrapper that takes it off.
  const listeners = emitter.rawListeners(event) as Listener[];
  for (const listener of listeners) {
    try {
      Reflect.apply(listener, emitter, values);
    } catch (thrown) {
      throwLater(thrown);
    }
  }
  return listeners.length > 0;
}

class IsolatedEmitter extends EventEmitter {
  override emit(event: string | symbol, ...values: unknown[]): boolean {
    return emitIsolated(this, event, values);
  }
}

/** As in `index.d.ts`, which explains the spelling. */
export const TunnelEmitter = IsolatedEmitter as unknown as new () => TypedEmitter.default<TunnelEvents>;
