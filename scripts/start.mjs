// @ts-check
// `npm start`: set-up, then the command line; without arguments the demo.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, setUp } from "./setup.mjs";

if (setUp()) {
  const main = join(ROOT, "dist", "cli", "main.js");
  const given = process.argv.slice(2);
  // In this very process, so that terminal, standard input and signals are the command's own.
  process.argv = [process.argv[0] ?? "node", main, ...(given.length === 0 ? ["demo"] : given)];
  await import(pathToFileURL(main).href);
} else {
  process.exitCode = 1;
}
