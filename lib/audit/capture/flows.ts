/**
 * Which flows a capture has, and which of them is the tunnel.
 *
 * A flow is a protocol and two endpoints, each with address and port. So another client on the server's port is another
 * flow, and so is the same tunnel behind a translation of addresses.
 */
import type { Stretch } from "../observation.js";
import { captureError } from "./errors.js";
import { addressText, endpointText, type Endpoint } from "./endpoints.js";
import type { Capture } from "./file.js";
import { addressesOf, emptyHeaders, parseHeaders, UDP, type Headers } from "./headers.js";
import { knownLink } from "./link.js";
import { readPackets } from "./packets.js";
import { stretchFinder } from "./stretch-finder.js";

/** How many flows are counted at once. If there are more, those with the fewest packets are forgotten. */
const MOST_FLOWS = 20_000;
/** Flows that a report names beside the one that it is about. */
export const MOST_NAMED = 5;
/** Another flow is named if it has at least this share of the packets. */
const WORTH_NAMING = 0.1;

/** The tunnel: what goes from the client to the server is `up`. */
export interface Flow {
  protocol: number;
  client: Endpoint;
  server: Endpoint;
  /** Source address, destination address and ports of what goes up, as {@link flowKey} gives them; and of what goes down. */
  up: string;
  down: string;
}

/** What a user may say of it. */
export interface Wanted {
  /** The server's. */
  port?: number | undefined;
  /** One end, or both. */
  endpoints?: readonly Endpoint[] | undefined;
}

/** Another flow that fits as well. */
export interface OtherFlow {
  between: [string, string];
  /** All of them, and those inside of the stretches. */
  packets: number;
  inside: number;
}

interface Counted {
  /** Of the first packet. */
  from: string;
  back: string;
  protocol: number;
  addresses: Buffer;
  ports: [number, number];
  packets: number;
  inside: number;
  order: number;
}

/** Protocol, addresses and ports of a packet, or of what comes back. */
export function flowKey(addresses: string, { protocol, sourcePort, destinationPort }: Headers): string {
  return `${addresses}${protocol},${sourcePort},${destinationPort}`;
}

function backKey(addresses: string, { protocol, sourcePort, destinationPort }: Headers): string {
  const half = addresses.length / 2;
  return `${addresses.slice(half)}${addresses.slice(0, half)}${protocol},${destinationPort},${sourcePort}`;
}

class Survey {
  /** Each flow under its first packet's key. */
  readonly flows = new Map<string, Counted>();
  looked = 0;
  strange = 0;
  #order = 0;
  readonly #headers = emptyHeaders();
  readonly #stretchAt: (timeNs: number, originS: number) => number;

  constructor(stretches: readonly Stretch[]) {
    this.#stretchAt = stretchFinder(stretches);
  }

  read(capture: Capture): void {
    readPackets(capture, (packet) => {
      this.looked += 1;
      if (!knownLink(packet.linkType)) this.strange = packet.linkType;
      const headers = this.#headers;
      if (!parseHeaders(packet, headers) || headers.fragmentOffset !== 0) return true;
      const flow = this.#flowOf(packet.bytes, headers);
      flow.packets += 1;
      if (this.#stretchAt(packet.timeNs, packet.originS) >= 0) flow.inside += 1;
      return true;
    });
  }

  #flowOf(bytes: Buffer, headers: Headers): Counted {
    const addresses = addressesOf(bytes, headers);
    const from = flowKey(addresses, headers);
    const known = this.flows.get(from);
    if (known !== undefined) return known;
    const back = backKey(addresses, headers);
    const other = this.flows.get(back);
    if (other !== undefined) return other;
    if (this.flows.size >= MOST_FLOWS) this.#forget();
    const fresh: Counted = {
      ...{ from, back, protocol: headers.protocol, addresses: Buffer.from(addresses, "latin1") },
      ...{ ports: [headers.sourcePort, headers.destinationPort], packets: 0, inside: 0, order: this.#order++ },
    };
    this.flows.set(from, fresh);
    return fresh;
  }

  /** Half of them, the smaller ones: a tunnel is not among those for long. */
  #forget(): void {
    const sorted = [...this.flows.values()].sort((one, other) => one.packets - other.packets);
    for (const { from } of sorted.slice(0, MOST_FLOWS / 2)) this.flows.delete(from);
  }
}

