/** Energy that the processors have used, from the kernel's counters (Documentation/power/powercap). */
import { readdirSync, readFileSync } from "node:fs";

const FOLDER = "/sys/class/powercap";

/** Joules of all packages since some instant; null where there is no counter, as in most virtual machines. */
export function joules(): number | null {
  try {
    // `intel-rapl:0` is a package, `intel-rapl:0:0` a part of it; AMD's are called the same.
    const packages = readdirSync(FOLDER).filter((name) => /^[a-z-]+:\d+$/.test(name));
    if (packages.length === 0) return null;
    return packages.reduce((sum, name) => sum + Number(readFileSync(`${FOLDER}/${name}/energy_uj`, "utf8")) / 1e6, 0);
  } catch {
    return null;
  }
}
