/**
 * Looks a name up past a default route that leads into the tunnel: the questions leave from sockets with the tunnel's
 * own mark. The system's resolver can't do that. Its questions would go into the tunnel, and they are needed most when
 * the server has moved and the tunnel is dead.
 *
 * 1. The sources of `nsswitch.conf` are asked in their order: `files` is `/etc/hosts`, `dns` and `resolve` are asked
 * here. 2. The search list, the servers and their timeouts are as resolv.conf(5) says. 3. A and AAAA are asked at once.
 * An answer that was cut short is asked for again over TCP. 4. If nothing was found, and a source is left that can't be
 * asked here, the system's resolver is asked.
 */
import { randomInt } from "node:crypto";
import { domainToASCII } from "node:url";
import { decode, encode, RECURSION_DESIRED, type DecodedPacket } from "dns-packet";
import { familyOf, formatHostAndPort, type Family } from "../common/address-text.js";
import {
  readHosts,
  readResolverSettings,
  readSources,
  type ResolverFiles,
  type ResolverSettings,
} from "./resolver-files.js";

export interface FoundAddress {
  address: string;
  family: Family;
}

/** One question to a server, as the addon takes it. */
export interface NameQuestion {
  server: string;
  fwmark: number;
  tcp: boolean;
  message: Uint8Array;
  patienceNs: number;
}

export interface MarkedLookupParts {
  files: ResolverFiles;
  /** The answer's bytes; rejects where there is none. */
  ask(question: NameQuestion): Promise<Uint8Array>;
  /** A server's address as the addon takes it: its zone is a number. */
  withZone(address: string): string;
  /** Whether the tunnel's own datagrams have a route to it. */
  isReachable(address: string): boolean;
  /** The system's own resolver. */
  system(host: string, family: 0 | Family): Promise<FoundAddress[]>;
}

const DNS_PORT = 53;
const TYPES = { 4: "A", 6: "AAAA" } as const;

/** What the servers say of a name. `unknown`: no server could tell. */
type Outcome = { kind: "found"; addresses: FoundAddress[] } | { kind: "absent" } | { kind: "unknown"; why: string };

/**
 * @param family 4, 6, or 0 for either.
 * @returns At least one, those with a route first.
 * @throws What the system's resolver throws, or an Error that says what the servers said.
 */
export async function lookUpMarked(
  host: string,
  family: 0 | Family,
  fwmark: number,
  parts: MarkedLookupParts,
): Promise<FoundAddress[]> {
  let why = "no source has it";
  let isLeft = false;
  for (const source of readSources(parts.files)) {
    if (source === "files") {
      const found = readHosts(parts.files, host, family);
      if (found.length > 0) return found.map((address) => ({ address, family: familyOf(address) === 6 ? 6 : 4 }));
    } else if (source === "dns" || source === "resolve") {
      const outcome = await askServers(host, family, fwmark, parts);
      if (outcome.kind === "found") return reachableFirst(outcome.addresses, parts);
      why = outcome.kind === "absent" ? "there is no such name" : outcome.why;
      isLeft ||= outcome.kind === "unknown";
    } else {
      isLeft = true;
    }
  }
  if (isLeft) return await parts.system(host, family);
  throw new Error(why);
}

/** IPv6 before IPv4 (RFC 6724 section 2.1 for the usual prefixes), and what there is no route to last. */
function reachableFirst(addresses: FoundAddress[], parts: MarkedLookupParts): FoundAddress[] {
  const rank = ({ address, family }: FoundAddress) => (parts.isReachable(address) ? 0 : 10) - family;
  return addresses
    .map((each) => ({ each, by: rank(each) }))
    .sort((a, b) => a.by - b.by)
    .map(({ each }) => each);
}

