/** Which packets of a capture are the tunnel's. */
import { captureError } from "./errors.js";
import { emptyHeaders, knownLink, parseHeaders, UDP, type Headers } from "./headers.js";
import { readPackets } from "./packets.js";

/** Packets that are looked at for a guess. */
const GUESS_FROM = 20_000;

/** UDP of the server's port, or without a port everything of a protocol: ESP, TCP. */
export interface Flow {
  protocol: number;
  port: number | null;
}

/**
 * What most packets of a capture have in common. Both ports of a UDP flow occur equally often; the lower one is the
 * server's.
 *
 * @throws {I405Error} `ERR_I405_CAPTURE` if there is no packet that can be read
 */
export function guessFlow(path: string, port?: number): Flow {
  const protocols = new Map<number, number>();
  const ports = new Map<number, number>();
  const headers = emptyHeaders();
  let [looked, strange] = [0, 0];
  readPackets(path, ({ linkType, bytes, start, end }) => {
    looked += 1;
    if (!knownLink(linkType)) strange = linkType;
    else if (parseHeaders(linkType, bytes, start, end, headers)) {
      protocols.set(headers.protocol, (protocols.get(headers.protocol) ?? 0) + 1);
      if (headers.protocol === UDP && headers.fragmentOffset === 0) {
        for (const each of [headers.sourcePort, headers.destinationPort]) ports.set(each, (ports.get(each) ?? 0) + 1);
      }
    }
    return looked < GUESS_FROM;
  });
  const protocol = most(protocols);
  if (protocol === undefined) {
    const what = strange === 0 ? "it holds no IP packet" : `link type ${strange} is unknown here`;
    throw captureError(path, what, "Capture on an Ethernet, TUN or `any` interface (tcpdump -i any -w FILE)");
  }
  if (port !== undefined) return { protocol: UDP, port };
  return { protocol, port: protocol === UDP ? (most(ports) ?? null) : null };
}

function most(counts: ReadonlyMap<number, number>): number | undefined {
  const sorted = [...counts].sort(([one, times], [other, otherTimes]) => otherTimes - times || one - other);
  return sorted[0]?.[0];
}

export function belongs(headers: Headers, { protocol, port }: Flow): boolean {
  if (headers.protocol !== protocol) return false;
  // Later fragments have no ports; what of UDP is in fragments at all is counted, since a tunnel's should not be.
  if (port === null || headers.fragmentOffset !== 0) return true;
  return headers.destinationPort === port || headers.sourcePort === port;
}

/** `up` goes to the server's port. Without ports, by addresses. */
export function directionOf(headers: Headers, { port }: Flow): string {
  const up = port === null || headers.fragmentOffset !== 0 ? headers.way > 0 : headers.destinationPort === port;
  return up ? "up" : "down";
}
