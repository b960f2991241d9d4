/** What a tunnel is made of besides its options; tests put a fake addon, simulated time and their own names here. */
import { lookup } from "node:dns/promises";
import type { Addon } from "./addon.js";
import { systemClock, type Clock } from "./clock.js";
import { loadAddon } from "./native.js";

export interface ResolvedHost {
  address: string;
  family: number;
}

export interface Parts {
  loadAddon(): Promise<Addon>;
  clock(addon: Addon): Clock;
  /**
   * Every address of a name, best first.
   *
   * @param family 4, 6, or 0 for either.
   */
  lookup(host: string, family: number): Promise<ResolvedHost[]>;
}

export const nativeParts: Parts = {
  loadAddon,
  clock: systemClock,
  lookup: (host, family) => lookup(host, { family, all: true }),
};
