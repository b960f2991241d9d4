/** `i405 audit`: watches, compares, writes the reports; or answers the audits of others. */
import { writeFileSync } from "node:fs";
import type { AnswerOptions } from "../../../types/audit.js";
import { answerAudits, audit } from "../../audit/index.js";
import { warningWords } from "../../audit/warnings.js";
import { I405Error } from "../../common/errors.js";
import { EXIT_OK, exitCodeOf } from "../exit-codes.js";
import { explainError } from "../explain.js";
import { plainLog } from "../plain-log.js";
import type { GivenFlags } from "../settings.js";
import type { World } from "../world.js";
import { runHere } from "./here.js";
import { judge } from "./judge.js";
import { readAuditFlags, underFlag, type AuditFlags, type AuditRequest } from "./options.js";

/**
 * Exit code 5 if `--fail-under` asks for it, 7 if nothing can be told. A signal ends the audit early, and the report is
 * on what there is by then.
 */
export async function runAudit(flags: AuditFlags, given: GivenFlags, world: World): Promise<number> {
  const log = plainLog(world.io, false, "i405 audit");
  try {
    const request = readAuditFlags(flags, given.values, world.io);
    switch (request.kind) {
      case "audit":
        return await auditAndReport(request, world);
      case "answer":
        return await answer(request.options, world);
      case "here":
        return await runHere(world, flags.capture);
    }
  } catch (error) {
    const explained = explainError(underFlag(error));
    log.fail(explained);
    return exitCodeOf(explained.code);
  }
}

async function auditAndReport(request: Extract<AuditRequest, { kind: "audit" }>, { io, stop }: World): Promise<number> {
  const { json, html, failUnder } = request.output;
  const ended = new AbortController();
  void stop.requested.then(() => ended.abort());
  const onProgress = (what: string) => io.err(`i405 audit: ${what}\n`);
  const found = await audit({ ...request.options, onProgress, signal: ended.signal });
  if (html !== undefined) {
    onProgress(`writing ${html}`);
    write(html, await found.html());
  }
  const plain = `${JSON.stringify(found.report, null, 2)}\n`;
  if (json !== undefined && json !== "-") write(json, plain);
  io.out(json === "-" ? plain : `${found.text()}\n`);
  // The text has the warnings already. A program reads the report, and a person may look at neither.
  if (json === "-")
    for (const warning of found.report.warnings) io.err(`i405 audit: warning: ${warningWords(warning)}\n`);
  const { code, why } = judge(found.report, failUnder);
  if (why !== null) io.err(`i405 audit: ${why}\n`);
  return code;
}

/** Until a signal, or until the tunnel is over. */
async function answer(options: AnswerOptions, { io, stop }: World): Promise<number> {
  const { tunnel, close } = await answerAudits(options);
  io.err(`i405 audit: answering on ${String(tunnel.localAddress)}\n`);
  tunnel.on("warning", ({ message, remedy }) => io.err(`i405 audit: ${message}. ${remedy}\n`));
  tunnel.on("connected", ({ endpoint }) => io.err(`i405 audit: ${endpoint} is here\n`));
  const failure = await Promise.race([new Promise<Error>((resolve) => tunnel.on("error", resolve)), stop.requested]);
  await close();
  if (failure !== undefined) throw failure;
  return EXIT_OK;
}

function write(path: string, contents: string): void {
  try {
    writeFileSync(path, contents);
  } catch (cause) {
    const message = `${path}: ${(cause as Error).message}. Give a file that you may write`;
    throw new I405Error("ERR_I405_USAGE", message, { cause });
  }
}