/**
 * Chooses, among the flows that fit, the one with most packets inside of the stretches.
 *
 * @throws {I405Error} `ERR_I405_CAPTURE` if there is no packet that can be read, or none of a flow that was asked for
 */
export function chooseFlow(
  capture: Capture,
  stretches: readonly Stretch[],
  wanted: Wanted,
): { flow: Flow; others: OtherFlow[] } {
  const survey = new Survey(stretches);
  survey.read(capture);
  const all = [...survey.flows.values()].sort(
    (one, other) => other.inside - one.inside || other.packets - one.packets || one.order - other.order,
  );
  if (all.length === 0) {
    const what = survey.strange === 0 ? "it holds no IP packet" : `link type ${survey.strange} is unknown here`;
    throw captureError(capture.path, what, "Capture on an Ethernet, TUN or `any` interface (tcpdump -i any -w FILE)");
  }
  const fitting = all.filter((flow) => fits(flow, wanted));
  const [chosen] = fitting;
  if (chosen === undefined) {
    const most = all.slice(0, MOST_NAMED).map((flow) => `${between(flow).join(" and ")} (${flow.packets} packets)`);
    const what = `no packet is of the flow that was asked for (port, endpoints); most are between ${most.join(", ")}`;
    throw captureError(capture.path, what, "Name the tunnel's own (--port, --endpoint), or leave it out");
  }
  const others = fitting
    .slice(1)
    .filter(({ protocol, packets, inside }) => {
      const many = inside >= WORTH_NAMING * chosen.inside || packets >= WORTH_NAMING * chosen.packets;
      return protocol === chosen.protocol && many;
    })
    .map((flow) => ({ between: between(flow), packets: flow.packets, inside: flow.inside }));
  return { flow: flowOf(chosen, serverIsSecond(chosen, all, wanted)), others };
}

function endsOf({ addresses, ports }: Counted): [Endpoint, Endpoint] {
  const half = addresses.length / 2;
  return [
    { address: addressText(addresses.subarray(0, half)), port: ports[0] },
    { address: addressText(addresses.subarray(half)), port: ports[1] },
  ];
}

function between(flow: Counted): [string, string] {
  const [one, other] = endsOf(flow);
  return [endpointText(one), endpointText(other)];
}

function fits(flow: Counted, { port, endpoints = [] }: Wanted): boolean {
  if (port !== undefined && (flow.protocol !== UDP || !flow.ports.includes(port))) return false;
  const ends = endsOf(flow);
  const is = (end: Endpoint, wanted: Endpoint) =>
    end.address === wanted.address && (wanted.port === 0 || end.port === wanted.port);
  const [first, second] = endpoints;
  if (first === undefined) return true;
  if (second === undefined) return ends.some((end) => is(end, first));
  return (is(ends[0], first) && is(ends[1], second)) || (is(ends[1], first) && is(ends[0], second));
}

/**
 * Is the server where the first packet went? If a port was given, the server has that port. Otherwise it has the port
 * that more flows have, as the clients of one server do; or else the lower one. If both ends have the same port,
 * whoever sent first is the client.
 */
function serverIsSecond({ ports, protocol }: Counted, all: readonly Counted[], { port }: Wanted): boolean {
  const [source, destination] = ports;
  if (source === destination) return true;
  if (port !== undefined) return destination === port;
  const having = (wanted: number) => all.filter((flow) => flow.protocol === protocol && flow.ports.includes(wanted));
  const [one, other] = [having(source).length, having(destination).length];
  return one === other ? destination < source : other > one;
}

function flowOf(counted: Counted, serverIsSecond: boolean): Flow {
  const { protocol, from, back } = counted;
  const [one, other] = endsOf(counted);
  if (serverIsSecond) return { protocol, client: one, server: other, up: from, down: back };
  return { protocol, client: other, server: one, up: back, down: from };
}
