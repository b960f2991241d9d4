/** What goes wrong. Part of the contract, `index.d.ts`. */

/** The only error class; `code` is stable and starts with `ERR_I405_`. */
export class I405Error extends Error {
  readonly code: string;
  /** The option at fault, as a path such as `up.interval`. */
  readonly option?: string;
  constructor(code: string, message: string, details?: { option?: string | undefined; cause?: unknown });
}
