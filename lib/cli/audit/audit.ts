/** `i405 audit`: watches, compares, writes the reports; or answers the audits of others. */
import { writeFileSync } from "node:fs";
import { answerAudits, audit } from "../../audit/index.js";
import { I405Error } from "../../errors.js";
import type { AnswerOptions, AuditReport } from "../../../types/audit.js";
import { EXIT_OK, EXIT_WARNING, exitCodeOf } from "../exit-codes.js";
import { explainError } from "../explain.js";
import { reporter } from "../report.js";
import type { World } from "../run.js";
import type { GivenFlags } from "../settings.js";
import { runHere } from "./here.js";
import { readAuditFlags, underFlag, type AuditFlags, type AuditRequest } from "./options.js";

/** Exit code 5 if `--fail-under` asks for it. A signal ends what goes on; what there is until then is reported. */
export async function runAudit(flags: AuditFlags, given: GivenFlags, world: World): Promise<number> {
  const output = reporter(world.io, false, "i405 audit");
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
    output.fail(explained);
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
  return failUnder !== undefined && weakest(found.report) < failUnder ? EXIT_WARNING : EXIT_OK;
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

/** Effects that need no counting of intervals. */
const AT_ONCE = new Set(["headers", "bytes"]);

/** The least n95 of any two conditions; 0 where something else tells them apart at once. */
function weakest({ pairs, findings }: AuditReport): number {
  if (findings.some(({ effect }) => AT_ONCE.has(effect))) return 0;
  const compared = pairs.filter(({ control }) => !control);
  const least = ({ n95, n95AllSlots, findings }: AuditReport["pairs"][number]) =>
    findings.some(({ effect }) => AT_ONCE.has(effect)) ? 0 : Math.min(n95?.low ?? 0, n95AllSlots?.low ?? 0);
  return Math.min(...compared.map(least));
}

function write(path: string, contents: string): void {
  try {
    writeFileSync(path, contents);
  } catch (cause) {
    const message = `${path}: ${(cause as Error).message}. Give a file that you may write`;
    throw new I405Error("ERR_I405_USAGE", message, { cause });
  }
}
