/** A list of numbers that grows without an object per number. */
export class Growing {
  #values = new Float64Array(1024);
  #length = 0;

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(2 * this.#length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  /** What was pushed, in that order. A view: good until the next push. */
  values(): Float64Array {
    return this.#values.subarray(0, this.#length);
  }

  /** What was pushed, ascending; captures of several cores are out of order by a little. */
  sorted(): Float64Array {
    const values = this.values().slice();
    for (let at = 1; at < values.length; at += 1) if (values[at]! < values[at - 1]!) return values.sort();
    return values;
  }
}
