/**
 * The emitter behind the public class: typed, and deaf to what its listeners throw. A tunnel's state must not depend on
 * whether somebody's listener works, and a network's errors must not end the program for want of a listener.
 */
import { EventEmitter } from "node:events";
import type TypedEmitter from "typed-emitter";
import type { TunnelEvents } from "../index.js";

type Listener = (...values: unknown[]) => unknown;

/** Emits to every listener, whatever the others throw; what they threw is thrown again from an empty stack. */
class IsolatedEmitter extends EventEmitter {
  override emit(event: string | symbol, ...values: unknown[]): boolean {
    // Raw: a listener of `once` comes in the wrapper that takes it off.
    const listeners = this.rawListeners(event) as Listener[];
    for (const listener of listeners) {
      try {
        Reflect.apply(listener, this, values);
      } catch (thrown) {
        setImmediate(() => {
          throw thrown;
        });
      }
    }
    return listeners.length > 0;
  }
}

/** As in `index.d.ts`, which explains the spelling. */
export const TunnelEmitter = IsolatedEmitter as unknown as new () => TypedEmitter.default<TunnelEvents>;
