/** The boundary between the doctor and the Rust core: what it measures on this machine. */

import type { BurnerName } from "./options.js";

/** Which rights a timed thread of this process is refused: errno of each refusal, 0 for none. */
export interface NativePermissions {
  fifoErrno: number;
  /** Locking its stack. */
  memoryErrno: number;
}

/** `adjtimex`: how CLOCK_MONOTONIC is being corrected. */
export interface NativeClockCorrection {
  frequencyPpm: number;
  /** 10,000 unless somebody slews with it. */
  tickUs: number;
  /** STA_* bits. */
  status: number;
}

/** Why the kernel can't be made to spin until a slot's deadline, and what to do about it. */
export interface NativeRefusal {
  reason: string;
  remedy: string;
}

/** Lateness in nanoseconds; `stddevTrimmedNs` without what is beyond the p99.9. */
export interface NativeSummary {
  count: number;
  meanNs: number;
  stddevNs: number;
  stddevTrimmedNs: number;
  p50Ns: number;
  p90Ns: number;
  p99Ns: number;
  p999Ns: number;
  maxNs: number;
}

export interface NativeLatenessRequest {
  cpu: number | null;
  /** 10 us to 1 s. */
  intervalNs: number;
  /** 1 to 1,000,000. */
  slots: number;
  /** null: sleep to the deadline; otherwise sleep until this long before it, and spin the rest. */
  marginNs: number | null;
  /** What is kept busy while it measures. Anything but `off` needs a `cpu`. */
  burner: BurnerName;
}

export interface NativeLateness {
  /** When the sleep returned, against the instant at which it was to end. */
  wakeUp: NativeSummary;
  /** When a tunnel would have sent, by the clock, against the deadline. */
  call: NativeSummary;
  missed: number;
  isFifo: boolean;
}

/** The time that a thread wanted a core and did not get it, in gaps above 50 us. */
export interface NativeLosses {
  wantedNs: number;
  lostNs: number;
  gaps: number;
  longestNs: number;
  isFifo: boolean;
}

export interface NativeEgressRequest {
  /** Socket address. It is reached only if it is a neighbour, because the hop limit is 1. */
  to: string;
  cpu: number | null;
  intervalNs: number;
  slots: number;
  /** Whether another socket sends as fast as it can all the while. */
  flow: boolean;
}

export interface NativeEgress {
  /** Time from the call to the driver, of the datagrams that have a transmit timestamp. */
  delay: NativeSummary;
  sent: number;
  flowBytes: number;
}

/** The doctor's measurements. Each runs on a thread of its own, set up as a dispatcher; only `egress` sends. */
export interface Probes {
  permissions(): NativePermissions;
  clock(): NativeClockCorrection;
  /** Tried at the loopback interface; null: it works. */
  kernelSpin(): NativeRefusal | null;
  lateness(request: NativeLatenessRequest): Promise<NativeLateness>;
  /** At most 600 s. */
  losses(request: { cpu: number | null; durationNs: number }): Promise<NativeLosses>;
  egress(request: NativeEgressRequest): Promise<NativeEgress>;
}
