/** Interface description blocks of pcapng: link type, and what a unit of time is. */

export interface Interface {
  linkType: number;
  unitsPerSecond: bigint;
  offsetS: bigint;
}

/** Link type, two reserved bytes, longest packet. */
const FIXED = 8;
/** if_tsresol and if_tsoffset; everything else is skipped, in whatever order it comes. */
const [END, RESOLUTION, OFFSET] = [0, 9, 14];
/** Greatest powers that 64 bits of time have a use for: of ten, of two. */
const [MOST_TENS, MOST_TWOS] = [19, 63];
/** The highest bit of a resolution: a power of two. */
const BINARY = 0x80;

/** The interface, or what is wrong with it. */
export function readInterface(view: DataView, start: number, end: number, little: boolean): Interface | string {
  if (end - start < FIXED) return "is too short for an interface";
  const found: Interface = { linkType: view.getUint16(start, little), unitsPerSecond: 1_000_000n, offsetS: 0n };
  for (let at = start + FIXED; at + 4 <= end;) {
    const code = view.getUint16(at, little);
    const length = view.getUint16(at + 2, little);
    if (code === END || at + 4 + length > end) break;
    if (code === RESOLUTION && length === 1) {
      const value = view.getUint8(at + 4);
      const units = unitsPerSecond(value);
      if (units === null) return `gives a resolution of 0x${value.toString(16)}`;
      found.unitsPerSecond = units;
    }
    if (code === OFFSET && length === 8) found.offsetS = view.getBigInt64(at + 4, little);
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return found;
}

function unitsPerSecond(value: number): bigint | null {
  const power = value & ~BINARY;
  const binary = (value & BINARY) !== 0;
  if (power > (binary ? MOST_TWOS : MOST_TENS)) return null;
  return (binary ? 2n : 10n) ** BigInt(power);
}
