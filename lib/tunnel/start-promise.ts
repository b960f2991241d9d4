import type { Connection } from "../../index.js";
import type { I405Error } from "../common/errors.js";

/** The promise of the `connect` or `listen` under way, if there is one. It is settled once. */
export class StartPromise {
  #waiting: { resolve(connection: Connection | null): void; reject(error: I405Error): void } | null = null;

  make(): Promise<Connection | null> {
    return new Promise<Connection | null>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** null: a server's promise resolves before there is a connection. */
  resolve(connection: Connection | null): void {
    this.#waiting?.resolve(connection);
    this.#waiting = null;
  }

  /** Returns whether anybody waited, and so was told. */
  reject(error: I405Error): boolean {
    const waited = this.#waiting !== null;
    this.#waiting?.reject(error);
    this.#waiting = null;
    return waited;
  }
}
