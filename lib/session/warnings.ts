/** Warnings of the machines, and what to do about those of the addon. */
import type { TunnelWarning } from "../../index.js";
import type { I405Error } from "../common/errors.js";
import { formatDuration } from "../common/units.js";
import type { Role } from "../native/options.js";

/** Nothing answers the client. One message for every cause, because silence has no other sign. */
export function noAnswer(endpoint: string, forNs: number): TunnelWarning {
  return {
    code: "I405_NO_ANSWER",
    message: `no answer from ${endpoint} for ${formatDuration(Math.round(forNs / 1e6) * 1e6)}; trying on`,
    remedy:
      "A server stays silent to a wrong key or password. Check those first, then the address and port, that the " +
      "server runs, that no firewall drops UDP, and that this clock is not behind what it was at the last connection",
  };
}

/** A persistent client that can't even begin. */
export function notOpenYet(error: I405Error, againMs: number): TunnelWarning {
  return {
    code: "I405_NOT_OPEN_YET",
    message: `${error.message.replace(/\.$/, "")} (${error.code})`,
    remedy: `Nothing is sent yet; it is tried again every ${formatDuration(againMs * 1e6)}. Without persistent this is an error`,
  };
}

/** A genuine initiation that came too late, or from a clock that went back. */
export function staleInitiation(stampMs: number, floorMs: number, wallMs: number): TunnelWarning {
  const behind = `${((wallMs - stampMs) / 1000).toFixed(1)} s behind this clock`;
  const below = stampMs <= floorMs ? ` and ${((floorMs - stampMs) / 1000).toFixed(1)} s behind the last one taken` : "";
  return {
    code: "I405_STALE_INITIATION",
    message: `a genuine initiation was not taken: its stamp is ${behind}${below}`,
    remedy: "Set the client's clock. If that is right, somebody replays old datagrams; they get no answer",
  };
}

/** A client that has the keys, and isn't where its datagrams say. */
export function notBelieved(source: string): TunnelWarning {
  return {
    code: "I405_NOT_BELIEVED",
    message: `a client with the right keys confirmed a session from ${source}, and nothing that was sent there came back`,
    remedy:
      "Its datagrams may carry a forged source, or this server's don't reach it: look at firewalls and NAT between the " +
      "two, and run the same version of i405 at both ends. Nothing is sent there any more; it may try again",
  };
}

/** Server: a session was replaced, and the client that had it goes on in it. */
export function sharedSecret(before: string, now: string): TunnelWarning {
  return {
    code: "I405_SHARED_SECRET",
    message:
      `two clients have the same key or password: ${before} still sends in the session that ${now} has replaced, and ` +
      "they take it from each other",
    remedy: "Stop one of them, or give it a secret of its own and a server (a port) of its own",
  };
}

/** Client: the server has fallen silent so many times in a row, and had a new session at once. */
export function takenOver(endpoint: string, times: number): TunnelWarning {
  return {
    code: "I405_SHARED_SECRET",
    message:
      `${endpoint} fell silent ${times} times in a row and took a new session at once: another client with the same ` +
      "key or password takes it over, or the server restarts again and again",
    remedy: "Look at the server's log, which names both clients. Give each a secret of its own and a server of its own",
  };
}

/** The state file could not be written; `failure` says why. */
export function stateNotKept(role: Role, failure: unknown): TunnelWarning {
  const why = failure instanceof Error ? failure.message : String(failure);
  return {
    code: "I405_STATE_FILE",
    message: why,
    remedy:
      role === "client"
        ? "See to the file's folder. Until then a restart forgets the newest stamp"
        : "See to the file's folder. Until then no client is let in, because a restart would let it in again",
  };
}

/** The program wrote something else than a packet to its stream. */
export function packetRefused(error: I405Error): TunnelWarning {
  return {
    code: "I405_PACKET_REFUSED",
    message: `what was written to the stream is no inner packet: ${error.message.replace(/\.$/, "")}`,
    remedy:
      "Write whole IPv4 or IPv6 packets, one a chunk. It was dropped, as every such one will be: the callback of write " +
      "gets the error, stats().inner.malformed counts it",
  };
}

/** A password that a person made up. */
export const WEAK_PASSWORD: TunnelWarning = {
  code: "I405_WEAK_PASSWORD",
  message:
    "the password does not look generated; whoever records one handshake can guess at it for as long as he likes",
  remedy: "Use one from `i405 genkey --password`, or static keys from `i405 genkey`",
};
