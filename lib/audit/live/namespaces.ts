/**
 * Where `i405 audit --here` runs both ends of a tunnel: two network namespaces joined by a virtual cable.
 *
 *     i405a-PID-RANDOM-c                 i405a-PID-RANDOM-s
 *       wire0  198.18.0.1/24  <------->  wire0  198.18.0.2/24
 *
 * They are removed by `close()`, when this process ends, and by the next run if this one was killed.
 */
import { I405Error } from "../../common/errors.js";
import { hereError } from "./errors.js";
import { ip, NetnsCable, netnsNames, sweepNetns } from "./netns.js";

/** One namespace. */
export interface Namespace {
  readonly name: string;
  readonly ipv4: string;
  /** The interface at this end of the cable. */
  readonly device: string;
  /** The argument vector that runs `argv` inside. */
  command(argv: readonly string[]): string[];
}

export interface Namespaces extends Disposable {
  readonly client: Namespace;
  readonly server: Namespace;
  /** Ends what still runs inside and removes both. Idempotent. */
  close(): void;
}

const PREFIX = "i405a";
const DEVICE = "wire0";
/** From the range for measurements of networks (RFC 2544 appendix C.2.2), which no route of this machine's leads to. */
const ADDRESSES = { client: "198.18.0.1", server: "198.18.0.2" };
const PREFIX_LENGTH = 24;
const MTU = 1500;

/** @throws {I405Error} `ERR_I405_AUDIT_HERE`, with what is missing and the command that helps; nothing is left then */
export function makeNamespaces(): Namespaces {
  if (process.getuid?.() !== 0) {
    throw hereError("network namespaces are made by root. Run it as root: sudo i405 audit --here");
  }
  try {
    ip(["-V"]);
  } catch (cause) {
    const remedy = "Install it: sudo apt-get install iproute2";
    throw hereError(`network namespaces need the program ip, of iproute2, which is missing. ${remedy}`, cause);
  }
  sweepNetns(PREFIX);
  const [client, server] = netnsNames(PREFIX, ["c", "s"]);
  const ends = [namespace(client, ADDRESSES.client), namespace(server, ADDRESSES.server)] as const;
  const [one, other] = ends.map((end) => ({ ...end, addresses: [`${end.ipv4}/${PREFIX_LENGTH}`] }));
  try {
    const cable = new NetnsCable([one!, other!], MTU);
    const close = () => cable.close();
    return { client: ends[0], server: ends[1], close, [Symbol.dispose]: close };
  } catch (cause) {
    throw cause instanceof I405Error ? hereError(withRemedy(cause.message), cause) : cause;
  }
}

function namespace(name: string, ipv4: string): Namespace {
  return { name, ipv4, device: DEVICE, command: (argv) => ["ip", "netns", "exec", name, ...argv] };
}

/** What `ip` says on a kernel or in a container without namespaces or cables, and what helps. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [
    /not permitted|permission denied/i,
    "Root of a container may not do this as it was started; start it so that it may: docker run --privileged",
  ],
  [
    /type veth.*(not supported|unknown device type)/is,
    "The kernel has no virtual cables (CONFIG_VETH). Load its module: sudo modprobe veth",
  ],
  [
    /netns add/,
    "The kernel has no network namespaces (CONFIG_NET_NS), or no more of them: sudo sysctl user.max_net_namespaces",
  ],
];

/** What `ip` said, and what helps against it. */
export function withRemedy(message: string): string {
  const remedy = REMEDIES.find(([said]) => said.test(message))?.[1];
  return remedy === undefined ? message : `${message}. ${remedy}`;
}