async function askServers(
  host: string,
  family: 0 | Family,
  fwmark: number,
  parts: MarkedLookupParts,
): Promise<Outcome> {
  const settings = readResolverSettings(parts.files);
  const families = family === 0 ? ([6, 4] as const) : [family];
  let last: Outcome = { kind: "absent" };
  for (const name of candidates(domainToASCII(host) || host, settings)) {
    const outcome = await askFor(name, families, settings, fwmark, parts);
    if (outcome.kind === "found") return outcome;
    if (outcome.kind === "unknown" || last.kind === "absent") last = outcome;
  }
  return last;
}

/** In the order in which they are asked for (resolv.conf(5), `ndots` and `search`). */
export function candidates(host: string, { search, ndots }: Pick<ResolverSettings, "search" | "ndots">): string[] {
  if (host.endsWith(".")) return [host.slice(0, -1)];
  const listed = search.map((domain) => `${host}.${domain.replace(/\.$/, "")}`);
  return host.split(".").length - 1 >= ndots ? [host, ...listed] : [...listed, host];
}

/** Number of the lookup, for `rotate`. */
let turn = 0;

async function askFor(
  name: string,
  families: readonly Family[],
  settings: ResolverSettings,
  fwmark: number,
  parts: MarkedLookupParts,
): Promise<Outcome> {
  const { servers, attempts, rotate } = settings;
  const first = rotate ? turn++ : 0;
  let why = "no name server answers";
  for (let round = 0; round < attempts; round += 1) {
    for (let at = 0; at < servers.length; at += 1) {
      const server = servers[(first + at) % servers.length]!;
      const ask = (family: Family) => askOne(name, family, server, settings, fwmark, parts);
      const outcomes = await Promise.all(families.map(ask));
      const addresses = outcomes.flatMap((outcome) => (outcome.kind === "found" ? outcome.addresses : []));
      if (addresses.length > 0) return { kind: "found", addresses };
      const unclear = outcomes.find((outcome) => outcome.kind === "unknown");
      if (unclear === undefined) return { kind: "absent" };
      why = unclear.why;
    }
  }
  return { kind: "unknown", why };
}

async function askOne(
  name: string,
  family: Family,
  server: string,
  { tcp, timeoutMs }: ResolverSettings,
  fwmark: number,
  parts: MarkedLookupParts,
): Promise<Outcome> {
  const question = { type: TYPES[family], name } as const;
  const id = randomInt(0x10000);
  try {
    const message = encode({ type: "query", id, flags: RECURSION_DESIRED, questions: [question] });
    const to = formatHostAndPort(parts.withZone(server), DNS_PORT);
    const ask = async (overTcp: boolean) => {
      const answer = await parts.ask({ server: to, fwmark, tcp: overTcp, message, patienceNs: timeoutMs * 1e6 });
      return decode(Buffer.from(answer));
    };
    let answer = await ask(tcp);
    if (answer.flag_tc && !tcp) answer = await ask(true);
    return readAnswer(answer, question, family, server);
  } catch (error) {
    return { kind: "unknown", why: `${server}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** Types of the package leave out what its decoder sets. */
type Decoded = DecodedPacket & { rcode?: string };

function readAnswer(
  answer: Decoded,
  question: { type: string; name: string },
  family: Family,
  server: string,
): Outcome {
  const [asked] = answer.questions ?? [];
  if (asked?.type !== question.type || asked.name.toLowerCase() !== question.name.toLowerCase()) {
    return { kind: "unknown", why: `${server}: its answer is to another question` };
  }
  const { rcode = "" } = answer;
  if (rcode !== "NOERROR" && rcode !== "NXDOMAIN") return { kind: "unknown", why: `${server}: it answers ${rcode}` };
  // A recursive server puts what an alias leads to beside it.
  const addresses = (answer.answers ?? []).flatMap((record) => {
    if (record.type !== question.type || !("data" in record) || typeof record.data !== "string") return [];
    return familyOf(record.data) === family ? [{ address: record.data, family }] : [];
  });
  return addresses.length > 0 ? { kind: "found", addresses } : { kind: "absent" };
}
