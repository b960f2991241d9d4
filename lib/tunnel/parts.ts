/** What a tunnel is made of besides its options; tests put a fake addon, simulated time and their own names here. */
import { lookUpName } from "../names/lookup.js";
import type { NameParts } from "../names/resolve.js";
import type { Addon } from "../native/addon.js";
import { systemClock, type Clock } from "../native/clock.js";
import { loadAddon } from "../native/loader.js";

export interface Parts extends NameParts {
  loadAddon(): Promise<Addon>;
  clock(addon: Addon): Clock;
}

export const nativeParts: Parts = {
  loadAddon,
  clock: systemClock,
  lookup: lookUpName,
};
