/** How the live audit says what this machine lacks for it. */
import { I405Error } from "../../common/errors.js";

/** @param what with the command that helps, where there is one */
export function hereError(what: string, cause?: unknown): I405Error {
  return new I405Error("ERR_I405_AUDIT_HERE", what, cause === undefined ? {} : { cause });
}
