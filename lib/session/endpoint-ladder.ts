/**
 * Which of the server's addresses and which length the next attempt takes. Pure: no clock, no lookup, no socket.
 *
 * After an attempt that nobody answers, the next one goes to the next address. The length that was in use gets two
 * rounds over the addresses, each other length gets one; then it is the next length's turn. All of it follows from what
 * was answered and from a list that everybody knows, so nothing that a stranger sends can change it.
 */
import type { SocketAddress } from "../names/resolve.js";

/**
 * Ours: the IP lengths below the configured one, bytes, longest first. They are for PPPoE (RFC 2516), for WireGuard's
 * interfaces, for a tunnel or two more, and for what every IPv6 path carries (RFC 8200 section 5).
 */
export const LENGTHS: readonly number[] = [1492, 1420, 1400, 1280];

/** Ours: rounds at the length that was in use. A server that is being started again doesn't cost the length. */
const ROUNDS_AT_FIRST = 2;

/** What one attempt takes. */
export interface Rung {
  address: SocketAddress;
  /** Longest IP packet of either direction, bytes. */
  length: number;
}

const sameAddress = (a: SocketAddress, b: SocketAddress): boolean => a.address === b.address && a.port === b.port;

export class EndpointLadder {
  /** Longest first; the first is the configured length. */
  readonly #lengths: readonly number[];
  #addresses: readonly SocketAddress[];
  /** The places of what was answered last, where the next series of attempts begins. */
  #firstAddress = 0;
  #firstLength = 0;
  /** Attempts of this series. */
  #attempts = 0;

  /**
   * @param addresses At least one, best first.
   * @param configured The longer direction's length, IP bytes.
   */
  constructor(addresses: readonly SocketAddress[], configured: number) {
    this.#addresses = addresses;
    this.#lengths = [configured, ...LENGTHS.filter((length) => length < configured)];
  }

  get addresses(): readonly SocketAddress[] {
    return this.#addresses;
  }

  /** The configured length, bytes. */
  get top(): number {
    return this.#lengths[0]!;
  }

  /** A new series of attempts, the first of which takes what was answered last. */
  begin(): void {
    this.#attempts = 0;
  }

  /**
   * What the next attempt takes.
   *
   * @param carries Whether there is a way to an address, and its interface takes packets of this length. What can't
   *   leave is not worth an attempt. If nothing can leave, everything is tried as if it could.
   */
  next(carries: (rung: Rung) => boolean): Rung {
    const order = this.#order();
    const all = order.length * this.#addresses.length;
    let rung = this.#at(order);
    for (let looked = 0; looked < all && !carries(rung); looked += 1) {
      this.#attempts += 1;
      rung = this.#at(order);
    }
    this.#attempts += 1;
    return rung;
  }

  /** A client that had to go down tries the configured length again, at the address where it was answered. */
  climb(): Rung {
    return { address: this.#addresses[this.#firstAddress]!, length: this.top };
  }

  /** This was answered: the next series begins with it. */
  answered({ address, length }: Rung): void {
    this.#firstAddress = Math.max(
      0,
      this.#addresses.findIndex((each) => sameAddress(each, address)),
    );
    this.#firstLength = Math.max(0, this.#lengths.indexOf(length));
    this.begin();
  }

  /** A server said that it takes no more than this. False: no length of the list is short enough. */
  shorten(limit: number): boolean {
    const fits = this.#lengths.findIndex((length) => length <= limit);
    if (fits < 0) return false;
    this.#firstLength = fits;
    this.begin();
    return true;
  }

  /** The addresses that the names have now. If they are the same in another order, everything stays. */
  replace(addresses: readonly SocketAddress[]): void {
    const known = (each: SocketAddress) => this.#addresses.some((other) => sameAddress(each, other));
    if (addresses.length === 0 || (addresses.length === this.#addresses.length && addresses.every(known))) return;
    this.#addresses = addresses;
    this.#firstAddress = 0;
    this.begin();
  }

  /** The lengths of one series, round by round: the one in use, those below it, then those above it. */
  #order(): number[] {
    const before = this.#lengths.slice(0, this.#firstLength);
    const [first, ...below] = this.#lengths.slice(this.#firstLength);
    return [...Array<number>(ROUNDS_AT_FIRST).fill(first!), ...below, ...before];
  }

  #at(order: readonly number[]): Rung {
    const count = this.#addresses.length;
    const round = Math.floor(this.#attempts / count) % order.length;
    return { address: this.#addresses[(this.#firstAddress + this.#attempts) % count]!, length: order[round]! };
  }
}
