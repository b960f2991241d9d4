/** Looks for bytes in another process's memory, as one would in its core dump: everything that it can write to. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/** How a key may be written: as it is, in hex, in base64. */
export function spellings(secret: Uint8Array): Map<string, Buffer> {
  const bytes = Buffer.from(secret);
  const base64 = bytes.toString("base64");
  return new Map([
    ["raw", bytes],
    ["hex", Buffer.from(bytes.toString("hex"))],
    ["HEX", Buffer.from(bytes.toString("hex").toUpperCase())],
    // The last group may run on into what follows the key.
    ["base64", Buffer.from(base64.slice(0, 4 * Math.floor(bytes.length / 3)))],
    ["base64url", Buffer.from(bytes.toString("base64url").slice(0, 4 * Math.floor(bytes.length / 3)))],
  ]);
}

export interface Found {
  secret: number;
  spelling: string;
  address: string;
  region: string;
}

/** Read in pieces of this size, bytes. */
const PIECE = 16 << 20;

/**
 * Every place of every secret. The process should be stopped (SIGSTOP), so that nothing moves meanwhile.
 * @throws where reading it isn't permitted.
 */
export function searchMemory(pid: number, secrets: readonly Uint8Array[]): { found: Found[]; bytes: number } {
  const needles = secrets.flatMap((secret, index) =>
    [...spellings(secret)].map(([spelling, needle]) => ({ index, spelling, needle })),
  );
  const longest = Math.max(...needles.map(({ needle }) => needle.length));
  const found: Found[] = [];
  let bytes = 0;
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    for (const [, from = "", to = "", name = ""] of regions(pid)) {
      const [start, end] = [parseInt(from, 16), parseInt(to, 16)];
      for (let at = start; at < end; at += PIECE) {
        // Pieces overlap, so that nothing is cut in two.
        const piece = read(memory, at, Math.min(PIECE + longest, end - at));
        bytes += piece.length;
        for (const { index, spelling, needle } of needles) {
          for (let hit = piece.indexOf(needle); hit >= 0; hit = piece.indexOf(needle, hit + 1)) {
            found.push({ secret: index, spelling, address: (at + hit).toString(16), region: name.trim() });
          }
        }
      }
    }
  } finally {
    closeSync(memory);
  }
  return { found, bytes };
}

/** Address range and name of what can be read and written. */
function regions(pid: number): RegExpMatchArray[] {
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
  return [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw\S* \S+ \S+ \d+ *(.*)$/gm)];
}

function read(memory: number, at: number, length: number): Buffer {
  const piece = Buffer.alloc(length);
  let got = 0;
  try {
    while (got < length) {
      const count = readSync(memory, piece, got, length - got, at + got);
      if (count === 0) break;
      got += count;
    }
  } catch {
    // A page that can't be read is in no dump either.
  }
  return piece.subarray(0, got);
}
