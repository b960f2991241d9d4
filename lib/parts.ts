/** What a tunnel is made of besides its options; tests put a fake addon, simulated time and their own names here. */
import type { Addon } from "./native/addon.js";
import type { Family } from "./address-text.js";
import { systemClock, type Clock } from "./clock.js";
import { lookUpName } from "./names/lookup.js";
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
   * @param fwmark The outer socket's: the questions leave as its datagrams do. null: as the system asks.
   */
  lookup(host: string, family: 0 | Family, fwmark: number | null): Promise<ResolvedHost[]>;
}

export const nativeParts: Parts = {
  loadAddon,
  clock: systemClock,
  lookup: lookUpName,
};
