/** How a tunnel looks names up: as the system does, or past its own routes where its socket has a mark. */
import { lookup } from "node:dns/promises";
import { parseAddress, type Family } from "../common/address-text.js";
import { loadAddon } from "../native/loader.js";
import { lookUpMarked, type FoundAddress } from "./marked-lookup.js";
import { RESOLVER_FILES } from "./resolver-files.js";

/**
 * Every address of a name, best first.
 *
 * @param family 4, 6, or 0 for either.
 * @param fwmark null: no mark.
 */
export async function lookUpName(host: string, family: 0 | Family, fwmark: number | null): Promise<FoundAddress[]> {
  if (fwmark === null) return await askSystem(host, family);
  const addon = await loadAddon();
  return await lookUpMarked(host, family, fwmark, {
    files: RESOLVER_FILES,
    ask: (question) => addon.askNameServer(question),
    withZone: (address) => {
      const { text, zone } = parseAddress(address) ?? { text: address, zone: null };
      return zone === null ? text : `${text}%${addon.interfaceIndex(zone) ?? zone}`;
    },
    isReachable: (address) => {
      try {
        return addon.routeMtu(address, fwmark) > 0;
      } catch {
        return false;
      }
    },
    system: askSystem,
  });
}

async function askSystem(host: string, family: 0 | Family): Promise<FoundAddress[]> {
  const found = await lookup(host, { family, all: true });
  return found.map(({ address, family: of }) => ({ address, family: of === 6 ? 6 : 4 }));
}
