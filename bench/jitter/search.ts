/** Nelder and Mead's simplex search (1965), for the few coefficients of a density. */

/** The place with the least value found. */
export function search(value: (at: readonly number[]) => number, start: readonly number[], steps: number): number[] {
  const size = start.length;
  const corner = (at: number[]) => ({ at, value: value(at) });
  let corners = [corner([...start])];
  for (let axis = 0; axis < size; axis += 1)
    corners.push(corner(start.map((x, each) => x + (each === axis ? 0.3 : 0))));
  for (let step = 0; step < steps; step += 1) {
    corners.sort((a, b) => a.value - b.value);
    const [best, worst, second] = [corners[0]!, corners[size]!, corners[size - 1]!];
    const centre = start.map((_, axis) => corners.slice(0, size).reduce((sum, { at }) => sum + at[axis]!, 0) / size);
    const along = (by: number) => corner(centre.map((x, axis) => x + by * (worst.at[axis]! - x)));
    const reflected = along(-1);
    let next = reflected;
    if (reflected.value < best.value) {
      const expanded = along(-2);
      if (expanded.value < reflected.value) next = expanded;
    } else if (reflected.value >= second.value) {
      next = along(0.5);
    }
    if (next.value < worst.value) corners[size] = next;
    else corners = corners.map(({ at }) => corner(at.map((x, axis) => (x + best.at[axis]!) / 2)));
  }
  return corners.sort((a, b) => a.value - b.value)[0]!.at;
}
