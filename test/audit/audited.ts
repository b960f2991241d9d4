/** Writes captures into a folder of the test's own, and reads or audits them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import { collect, type Collected } from "../../lib/audit/capture/collect.js";
import { openCaptureFile } from "../../lib/audit/capture/file.js";
import type { Wanted } from "../../lib/audit/capture/flows.js";
import type { Stretch } from "../../lib/audit/observation.js";

export interface Folder {
  path: string;
  /** Writes a file with a new name. */
  file: (bytes: Buffer | string) => string;
  collect: (bytes: Buffer, stretches: readonly Stretch[], wanted?: Wanted) => Collected;
}

export function folderOf(t: Test): Folder {
  const path = mkdtempSync(join(tmpdir(), "i405-audit-"));
  t.teardown(() => rmSync(path, { recursive: true }));
  let files = 0;
  const file = (bytes: Buffer | string) => {
    const name = join(path, `file-${files++}.pcap`);
    writeFileSync(name, bytes);
    return name;
  };
  return {
    path,
    file,
    collect: (bytes, stretches, wanted) => {
      const capture = openCaptureFile(file(bytes));
      try {
        return collect(capture, stretches, wanted);
      } finally {
        capture.close();
      }
    },
  };
}

/** Datagrams of each direction inside of the stretches. */
export function counts({ observations }: Pick<Collected, "observations">): Record<string, number> {
  return Object.fromEntries(
    observations.map(({ direction, seen }) => [direction, seen.reduce((sum, { timesNs }) => sum + timesNs.length, 0)]),
  );
}

export const codes = ({ warnings }: Pick<Collected, "warnings">): string[] => warnings.map(({ code }) => code);
