/** What the addon tells of a tunnel. Events come in batches, in the order in which they happened. */
import type { ArrivalRecords, DepartureRecords, SlotRecords } from "../../index.js";
import type { HandshakeKind } from "./protocol-ids.js";

/** What `record` asks for: every 50 ms, and the last of it before `closed`. */
export type NativeRecords =
  | ({ type: "slots" } & SlotRecords)
  | ({ type: "departures" } & DepartureRecords)
  | ({ type: "arrivals" } & ArrivalRecords);

export type NativeEvent =
  | NativeRecords
  /** A whole handshake message that passed trial, stamp and rate. Server: the floor rose to its stamp. */
  | {
      type: "handshake";
      kind: HandshakeKind;
      version: number;
      stamp: number;
      message: Uint8Array;
      source: string;
      /** Length of its datagrams. */
      datagramLength: number;
      /** When the kernel received the completing datagram. */
      receivedNs: bigint;
    }
  /** Server: an initiation of another version, with a stamp above the floor, which rose. */
  | { type: "otherVersion"; version: number; stamp: number; source: string; datagramLength: number; receivedNs: bigint }
  /** A genuine initiation at or below the floor, or too old. At most one a minute. */
  | { type: "staleInitiation"; stamp: number; floorMs: number }
  /** The first datagram that opens under a generation. */
  | { type: "opened"; generation: number; source: string; receivedNs: bigint }
  | { type: "control"; generation: number; kind: number; body: Uint8Array }
  /**
   * Server: the client is believed to be at `source`, and slots go there already. If it was the first time, an end of
   * the schedule was taken back. `confirmed` is the generation given to `ask`; null: the client was believed somewhere
   * else before.
   */
  | { type: "believed"; confirmed: number | null; source: string }
  /** Nothing opened for the time given to `watchSilence`. `heard` follows when something does. */
  | { type: "silent"; forNs: bigint }
  | { type: "heard" }
  /** `endAt` was reached: no more slots. */
  | { type: "scheduleEnded" }
  /** The eight slots with a close block are out. */
  | { type: "closeSent" }
  /** The generation has sent 2^28 datagrams. Sending falls back to a throwaway key. */
  | { type: "exhausted"; generation: number }
  /** Inner packets for the in-process device. */
  | { type: "packets"; packets: Uint8Array[] }
  /** The waiting queue has room again after `write` returned false. */
  | { type: "drain" }
  /**
   * The code is stable. The message says what happened, the remedy what to do about it. Neither ends with a full stop.
   */
  | { type: "warning"; code: string; message: string; remedy: string }
  /** Events that did not fit since the last batch. */
  | { type: "dropped"; count: number }
  /** A thread died; the tunnel is over. */
  | { type: "failed"; code: string; detail: string }
  /** Everything is released; the last event. */
  | { type: "closed" };
