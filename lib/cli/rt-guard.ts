/** What the guard of `--lift-rt-throttle` runs once its command is gone: `rt-guard.js HOLDER LIMIT FOLDER PROCESSES`. */
import { letGo } from "./rt-throttle.js";

const [holder = "", limit = "", folder = "", processes = ""] = process.argv.slice(2);
// If this fails, the shell that runs it writes the limit by itself.
process.exitCode = letGo(holder, { limit, folder, processes }) ? 0 : 1;
