/** The flags of `i405 doctor`. */
import { describe } from "../../common/errors.js";
import { readHostPort, type HostPort } from "../../common/option-readers.js";
import { parseRate } from "../../common/units.js";
import { CHECKS } from "../../doctor/checks.js";
import type { Wanted } from "../../doctor/fix.js";
import { usageError } from "../settings.js";

/** As commander has them. */
export interface DoctorFlags {
  peer?: string;
  upSpeed?: string;
  cpu?: string;
  seconds?: string;
  measure?: boolean;
  quick?: boolean;
  uplink?: boolean;
  fix?: string | true;
  undo?: boolean;
  undoFile?: string;
  dryRun?: boolean;
  json?: boolean;
}

export interface DoctorOptions {
  peer: HostPort | undefined;
  /** Outer bytes per second. */
  rate: number;
  cpu: number | undefined;
  /** How long to measure; 0: not at all. */
  seconds: number;
  /** Sends: slots and a flow, with a hop limit of 1. */
  uplink: boolean;
  fix: Wanted | undefined;
  undo: boolean;
  /** Where to keep the record; undefined: where {@link undoPath} says. */
  undoFile: string | undefined;
  dryRun: boolean;
  json: boolean;
}

const DEFAULT_SECONDS = 10;
const LEAST_SECONDS = 2;
const MOST_SECONDS = 600;
/** The client's default. */
const DEFAULT_RATE = "100KiB/s";

/** @throws {I405Error} `ERR_I405_USAGE`, `ERR_I405_OPTION` */
export function readDoctorOptions(flags: DoctorFlags): DoctorOptions {
  const fix = flags.fix === undefined ? undefined : readFix(flags.fix);
  const undo = flags.undo === true;
  if (fix !== undefined && undo) throw usageError("undo", "--undo contradicts --fix. Leave one of the two out");
  if (flags.dryRun === true && fix === undefined && !undo) {
    throw usageError("dry-run", "--dry-run without --fix or --undo. The doctor changes nothing without them");
  }
  if (flags.uplink === true && flags.peer === undefined) {
    throw usageError("uplink", "--uplink needs --peer: it sends along the way to it");
  }
  // With `--fix` and `--undo` nothing is measured: that was done before, or will be afterwards.
  const measures = flags.measure !== false && flags.quick !== true && fix === undefined && !undo;
  return {
    peer: flags.peer === undefined ? undefined : readHostPort("--peer", flags.peer, 1),
    rate: parseRate("--up-speed", flags.upSpeed ?? DEFAULT_RATE),
    cpu: flags.cpu === undefined ? undefined : readCpu(flags.cpu),
    seconds: measures ? readSeconds(flags.seconds) : 0,
    uplink: flags.uplink === true && fix === undefined && !undo,
    fix,
    undo,
    undoFile: flags.undoFile,
    dryRun: flags.dryRun === true,
    json: flags.json === true,
  };
}

function readFix(value: string | true): Wanted {
  if (value === true) return true;
  const names = value.split(",").map((name) => name.trim());
  const known = ["all", ...CHECKS.map(({ id }) => id)];
  const wrong = names.find((name) => !known.includes(name));
  if (wrong === undefined) return names;
  throw usageError(
    "fix",
    `--fix: got ${describe(wrong)}, expected all or names of checks, as in the report's brackets`,
  );
}

function readCpu(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw usageError("cpu", `--cpu: got ${describe(text)}, expected a core's number, from 0`);
}

function readSeconds(text: string | undefined): number {
  const seconds = text === undefined ? DEFAULT_SECONDS : Number(text);
  if (Number.isFinite(seconds) && seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS) return seconds;
  const message = `--seconds: got ${describe(text)}, expected a number from ${LEAST_SECONDS} to ${MOST_SECONDS}`;
  throw usageError("seconds", message);
}
