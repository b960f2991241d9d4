/** The formats of /proc and /sys that several checks read. */
import type { System } from "./system.js";

/** A whole number in a file; undefined if there is none. */
export function numberAt(system: System, path: string): number | undefined {
  const text = system.readFile(path);
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}

/** `0-2,5` as numbers; a range can't be longer than any machine has cores. */
export function parseList(text: string): number[] {
  const MOST = 8192;
  return text.split(",").flatMap((part) => {
    const [, from, to] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? [];
    if (from === undefined) return [];
    const first = Number(from);
    const length = Number(to ?? from) - first + 1;
    return length > 0 && length <= MOST ? Array.from({ length }, (_, index) => first + index) : [];
  });
}

/** Numbers as `0-2,5`. */
export function formatList(numbers: readonly number[]): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const number of sorted) {
    const last = ranges.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
}

/** Bits of `00000001,80000000`, the lowest word last. */
export function parseMask(text: string): number[] {
  if (!/^[0-9a-f,]+$/i.test(text)) return [];
  const bits = BigInt(`0x${text.replaceAll(",", "") || "0"}`);
  const numbers: number[] = [];
  for (let bit = 0; bits >> BigInt(bit) > 0n; bit += 1) {
    if (((bits >> BigInt(bit)) & 1n) === 1n) numbers.push(bit);
  }
  return numbers;
}

/** Bits as the kernel takes them: words of 32, with commas between. */
export function formatMask(numbers: readonly number[]): string {
  const bits = numbers.reduce((sum, number) => sum | (1n << BigInt(number)), 0n);
  const digits = bits.toString(16);
  const words: string[] = [];
  for (let end = digits.length; end > 0; end -= 8) words.unshift(digits.slice(Math.max(0, end - 8), end));
  return words.join(",");
}

/** The choice in force: `[always] madvise never`, `none voluntary (full)`. */
export function chosen(text: string): string | undefined {
  return /[[(]([\w-]+)[\])]/.exec(text)?.[1];
}

/**
 * `y`, `m` or a value of the running kernel's configuration; `n` if it is unset; undefined if there is no configuration
 * to read.
 */
export function kernelOption(system: System, name: string): string | undefined {
  const release = system.readFile("/proc/sys/kernel/osrelease") ?? "";
  const places = ["/proc/config.gz", `/boot/config-${release}`, `/lib/modules/${release}/config`];
  for (const place of places) {
    const text = system.readFile(place);
    if (text === undefined) continue;
    return new RegExp(`^CONFIG_${name}=(.*)$`, "m").exec(text)?.[1] ?? "n";
  }
  return undefined;
}

/** A word of the kernel's command line: `preempt=full` by `preempt`; "" for one without a value. */
export function bootOption(system: System, name: string): string | undefined {
  const words = (system.readFile("/proc/cmdline") ?? "").split(/\s+/);
  const word = words.find((each) => each === name || each.startsWith(`${name}=`));
  return word?.slice(name.length + 1);
}

/** Capability numbers of linux/capability.h. */
export const CAP_IPC_LOCK = 14;
export const CAP_SYS_NICE = 23;

/** Whether this process has a capability in force. */
export function hasCapability(system: System, capability: number): boolean {
  const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(system.readFile("/proc/self/status") ?? "")?.[1];
  return hex !== undefined && ((BigInt(`0x${hex}`) >> BigInt(capability)) & 1n) === 1n;
}

/** Soft limit of this process: `Max realtime priority`; Infinity for unlimited. */
export function softLimit(system: System, name: string): number | undefined {
  const text = system.readFile("/proc/self/limits") ?? "";
  const soft = new RegExp(`^${name}\\s+(\\S+)`, "m").exec(text)?.[1];
  if (soft === undefined) return undefined;
  return soft === "unlimited" ? Infinity : Number(soft);
}

/** Words of a table's line. */
export function words(line: string): string[] {
  return line.trim().split(/\s+/);
}
