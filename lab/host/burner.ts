/** The burner's loops as a program, and an ordinary program beside it (crates/i405-testkit/src/bin/burner.rs). */
import { flags, Program, type Place } from "./program.js";
import { testkit } from "./testkit.js";

export type BurnerKind = "spin" | "pause" | "memory" | "vector";

/** Runs until it is stopped. */
export async function startBurner(place: Place, kind: BurnerKind, cpu: number): Promise<Program> {
  const program = new Program(place, [testkit("burner"), kind, ...flags({ cpu })]);
  await program.event("ready");
  return program;
}

export interface WorkOptions {
  cpu: number;
  seconds: number;
  /** CPU time of a piece, microseconds. Default 1000. */
  workUs?: number;
  /** Sleep after a piece, microseconds. Default 0. */
  restUs?: number;
}

export interface Worked {
  pieces: number;
  /** What it got done, in units of its own. */
  rounds: number;
  seconds: number;
  cpuSeconds: number;
}

/** A program of the ordinary class; `before` is what starts it. */
export function startWork(place: Place, options: WorkOptions, before: readonly string[] = []): Program {
  return new Program(place, [...before, testkit("burner"), "work", ...flags(options)]);
}

export async function work(place: Place, options: WorkOptions, before: readonly string[] = []): Promise<Worked> {
  const program = startWork(place, options, before);
  try {
    return await program.event<Worked>("done");
  } finally {
    await program.stop();
  }
}
