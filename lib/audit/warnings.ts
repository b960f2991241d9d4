/** What a report's reader has to know before he believes it. */
import type { AuditWarning } from "../../types/audit.js";

export type { AuditWarning } from "../../types/audit.js";

/** `I405_AUDIT_...`, each with its row in docs/errors.md. */
export type AuditWarningCode = AuditWarning["code"];

export function auditWarning(code: AuditWarningCode, message: string, remedy: string): AuditWarning {
  return { code, message, remedy };
}

/** For a terminal. */
export function warningWords({ message, remedy, code }: AuditWarning): string {
  return `${message}. ${remedy} (${code})`;
}
