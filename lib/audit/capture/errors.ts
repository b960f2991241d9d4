/** What is wrong with a capture file. */
import { I405Error } from "../../common/errors.js";

/** `FILE: what is wrong. What to do`. */
export function captureError(path: string, what: string, remedy: string, cause?: unknown): I405Error {
  const details = cause === undefined ? {} : { cause };
  return new I405Error("ERR_I405_CAPTURE", `${path}: ${what}. ${remedy}`, details);
}
